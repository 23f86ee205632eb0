-- The roles that clients may have: those that this connection may SET ROLE to.
select rolname
from pg_catalog.pg_roles
where pg_catalog.pg_has_role(session_user, oid,
  case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end)
