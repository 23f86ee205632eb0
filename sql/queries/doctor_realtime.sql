-- What private channels, messages from SQL and Supabase's publication lack. $1 the configured schemas.
with messages as (
  select c.oid, c.relkind, pg_catalog.has_schema_privilege(n.oid, 'usage')
    and pg_catalog.has_table_privilege(c.oid, 'select') as readable
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'realtime' and c.relname = 'messages' and c.relkind in ('r', 'p')
), partitions as (
  select pg_catalog.substring(b.bound, $re$FROM \('([^']+)'\)$re$)::timestamp as first,
    pg_catalog.substring(b.bound, $re$TO \('([^']+)'\)$re$)::timestamp as past,
    b.bound = 'DEFAULT' as takes_all
  from messages m
  join pg_catalog.pg_inherits i on i.inhparent = m.oid
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  cross join lateral (select pg_catalog.pg_get_expr(c.relpartbound, c.oid)) as b (bound)
)
select 'there is no table realtime.messages, so private channels are refused' as found,
  'run pgherald init; if that has been done, bring Supabase''s Realtime up to date, or grant create on schema '
    || 'realtime to the role that installs, and run sql/migrations/015_realtime_messages.sql again' as remedy
where not exists (select from messages)

union all
select 'realtime.messages lacks ' || pg_catalog.string_agg(c, ', '), 'on Supabase, bring Realtime up to date'
from messages m,
  pg_catalog.unnest(array['topic', 'extension', 'payload', 'event', 'private', 'inserted_at', 'updated_at', 'id']) as c
where not exists (
  select from pg_catalog.pg_attribute a where a.attrelid = m.oid and a.attname = c and not a.attisdropped)
having pg_catalog.count(*) > 0

union all
select 'stored messages cannot be replayed: role ' || current_user || ' may not read realtime.messages',
  pg_catalog.format('grant usage on schema realtime to %1$I; grant select on realtime.messages to %1$I;', current_user)
from messages m
where not m.readable

union all
select pg_catalog.format('realtime.messages has no partition for %s (UTC): what realtime.send() sends then is lost', d::date),
  'the platform''s own Realtime makes them while a client is connected to it: let one connect once a day'
from messages m,
  pg_catalog.generate_series(now() at time zone 'UTC', now() at time zone 'UTC' + interval '1 day', '1 day') as d
where m.relkind = 'p'
  and not exists (select from partitions p where p.takes_all or (p.first <= d and d < p.past))

union all
select pg_catalog.format('publication supabase_realtime has tables of schema %s, which is not followed', t.schemaname),
  pg_catalog.format('add %s to the setting schemas', t.schemaname)
from pg_catalog.pg_publication_tables t
where t.pubname = 'supabase_realtime' and t.schemaname <> all ($1::text[])
group by t.schemaname

union all
select pg_catalog.format('the row filter of %s in publication supabase_realtime is not applied', r.prrelid::regclass),
  'let row level security say who may read which row'
from pg_catalog.pg_publication_rel r
join pg_catalog.pg_publication p on p.oid = r.prpubid
where p.pubname = 'supabase_realtime' and r.prqual is not null

union all
select 'notifications do not reach browsers live: public.notifications is not in publication supabase_realtime',
  'alter publication supabase_realtime add table public.notifications;'
from pg_catalog.pg_publication p
where p.pubname = 'supabase_realtime'
  and exists (select from pg_catalog.pg_class c where c.relname = 'notifications' and c.relnamespace = 'public'::regnamespace)
  and not exists (
    select from pg_catalog.pg_publication_tables t
    where t.pubname = p.pubname and t.schemaname = 'public' and t.tablename = 'notifications')
