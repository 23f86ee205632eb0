-- What the server is and what it lets this role do; one row.
select
  pg_catalog.current_setting('server_version'),
  pg_catalog.current_setting('server_version_num')::int,
  pg_catalog.current_setting('wal_level'),
  pg_catalog.current_setting('max_replication_slots')::int,
  (select count(*) from pg_catalog.pg_replication_slots),
  pg_catalog.current_setting('max_wal_senders')::int,
  (select count(*) from pg_catalog.pg_stat_replication),
  -- only some roles may read it; to the others making a slot tells
  case when r.rolsuper or pg_catalog.pg_has_role(r.oid, 'pg_read_all_settings', 'usage')
    then pg_catalog.current_setting('output_plugin_libraries', true) end,
  current_user,
  r.rolsuper,
  r.rolreplication or r.rolsuper,
  pg_catalog.pg_is_in_recovery(),
  pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create'),
  (extract(epoch from pg_catalog.clock_timestamp()) * 1000000)::bigint,
  pg_catalog.current_database(),
  pg_catalog.current_setting('server_encoding')
from pg_catalog.pg_roles r
where r.rolname = current_user
