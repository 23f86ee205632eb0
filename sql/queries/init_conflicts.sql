-- What of the project's would not bear the installation, beyond the names and columns that
-- 000_foundation.sql asks about: before anything is changed. Each with what to do. psql can ask too:
-- PGOPTIONS='-c pgherald.seed_app=off' leaves out what only concerns the seed application.
with setting as (
  select coalesce(current_setting('pgherald.seed_app', true), '') <> 'off' as with_app
), ours (app, name, given, key) as (
  -- the columns that pgherald always gives a value, where it inserts; the key it relies on
  values
    (false, 'audit_logs', '{action,resource_type}'::text[], null::text[]),
    (false, 'notifications', '{user_id,title,type,message,priority,data}', null),
    (false, 'notification_preferences', '{user_id,type,is_enabled,min_priority}', '{user_id,type}'),
    (false, 'notification_rules', null, null),
    (false, 'webhooks', '{user_id,name,url,events,filter,headers}', null),
    (false, 'webhook_deliveries', '{webhook_id,message_id,event_type,payload}', '{id}'),
    (false, 'webhook_attempts', '{delivery_id,attempt,attempted_at,duration_ms,status_code,error,response_body}', null),
    (false, 'api_keys', '{user_id,name,service,key_hash,key_prefix,scopes,rate_limit_per_minute,expires_at}', '{id}'),
    (false, 'api_key_usage', '{api_key_id,day,requests,errors}', '{api_key_id,day}'),
    (false, 'job_logs', '{job_type,payload,queue,user_id,priority,max_attempts,scheduled_at}', null),
    (true, 'users', '{id}', '{id}'), (true, 'memories', null, null), (true, 'summaries', null, null),
    (true, 'transcripts', null, '{id,user_id}'), (true, 'files', null, '{id,user_id}'),
    (true, 'chat_sessions', null, '{id,user_id}'), (true, 'chat_messages', null, null),
    (true, 'google_oauth_tokens', null, null), (true, 'meetings', null, '{id,user_id}'),
    (true, 'meeting_participants', null, '{id,meeting_id}'), (true, 'meeting_transcripts', null, null),
    (true, 'meeting_summaries', null, null), (true, 'meeting_bot_sessions', null, '{id,meeting_id}')
), wanted as (
  select o.name, o.given, o.key, to_regclass('public.' || o.name) as oid
  from ours o, setting s
  where s.with_app or not o.app
), shared as (
  select w.name, w.given, w.key, c.oid, c.relowner
  from wanted w
  join pg_catalog.pg_class c on c.oid = w.oid and c.relkind in ('r', 'p')
  where coalesce(obj_description(c.oid, 'pg_class'), '') not like 'pgherald%'
), index_names (app, relation, suffixes) as (
  -- those of constraints would fail, those of the application would be left out without a word
  values
    (false, 'api_keys', '{key_hash_key}'::text[]),
    (false, 'notification_rules', '{name_key}'),
    (true, 'users', '{email_idx,created_idx}'),
    (true, 'memories', '{user_idx,source_idx,tags_idx,embedding_idx}'),
    (true, 'transcripts', '{owner_key,user_idx,status_idx,file_idx}'),
    (true, 'summaries', '{user_idx,transcript_idx}'),
    (true, 'chat_sessions', '{owner_key,user_idx,user_created_idx}'),
    (true, 'chat_messages', '{session_idx,user_idx}'),
    (true, 'google_oauth_tokens', '{account_key,expires_idx}'),
    (true, 'meetings', '{owner_key,google_event_key,user_idx,user_created_idx,status_idx}'),
    (true, 'meeting_participants', '{meeting_key,email_idx,user_idx}'),
    (true, 'meeting_transcripts', '{sequence_key,user_idx,bot_idx,participant_idx}'),
    (true, 'meeting_summaries', '{type_key,user_idx}'),
    (true, 'meeting_bot_sessions', '{meeting_key,external_key,meeting_idx,user_idx,status_idx}'),
    (true, 'files', '{owner_key,storage_path_key,user_idx,status_idx}')
)
-- names
select format('index public.%I belongs to %s', ic.relname, i.indrelid::regclass) as what,
  format('alter index public.%I rename to app_%1$s', ic.relname) as remedy
