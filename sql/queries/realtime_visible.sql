-- Who may read these rows? $1 the questions, $2 the sessions: see pgherald.realtime_visible(); and what of
-- them is sent at all, see pgherald.realtime_sending().
with asked as (
  select (e.place - 1)::integer as question, e.v ->> 'schema' as schema, e.v ->> 'table' as name, e.v ->> 'kind' as kind
  from pg_catalog.jsonb_array_elements($1::jsonb) with ordinality as e (v, place)
), tables as materialized (
  select t.schema, t.name, s.sent, s.operations, s.withheld
  from (select distinct schema, name from asked) as t,
    pgherald.realtime_sending(t.schema, t.name) as s
)
select v.question, v.session,
  v.visible and t.sent and a.kind = any (t.operations),
  v.old_visible and t.sent and a.kind = any (t.operations), v.rls,
  case when t.withheld is null then v.hidden else (t.withheld || coalesce(v.hidden, '[]')::jsonb)::text end,
  v.problem
from pgherald.realtime_visible($1::jsonb, $2::jsonb) with ordinality as
  v (question, session, visible, old_visible, rls, hidden, problem, place)
join asked a using (question)
join tables t on t.schema = a.schema and t.name = a.name
order by v.place
