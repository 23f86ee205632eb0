-- Every type a column can have, and how the text of its values is to be read: as the base type,
-- for a domain. See json_categorize_type() in PostgreSQL's json.c.
with recursive resolved as (
  select t.oid, t.oid as base, t.typtype, t.typbasetype
  from pg_catalog.pg_type t
  where t.typtype in ('b', 'c', 'd', 'e', 'm', 'r')
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
