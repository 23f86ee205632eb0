-- $1 slot: ends whoever reads it, so that it can be dropped.
select pg_catalog.pg_terminate_backend(s.active_pid)
from pg_catalog.pg_replication_slots s
where s.slot_name = $1 and s.active_pid is not null
