-- $1 publication: how many tables its two publications list, of how many only new rows, and whether
-- a table that is made later is listed at once.
select
  (select pg_catalog.count(*) from pgherald.published_tables($1) where held is not null),
  (select pg_catalog.count(*) from pgherald.published_tables($1) where held = 'inserts'),
  exists (
    select 1 from pg_catalog.pg_event_trigger
    where evtname = 'pgherald_publications' and evtenabled in ('O', 'A'))
