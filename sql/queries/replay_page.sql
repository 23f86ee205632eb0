-- The next entries of the audit trail, in the order in which they were stored, which is that of the
-- commits. Images come only of those that the events may ask for.
--
-- $1 bigint: behind this id   $2 bigint: up to this id   $3, $4 timestamptz: from, and before
-- $5 int: entries at most   $6 bigint: bytes of images as they are stored (the first one always fits)
-- $7 text[]: patterns of LIKE for `schema.table.operation`
select sized.id, (1000000 * extract(epoch from sized.occurred_at))::bigint, sized.commit_lsn, sized.ordinal,
  sized.xid, sized.action, sized.resource_type, sized.is_wanted,
  case when sized.is_wanted then sized.old_values end,
  case when sized.is_wanted then sized.new_values end
from (
  select page.*, sum(page.bytes) over (order by page.id) as running
  from (
    select a.*, wanted.is_wanted,
      case when wanted.is_wanted
        then coalesce(pg_column_size(a.old_values), 0) + coalesce(pg_column_size(a.new_values), 0) else 0
      end as bytes
    from public.audit_logs a
    cross join lateral (
      select a.commit_lsn is not null and a.resource_type || '.' || a.action like any ($7::text[]) as is_wanted
    ) wanted
    where a.id > $1::bigint and a.id <= $2::bigint
      and a.occurred_at >= $3::timestamptz and a.occurred_at < $4::timestamptz
    order by a.id
    limit $5::int
  ) page
) sized
where sized.running - sized.bytes < $6::bigint
order by sized.id
