-- $1 slot: its output plugin, NULL if there is no such slot, and which transactions are over for who
-- asks the catalog next.
select s.plugin::text, pg_catalog.pg_current_snapshot()::text
from (values ($1::text)) as wanted (name)
left join pg_catalog.pg_replication_slots s on s.slot_name = wanted.name
