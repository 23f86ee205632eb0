-- $1 the process of a walsender: whether it is at work, rather than waiting for WAL or for its client.
select a.wait_event_type is null or a.wait_event_type not in ('Activity', 'Client') as works
from pg_catalog.pg_stat_activity a
where a.pid = $1::int4
