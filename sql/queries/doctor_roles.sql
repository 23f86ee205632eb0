-- The roles that clients act as: whether each exists, whether the daemon may take it on, and whether
-- it sees what it has to: policies are for authenticated alone, so the service must bypass them.
select
  name,
  r.oid is not null as present,
  coalesce(pg_catalog.pg_has_role(current_user, r.oid, 'member'), false) as ours,
  name <> 'service_role' or r.rolbypassrls or r.rolsuper as sees_enough
from pg_catalog.unnest(array['anon', 'authenticated', 'service_role']) as name
left join pg_catalog.pg_roles r on r.rolname = name
