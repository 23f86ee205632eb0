-- How many of the two event triggers that note changes of the schema are there and fire.
select count(*) filter (where e.evtenabled in ('O', 'A'))
from pg_catalog.pg_event_trigger e
where e.evtname in ('pgherald_note_ddl', 'pgherald_note_drop')
