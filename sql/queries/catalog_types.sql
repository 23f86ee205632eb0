-- Every type a column can have, and how the text of its values is to be read: as the base type,
-- for a domain. See json_categorize_type() in PostgreSQL's json.c. Rows of tables are left out until
-- a column has such a type, so that it is new then and its fields are asked for.
with recursive built as (
  select t.oid, t.typbasetype as part from pg_catalog.pg_type t where t.typbasetype <> 0
  union all
  select t.oid, t.typelem from pg_catalog.pg_type t where t.typelem <> 0
), used as (
  select distinct a.atttypid as oid from pg_catalog.pg_attribute a where a.attnum > 0
  union
  select b.part from used u join built b on b.oid = u.oid
), unused as (
  select t.oid, t.typarray
  from pg_catalog.pg_type t
  join pg_catalog.pg_class c on c.oid = t.typrelid
  where c.relkind <> 'c' and t.oid not in (select u.oid from used u)
), resolved as (
  select t.oid, t.oid as base, t.typtype, t.typbasetype
  from pg_catalog.pg_type t
  where t.typtype in ('b', 'c', 'd', 'e', 'm', 'r')
    and t.oid not in (select n.oid from unused n)
    and t.oid not in (select n.typarray from unused n)
    and t.typbasetype not in (select n.oid from unused n)
    and t.typelem not in (select d.oid from pg_catalog.pg_type d join unused n on n.oid = d.typbasetype)
  union all
  select r.oid, b.oid, b.typtype, b.typbasetype
  from resolved r
  join pg_catalog.pg_type b on b.oid = r.typbasetype
  where r.typtype = 'd'
)
select
  t.oid,
  t.typname,
  case
    when b.oid in (20, 21, 23, 700, 701, 1700) then 'number'
    when b.oid = 16 then 'bool'
    when b.oid in (114, 3802) then 'json'
    when b.oid = 1114 then 'timestamp'
    when b.oid = 1184 then 'timestamptz'
    when b.oid = 17 then 'bytea'
    when b.typsubscript = 'pg_catalog.array_subscript_handler'::regproc then 'array'
    when b.typtype = 'c' then 'composite'
    else 'string'
  end as kind,
  b.typelem as element,
  coalesce(e.typdelim, ',') as delimiter
from resolved r
join pg_catalog.pg_type t on t.oid = r.oid
join pg_catalog.pg_type b on b.oid = r.base
left join pg_catalog.pg_type e on e.oid = b.typelem
where r.typtype <> 'd'
order by t.oid
