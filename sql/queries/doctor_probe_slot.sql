-- $1 a name, $2 a plugin: a temporary slot, gone with the session, shows whether the plugin is there
-- and allowed.
select slot_name
from pg_catalog.pg_create_logical_replication_slot($1, $2, true)
