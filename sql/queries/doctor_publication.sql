-- $1 publication, $2 the configured schemas: what keeps pgoutput from bringing everything, whether
-- that is a failure, and the remedy.
with kept as (
  select p.name, p.schemas from pgherald.publications p where p.name = $1
), wanted as (
  select t.relation::oid as oid, t.relation::text as name, t.held, t.reason
  from pgherald.published_tables($1) t
), listed as (
  select r.prrelid as oid, case when p.pubname = $1 then 'whole' else 'inserts' end as held
  from pg_catalog.pg_publication p
  join pg_catalog.pg_publication_rel r on r.prpubid = p.oid
  where p.pubname in ($1, $1 || '_inserts') and r.prqual is null and r.prattrs is null
), missing as (
  select w.name
  from wanted w
  where w.held is not null and not exists (select 1 from listed l where l.oid = w.oid and l.held = w.held)
)
select true as fails, format('publication %s is not kept up to date', $1) as found, 'run pgherald init' as remedy
where not exists (select 1 from kept)

union all
select true, format('of schema %s nothing is published', s), 'run pgherald init'
from pg_catalog.unnest($2::text[]) as s, kept k
where s <> all (k.schemas)

union all
select true, format('%s is in no publication, so its changes are not seen', m.name), 'run pgherald init'
from missing m

union all
select true, format('no changes of %s are seen: it is %s', w.name, w.reason), 'run pgherald init as that role, or as a superuser'
from wanted w
where w.held is null and w.reason not like 'unlogged:%'

union all
select false, 'a table that is made from now on is published only when the daemon starts or pgherald init is run',
  'run pgherald init as a superuser once: it makes an event trigger'
where not exists (
  select 1 from pg_catalog.pg_event_trigger e where e.evtname = 'pgherald_publications' and e.evtenabled in ('O', 'A'))

union all
select false, format('generated columns of %s are not in the stream', w.name), 'PostgreSQL 18 publishes them; wal2json has them'
from wanted w
where w.held is not null
  and current_setting('server_version_num')::int < 180000
  and exists (select 1 from pg_catalog.pg_attribute a where a.attrelid = w.oid and a.attgenerated = 's' and not a.attisdropped)
