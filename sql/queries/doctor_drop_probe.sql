-- $1 the slot of doctor_probe_slot.sql.
select pg_catalog.pg_drop_replication_slot($1)