from index_names n
cross join setting s
cross join unnest(n.suffixes) as suffix
join pg_catalog.pg_class ic on ic.relnamespace = 'public'::regnamespace and ic.relname = n.relation || '_' || suffix
join pg_catalog.pg_index i on i.indexrelid = ic.oid
where (s.with_app or not n.app) and i.indrelid is distinct from to_regclass('public.' || n.relation)

union all
select format('type public.%I has the name of a table', w.name), format('alter type public.%I rename to app_%1$s', w.name)
from wanted w
where w.oid is null and to_regtype('public.' || w.name) is not null

union all
select format('schema %I is not pgherald''s', n.nspname), 'pgherald keeps its state there: rename the schema'
from pg_catalog.pg_namespace n
where n.nspname in ('pgherald', 'pgherald_audit') and coalesce(obj_description(n.oid, 'pg_namespace'), '') not like 'pgherald:%'

-- who is calling; by the catalog, because names in a schema without usage are an error
union all
select format('auth.%I() returns %s', p.proname, format_type(p.prorettype, null)),
  format('row level security compares it with %s columns: make it return that', f.type)
from (values ('uid', 'uuid'), ('role', 'text'), ('jwt', 'jsonb')) as f (name, type)
join pg_catalog.pg_proc p on p.proname = f.name and p.pronargs = 0
join pg_catalog.pg_namespace n on n.oid = p.pronamespace and n.nspname = 'auth'
where p.prorettype <> f.type::regtype

union all
select format('schema auth is out of %I''s reach', current_user), format('grant usage on schema auth to %I', current_user)
from pg_catalog.pg_namespace n
where n.nspname = 'auth' and not has_schema_privilege(n.oid, 'usage')

union all
select format('schema auth has no function %s(), and %I may not make it', string_agg(f.name, '(), ' order by f.name), current_user),
  format('grant create on schema auth to %I', current_user)
from pg_catalog.pg_namespace n
cross join unnest(array['uid', 'role', 'jwt']) as f (name)
where n.nspname = 'auth'
  and not has_schema_privilege(n.oid, 'create')
  and not exists (select 1 from pg_catalog.pg_proc p where p.pronamespace = n.oid and p.proname = f.name and p.pronargs = 0)
having count(*) > 0

-- tables that would be shared
union all
select format('table public.%I is owned by %s', s.name, s.relowner::regrole),
  format('install as that role, or: alter table public.%I owner to %I', s.name, current_user)
from shared s
where not pg_has_role(s.relowner, 'usage')

union all
select format('trigger %I on public.%I has the name of one of pgherald''s', t.tgname, s.name),
  format('alter trigger %I on public.%I rename to app_%1$s', t.tgname, s.name)
from shared s
join pg_catalog.pg_trigger t on t.tgrelid = s.oid and not t.tgisinternal
join pg_catalog.pg_proc p on p.oid = t.tgfoid
where t.tgname in ('set_updated_at', 'sync_read', 'drop_unwanted', 'free_dedupe_key', 'delete_deliveries', 'refuse_row',
    'refuse_statement', 'touch_session', 'delete_notifications')
  and p.pronamespace::regnamespace::text not in ('pgherald', 'pgherald_audit')

union all
select format('column public.%I.%I must not be null and has no default', s.name, a.attname),
  format('pgherald does not know it: alter table public.%I alter column %I set default ...', s.name, a.attname)
from shared s
join pg_catalog.pg_attribute a on a.attrelid = s.oid and a.attnum > 0 and not a.attisdropped
where s.given is not null
  and a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attname <> all (s.given)

union all
select format('table public.%I has no unique key on (%s)', s.name, array_to_string(s.key, ', ')),
  format('alter table public.%I add unique (%s)', s.name, array_to_string(s.key, ', '))
from shared s
where s.key is not null and not exists (
  select 1
  from pg_catalog.pg_index i
  where i.indrelid = s.oid and i.indisunique and i.indpred is null and i.indexprs is null
    and (select array_agg(a.attname::text order by a.attname::text) from pg_catalog.pg_attribute a
      where a.attrelid = s.oid and a.attnum = any (i.indkey)) = (select array_agg(k order by k) from unnest(s.key) as k))
order by 1
