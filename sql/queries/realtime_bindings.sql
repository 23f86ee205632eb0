-- What can never come of these subscriptions, and why. $1 [["schema", "table", "role", ["column", ...]]],
-- a schema or table may be `*`; $2 the configured schemas. A row for each that names one table or of which
-- nothing is sent: `reason`, in the operator's words, if it gets nothing; `missing`, the first of its
-- columns that is not there, not published or not for the role to read; `kinds`, a letter for each of its
-- columns: n number, b bool, t timestamp, z timestamptz, u uuid, - anything else.
with wanted as (
  select (e.place - 1)::integer as place, e.v ->> 0 as schema, e.v ->> 1 as name, e.v ->> 2 as role, e.v -> 3 as columns
  from jsonb_array_elements($1::jsonb) with ordinality as e (v, place)
), unsent as (
  select u.place, u.reason, u.published from pgherald.realtime_unsent($1::jsonb, $2::text[]) as u
), tables as (
  select w.place, w.columns, w.role, c.oid, r.oid as roleid, n.oid as schemaid,
    (pgherald.realtime_publication(c.oid)).columns as published
  from wanted w
  join pg_catalog.pg_namespace n on n.nspname = w.schema
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'p')
  join pg_catalog.pg_roles r on r.rolname = w.role
  where not exists (select from unsent u where u.place = w.place)
), columns as (
  select t.place, e.name, e.number, b.oid as type,
    a.attnum is not null and has_column_privilege(t.roleid, t.oid, a.attnum, 'select')
      and (t.published is null or a.attname = any (t.published)) as is_there
  from tables t
  cross join jsonb_array_elements_text(t.columns) with ordinality as e (name, number)
  left join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attname = e.name and a.attnum > 0 and not a.attisdropped
  left join pg_catalog.pg_type y on y.oid = a.atttypid
  left join pg_catalog.pg_type b on b.oid = case y.typtype when 'd' then y.typbasetype else y.oid end
)
select u.place, u.reason, u.published, null as missing, null as kinds
from unsent u
union all
select t.place, 'grant select on ' || t.oid::regclass || ' to ' || quote_ident(t.role), null, null, null
from tables t
where not has_schema_privilege(t.roleid, t.schemaid, 'usage') or not has_any_column_privilege(t.roleid, t.oid, 'select')
union all
select c.place, null, null, (array_agg(c.name order by c.number) filter (where not c.is_there))[1],
  string_agg(case
    when c.type in (20, 21, 23, 700, 701, 1700) then 'n'
    when c.type = 16 then 'b'
    when c.type = 1114 then 't'
    when c.type = 1184 then 'z'
    when c.type = 2950 then 'u'
    else '-'
  end, '' order by c.number)
from columns c
group by c.place
order by place, reason nulls last
