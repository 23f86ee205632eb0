-- The fields of composite types: those made by CREATE TYPE, and rows of tables where a column has
-- such a type, as catalog_types.sql has it. A domain over a composite has its base's fields.
with recursive built as (
  select t.oid, t.typbasetype as part from pg_catalog.pg_type t where t.typbasetype <> 0
  union all
  select t.oid, t.typelem from pg_catalog.pg_type t where t.typelem <> 0
), used as (
  select distinct a.atttypid as oid from pg_catalog.pg_attribute a where a.attnum > 0
  union
  select b.part from used u join built b on b.oid = u.oid
), named as (
  select t.oid, t.typrelid
  from pg_catalog.pg_type t
  join pg_catalog.pg_class c on c.oid = t.typrelid
  where t.typtype = 'c' and (c.relkind = 'c' or t.oid in (select u.oid from used u))
  union
  select d.oid, n.typrelid
  from named n
  join pg_catalog.pg_type d on d.typtype = 'd' and d.typbasetype = n.oid
)
select n.oid, a.attname, a.atttypid
from named n
join pg_catalog.pg_attribute a on a.attrelid = n.typrelid and a.attnum > 0 and not a.attisdropped
order by n.oid, a.attnum
