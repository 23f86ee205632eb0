-- The roles that clients act as: whether each exists, and whether the daemon may take it on.
select
  name,
  r.oid is not null as present,
  coalesce(pg_catalog.pg_has_role(current_user, r.oid, 'member'), false) as ours
from pg_catalog.unnest(array['anon', 'authenticated', 'service_role']) as name
left join pg_catalog.pg_roles r on r.rolname = name
