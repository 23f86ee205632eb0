-- $1 slot, $2 plugin: the position from which on it will have every transaction.
select lsn::text
from pg_catalog.pg_create_logical_replication_slot($1, $2)
