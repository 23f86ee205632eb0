-- A table that an entry of the audit trail names, as the catalog has it now: a row a column, in their
-- order. No row: there is no such table any more.
--
-- $1 text: schema.table
with named as (
  select c.oid, n.nspname, c.relname
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = $1
  order by n.nspname = 'public' desc, n.nspname
  limit 1
)
select t.nspname, t.relname, a.attname, a.atttypid, coalesce(a.attnum = any (i.indkey), false) as is_key
from named t
join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_index i on i.indrelid = t.oid and i.indisprimary
order by a.attnum
