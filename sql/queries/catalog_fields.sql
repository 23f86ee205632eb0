-- The fields of composite types: those made by CREATE TYPE, and rows of tables where a column has
-- such a type. A domain over a composite has its base's fields.
with recursive used as (
  select distinct a.atttypid as oid from pg_catalog.pg_attribute a where a.attnum > 0
), composite as (
  select t.oid, t.typrelid
  from pg_catalog.pg_type t
  join pg_catalog.pg_class c on c.oid = t.typrelid
  where t.typtype = 'c'
    and (c.relkind = 'c'
         or t.oid in (select u.oid from used u)
         or t.typarray in (select u.oid from used u))
), named as (
  select oid, typrelid from composite
  union
  select d.oid, n.typrelid
  from named n
  join pg_catalog.pg_type d on d.typtype = 'd' and d.typbasetype = n.oid
)
select n.oid, a.attname, a.atttypid
from named n
join pg_catalog.pg_attribute a on a.attrelid = n.typrelid and a.attnum > 0 and not a.attisdropped
order by n.oid, a.attnum
