-- Which webhooks a word on the command line means, as a JSON object: the one with that id, else
-- those of that name. `hidden`: row level security may keep rows from this role.
--
-- $1 text: an id or a name
with named as (
  select w.id, w.name, w.is_active, w.id::text = lower($1) as by_id
  from public.webhooks w
  where w.id::text = lower($1) or w.name = $1
)
select json_build_object(
  'hidden', pg_catalog.row_security_active('public.webhooks'::regclass),
  'found', coalesce((
    select json_agg(json_build_object('id', n.id, 'name', n.name, 'active', n.is_active) order by n.id)
    from named n
    where n.by_id or not exists (select from named other where other.by_id)), '[]'))
