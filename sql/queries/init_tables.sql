-- $1 schemas: the tables that the stream reports, without those that the plugin filters out. Without
-- a replica identity wal2json drops a table's UPDATEs and DELETEs; without a full one there is no row
-- as it was before. Partitions are reported under their own name, so theirs counts.
select
  format('%I.%I', n.nspname, c.relname),
  case c.relreplident
    when 'f' then true
    when 'n' then false
    else exists (
      select 1
      from pg_catalog.pg_index i
      where i.indrelid = c.oid and i.indisvalid and i.indimmediate
        and case c.relreplident when 'd' then i.indisprimary else i.indisreplident end)
  end as identified,
  c.relreplident = 'f' as full_identity
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = any ($1::text[])
  and c.relkind = 'r'
  and c.relpersistence = 'p'
  and not (n.nspname = 'public' and c.relname in ('webhook_deliveries', 'webhook_attempts'))
  and n.nspname not in ('pgherald', 'pgherald_audit')
  -- an extension's tables (spatial_ref_sys) are not the application's
  and not exists (
    select 1 from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1
