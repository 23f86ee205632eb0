-- With 100,000 rows in each busy table, the hot queries use the indexes that were made for
-- them. Rows are spread over 1,000 users; ann is one of them.
begin;
select no_plan();
select tap.people();

create temporary table person as
select n, case n when 0 then tap.ann() else gen_random_uuid() end as id from generate_series(0, 999) as n;
create unique index on person (n);
create temporary table seq as
select i as n, p.id as user_id, now() - (100000 - i) * interval '2 minutes' as at
from generate_series(1, 100000) as i join person p on p.n = i % 1000;

set local session_replication_role = replica;  -- foreign keys and triggers are tested elsewhere
insert into public.users (id) select id from person on conflict do nothing;
insert into public.memories (user_id, title, content, tags, source_id, created_at)
  select user_id, 'm', 'c', array['t' || n % 5000], case when n % 10 = 0 then gen_random_uuid() end, at from seq;
insert into public.transcripts (user_id, title, status, content, created_at)
  select user_id, 't', case when n % 500 = 0 then 'pending' else 'completed' end, 'c', at from seq;
insert into public.summaries (user_id, content, created_at) select user_id, 'c', at from seq;
insert into public.chat_sessions (id, user_id, last_message_at, created_at)
  select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, user_id, at, at from seq;
insert into public.chat_messages (session_id, user_id, role, content, prompt_tokens, completion_tokens, created_at)
  select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, user_id, 'user', 'c', 1, 1, at from seq;
insert into public.meetings (id, user_id, title, start_time, end_time, status, created_at)
  select ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid, user_id, 'm', at, at, case when n % 500 = 0 then 'scheduled' else 'completed' end, at from seq;
insert into public.meeting_participants (meeting_id, user_id, email)
  select ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid, (select id from person where person.n = (seq.n + 1) % 1000), 'x@y' from seq;
insert into public.meeting_transcripts (meeting_id, user_id, sequence, content, created_at)
  select ('00000000-0000-4000-9000-' || lpad((n / 20)::text, 12, '0'))::uuid, user_id, n % 20, 'c', at from seq;
insert into public.meeting_summaries (meeting_id, user_id, summary, created_at)
  select ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid, user_id, 's', at from seq;
insert into public.files (user_id, file_name, storage_path, file_size, upload_status, created_at)
  select user_id, 'f', n, n, case when n % 500 = 0 then 'pending' else 'completed' end, at from seq;
insert into public.job_logs (user_id, job_type, status, finished_at, scheduled_at, created_at)
  select user_id, 'type' || n % 50, case when n % 500 = 0 then 'pending' else 'completed' end,
    case when n % 500 <> 0 then at end, at, at from seq;
insert into public.notifications (user_id, title, is_read, read_at, dedupe_key, expires_at, created_at)
  select user_id, 'n', n % 20000 >= 1000, case when n % 20000 >= 1000 then at end, 'k' || n, case when n % 4 = 0 then at + interval '130 days' end, at from seq;
insert into public.audit_logs (occurred_at, user_id, action, resource_type, resource_id, xid, commit_lsn, old_resource_id)
  select now() + (n % 100) * interval '10 s' + n * interval '1 ms', user_id, 'update', 'public.memories', n % 5000,
    1000 + n / 10, '0/1'::pg_lsn + n, case when n % 1000 = 0 then 'k' || n end from seq;
insert into public.webhooks (id, user_id, name, url, events) select id, id, 'w', 'https://x', '{*}' from person;
insert into public.webhook_deliveries (webhook_id, message_id, event_type, payload, status, delivered_at, created_at)
  select user_id, 'm', 'e', '{}', case when n % 100 < 2 then 'pending' else 'delivered' end, case when n % 100 >= 2 then at end, at from seq;
insert into public.webhook_attempts (delivery_id, attempt) select id, 1 from public.webhook_deliveries;
insert into public.api_keys (user_id, name, key_hash, key_prefix) select user_id, 'k', sha256(n::text::bytea), 'p' from seq;
insert into public.api_key_usage (api_key_id, day)
  select k.id, (now() at time zone 'UTC')::date - d
  from (select id from public.api_keys order by id limit 250) as k, generate_series(1, 400) as d;
insert into public.job_logs (queue, job_type, status, finished_at, created_at)
  select 'pgherald', 'job' || n % 7, 'completed', at, at from seq where n % 20 = 0;
insert into public.job_logs (queue, job_type, status) select 'q' || n % 3, 'type1', 'running' from seq where n % 10000 = 0;
insert into public.notification_preferences (user_id, type) select id, 't' || i from person, generate_series(1, 100) as i;
insert into public.meeting_bot_sessions (id, meeting_id, user_id, external_bot_id, status, scheduled_at, created_at)
  select ('00000000-0000-4000-a000-' || lpad(n::text, 12, '0'))::uuid, ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid, user_id,
    n, case when n % 500 = 0 then 'scheduled' else 'completed' end, at, at from seq;
insert into public.google_oauth_tokens (user_id, google_account_id, access_token_encrypted, encryption_key_id, expires_at)
  select user_id, n, decode(repeat('ab', 40), 'hex'), 'k', at from seq;
set local session_replication_role = origin;
analyze;

-- the application's own lists, as a client under row level security
select tap.uses_index(true, index, query) from (values
  ('memories_user_idx', 'select * from public.memories order by created_at desc limit 20'),
  ('transcripts_user_idx', 'select * from public.transcripts order by created_at desc limit 20'),
  ('summaries_user_idx', 'select * from public.summaries order by created_at desc limit 20'),
  ('chat_sessions_user_idx', 'select * from public.chat_sessions order by last_message_at desc nulls last limit 20'),
  ('chat_messages_session_idx', 'select * from public.chat_messages where session_id = ''00000000-0000-4000-8000-000000001000'' order by created_at'),
  ('meeting_participants_email_idx', 'select * from public.meeting_participants where meeting_id = ''00000000-0000-4000-9000-000000001000'''),
  ('meeting_transcripts_sequence_key', 'select * from public.meeting_transcripts where meeting_id = ''00000000-0000-4000-9000-000000001000'' order by sequence'),
  ('meeting_summaries_type_key', 'select * from public.meeting_summaries where meeting_id = ''00000000-0000-4000-9000-000000001000'''),
  ('files_user_idx', 'select * from public.files order by created_at desc limit 20'),
  ('job_logs_user_idx', 'select * from public.job_logs order by created_at desc limit 20'),
  ('job_logs_user_idx', 'select * from public.job_status_summary'),
  ('notifications_user_idx', 'select * from public.notifications order by created_at desc limit 20'),
  ('audit_logs_user_idx', 'select * from public.audit_logs order by occurred_at desc limit 20'),
  ('webhooks_user_idx', 'select id, name from public.webhooks'),
  ('webhook_deliveries_webhook_idx', format('select * from public.webhook_deliveries where webhook_id = %L order by created_at desc limit 20', tap.ann())),
  ('webhook_attempts_pkey', 'select * from public.webhook_attempts where delivery_id = 1'),
  ('api_keys_user_idx', 'select id, name from public.api_keys order by created_at desc'),
  ('api_key_usage_pkey', 'select * from public.api_key_usage order by day desc'),
  ('webhook_deliveries_webhook_idx', 'select * from public.webhook_deliveries order by created_at desc limit 20'),
  ('notification_preferences_pkey', 'select * from public.notification_preferences'),
  ('notifications_unread_idx', 'select * from public.notifications where not is_read and archived_at is null order by created_at desc limit 20'),
  ('notifications_pkey', format('update public.notifications set is_read = true where id = %L', tap.ann())),
  ('meeting_bot_sessions_user_idx', 'select * from public.meeting_bot_sessions order by created_at desc limit 20'),
  ('meeting_bot_sessions_meeting_idx', 'select * from public.meeting_bot_sessions where meeting_id = ''00000000-0000-4000-9000-000000001000'''),
  ('google_oauth_tokens_account_key', 'select id, google_email from public.google_oauth_tokens'),
  ('users_pkey', 'select * from public.users')
) as t (index, query);

-- every branch of the activity feed is read from its index, and from the head only
select tap.uses_index(true, index, format('select * from public.user_recent_activity where user_id = %L order by occurred_at desc limit 50', tap.ann()))
from unnest(array['memories_user_idx', 'transcripts_user_idx', 'summaries_user_idx', 'chat_sessions_user_created_idx',
  'chat_messages_user_idx', 'meeting_summaries_user_idx', 'files_user_idx']) as index;

-- what functions, workers and the daemon ask
select tap.uses_index(false, index, query) from (values
  ('users_created_idx', 'select * from public.users order by created_at desc limit 20'),
  ('meeting_participants_user_idx', format('select meeting_id from public.meeting_participants where user_id = %L', tap.ann())),
  ('meeting_bot_sessions_status_idx', 'select * from public.meeting_bot_sessions where status = ''scheduled'' and scheduled_at < now()'),
  ('meeting_bot_sessions_external_key', 'select * from public.meeting_bot_sessions where provider = ''internal'' and external_bot_id = ''17'''),
  ('google_oauth_tokens_expires_idx', 'select id from public.google_oauth_tokens where revoked_at is null and expires_at < now() - interval ''138 days'''),
  ('meetings_google_event_key', format('select * from public.meetings where user_id = %L and google_event_id = ''x''', tap.ann())),
  ('users_email_idx', 'select * from public.users where lower(email) = ''x@y'''),
  ('memories_tags_idx', 'select * from public.memories where tags @> array[''t17'']'),
  ('memories_source_idx', format('select * from public.memories where source_id = %L', tap.ann())),
  ('transcripts_status_idx', 'select * from public.transcripts where status in (''pending'', ''processing'') order by status, created_at limit 10'),
  ('meetings_status_idx', 'select * from public.meetings where status = ''scheduled'' and start_time > now()'),
  ('files_user_idx', format('select count(*), sum(file_size) from public.files where user_id = %L and upload_status = ''completed''', tap.ann())),
  ('files_status_idx', 'select * from public.files where upload_status = ''pending'' and created_at < now()'),
  ('chat_messages_user_idx', format('select sum(prompt_tokens), sum(completion_tokens) from public.chat_messages where user_id = %L and created_at >= now() - interval ''30 days''', tap.ann())),
  ('notifications_unread_idx', format('select count(*) from public.notifications where user_id = %L and not is_read and archived_at is null and (expires_at is null or expires_at > now())', tap.ann())),
  ('notifications_dedupe_idx', format('select id from public.notifications where user_id = %L and dedupe_key = ''k1000''', tap.ann())),
  ('notifications_expires_idx', 'select id from public.notifications where expires_at <= now() order by expires_at limit 1000'),
  ('job_logs_ready_idx', 'select id from public.job_logs where queue = ''default'' and status = ''pending'' and scheduled_at <= now() order by priority desc, scheduled_at limit 1 for update skip locked'),
  ('job_logs_finished_idx', 'select id from public.job_logs where finished_at < now() - interval ''138 days'' order by finished_at limit 1000'),
  -- the maintenance jobs and what they clean away
  ('job_logs_finished_idx', 'select l.id from public.job_logs l where l.finished_at < now() - interval ''138 days''
    and (l.queue <> ''pgherald'' or exists (select 1 from public.job_logs later where later.queue = ''pgherald'' and later.job_type = l.job_type and later.created_at > l.created_at))
    order by l.finished_at limit 10000 for update skip locked'),
  ('job_logs_last_run_idx', 'select max(l.created_at) from public.job_logs l where l.queue = ''pgherald'' and l.job_type = ''job3'''),
  ('job_logs_open_run_idx', 'select 1 from public.job_logs l where l.queue = ''pgherald'' and l.job_type = ''job3'' and l.status in (''pending'', ''running'')'),
  ('job_logs_open_run_idx', 'select l.id from public.job_logs l join pgherald.jobs j on j.name = l.job_type where l.queue = ''pgherald'' and (l.status = ''running'' or (l.status = ''pending'' and l.scheduled_at <= clock_timestamp()))'),
  ('job_logs_running_idx', 'select distinct l.queue from public.job_logs l where l.status = ''running'' and l.queue <> ''pgherald'''),
  ('job_logs_running_idx', 'select id from public.job_logs where status = ''running'' and updated_at < now() - interval ''1 hour'' and (''q1'' is null or queue = ''q1'')'),
  ('webhook_deliveries_finished_idx', 'select d.id from public.webhook_deliveries d where d.status <> ''pending'' and d.created_at < greatest(now() - interval ''137 days'', now() - interval ''138 days'')
    and d.created_at < case d.status when ''delivered'' then now() - interval ''137 days'' else now() - interval ''138 days'' end order by d.created_at limit 10000 for update skip locked'),
  ('api_key_usage_day_idx', 'select u.api_key_id, u.day from public.api_key_usage u where u.day < (now() at time zone ''UTC'')::date - 395 order by u.day limit 10000 for update skip locked'),
  ('notifications_pkey', 'delete from public.notifications where id = any (array(select id from public.notifications where expires_at <= now() order by expires_at limit 10000 for update skip locked))'),
  ('job_logs_type_status_idx', 'select * from public.job_logs where job_type = ''type7'' and status = ''completed'' order by created_at desc limit 10'),
  ('audit_logs_resource_idx', 'select * from public.audit_logs where resource_type = ''public.memories'' and resource_id = ''17'' order by occurred_at'),
  -- what reads the trail back
  ('audit_logs_resource_idx', 'select * from public.audit_logs where resource_type = any (array[''public.memories'', ''public.part'']) and resource_id = ''17'' and occurred_at <= now() order by occurred_at desc limit 1'),
  ('audit_logs_old_resource_idx', 'select * from public.audit_logs where resource_type = any (array[''public.memories'']) and old_resource_id = ''k1000'''),
  ('audit_logs_xid_brin', 'select * from public.audit_logs where xid = 2000 and commit_lsn is not null'),
  ('audit_logs_pkey', 'select * from public.audit_logs order by id desc limit 20'),
  ('audit_logs_occurred_at_brin', 'select count(*) from public.audit_logs where occurred_at between now() + interval ''1000 s'' and now() + interval ''1010 s'''),
  ('webhook_deliveries_pending_idx', format('select id from public.webhook_deliveries where webhook_id = %L and status = ''pending'' and next_attempt_at <= now() order by next_attempt_at limit 100 for update skip locked', (select id from person where n = 1))),
  ('webhook_deliveries_pending_idx', 'select distinct webhook_id from public.webhook_deliveries where status = ''pending'''),
  ('webhook_deliveries_webhook_idx', format('delete from public.webhook_deliveries where webhook_id = %L', tap.ann())),
  ('api_keys_pkey', 'select * from pgherald.live_api_keys where id = any (array[''00000000-0000-4000-8000-000000000001'']::uuid[])'),
  ('api_keys_key_hash_key', 'select * from public.api_keys where key_hash = sha256(''17'')')
) as t (index, query);

select is(whole_tables, null, 'row_as_of() reads no table from end to end')
from tap.scans_of('service_role', null, 'select pgherald.row_as_of(''public.memories'', ''17'', now() + interval ''1 day'')');

-- Where a row can be the owner's or a participant's, no index gives both in order: several
-- are joined, and whichever they are, the table is not read from end to end.
select unalike(
  (select string_agg(l, E'\n') from tap.plan_of(query, true) as l), '%Seq Scan%', 'no sequential scan: ' || query)
from unnest(array[
  'select * from public.meetings order by start_time desc limit 20',
  'select * from public.meeting_transcripts',
  'select * from public.meeting_summaries',
  format('select * from public.user_recent_activity where user_id = %L order by occurred_at desc limit 50', tap.ann()),
  'select * from public.user_recent_activity order by occurred_at desc limit 50']) as query;

-- What functions scan when they are called. A table of more than 1,000 rows is never read from end to end.
create temporary table asked as
select c.role, c.query, c.indexes, s.indexes as scanned, s.whole_tables
from (values
  ('authenticated', 'select public.get_unread_notification_count()', '{notifications_unread_idx}'),
  ('authenticated', 'select public.mark_notification_read((select id from public.notifications limit 1))', '{notifications_pkey}'),
  ('authenticated', 'select public.mark_notifications_seen()', '{notifications_unread_idx}'),
  ('authenticated', 'select public.mark_all_notifications_read()', '{notifications_unread_idx}'),
  ('authenticated', 'select public.archive_notification((select id from public.notifications limit 1))', '{notifications_pkey}'),
  ('authenticated', 'select public.set_notification_preference(''t1'')', '{notification_preferences_pkey}'),
  ('service_role', format('select public.create_notification(%L, ''x'', p_dedupe_key => ''k1000'')', tap.ann()), '{notifications_dedupe_idx,notification_preferences_pkey}'),
  ('service_role', 'select public.cleanup_expired_notifications(100)', '{notifications_expires_idx}'),
  ('authenticated', 'select public.get_user_memory_count()', '{memories_user_idx}'),
  ('authenticated', 'select public.get_user_storage_usage()', '{files_user_idx}'),
  ('authenticated', 'select public.get_user_token_usage()', '{chat_messages_user_idx,summaries_user_idx,meeting_summaries_user_idx}'),
  ('authenticated', 'select public.get_user_activity_summary()', '{memories_user_idx,transcripts_user_idx,chat_messages_user_idx,files_user_idx}'),
  ('authenticated', 'select public.get_user_dashboard_stats()', '{memories_user_idx,notifications_unread_idx,job_logs_user_idx}'),
  ('service_role', format('select public.get_user_dashboard_stats(%L)', tap.ann()), '{memories_user_idx,meetings_status_idx,notifications_unread_idx,job_logs_user_idx}'),
  ('authenticated', 'select count(*) from public.job_status_summary', '{job_logs_user_idx}'),
  ('authenticated', 'select count(*) from public.match_memories(array_fill(1::real, array[1536]))',
    case when to_regtype('vector') is null and to_regtype('extensions.vector') is null then '{memories_user_idx}' else '{}' end),
  ('authenticated', 'select public.rotate_api_key((select id from public.api_keys limit 1))', '{api_keys_pkey}'),
  ('authenticated', 'select public.revoke_api_key((select id from public.api_keys where revoked_at is null limit 1))', '{api_keys_pkey}'),
  ('service_role', 'select count(*) from public.verify_api_key(''phk_x'')', '{api_keys_key_hash_key}'),
  ('service_role', format('select public.log_api_key_usage(%L)', (select id from public.api_keys limit 1)), '{api_keys_pkey,api_key_usage_pkey}'),
  ('service_role', 'select count(*) from public.claim_job()', '{job_logs_ready_idx}'),
  ('service_role', format('select public.update_job_progress(%L, 1)', tap.ann()), '{job_logs_pkey}'),
  ('service_role', 'select public.cleanup_old_job_logs(p_limit => 100)', '{job_logs_finished_idx}'),
  ('service_role', format('delete from public.webhooks where id = %L returning id', (select id from person where n = 7)), '{webhook_deliveries_webhook_idx}'),
  ('service_role', format('delete from public.users where id = %L returning id', (select id from person where n = 8)),
    '{notifications_user_idx,memories_user_idx,transcripts_file_idx,summaries_transcript_idx,chat_messages_session_idx,meeting_participants_user_idx,
      meeting_transcripts_bot_idx,meeting_transcripts_participant_idx,job_logs_user_idx,webhook_deliveries_webhook_idx}')
) as c (role, query, indexes)
cross join lateral tap.scans_of(c.role, case c.role when 'authenticated' then tap.ann() end, c.query) as s;
select ok(scanned @> indexes::text[] and whole_tables is null, format('%s: %s', role, query)),
  case when not (coalesce(scanned @> indexes::text[], false) and whole_tables is null)
    then diag(format('indexes: %s, whole tables: %s', scanned, whole_tables)) end
from asked;

-- the month that a question is about is the only partition read
select is(
  (select count(*) from tap.plan_of('select * from public.audit_logs where occurred_at >= now() + interval ''70 days'' and occurred_at < now() + interval ''71 days''') as l
   where l ~ 'on audit_logs_\d\d\d\d_\d\d'),
  1::bigint, 'partitions of other months are not read');

-- The clean-ups themselves, as they are called: a step finds its rows by an index and looks them up, and
-- reads no table from end to end for a part of it.
create function pg_temp.scans(cleaned text, job text, settings jsonb) returns text
language plpgsql as $$
declare
  before constant bigint := (select seq_scan from pg_stat_xact_user_tables where relid = cleaned::regclass);
  figures jsonb;
begin
  -- the total is there already, as in all steps but the first
  execute format('select s.figures from pgherald.job_%s($1, 1000, ''{"total": 0}'') as s', job) into figures using settings;
  return format('%s rows, %s scans', figures ->> 'done',
    (select seq_scan from pg_stat_xact_user_tables where relid = cleaned::regclass) - before);
end
$$;
select is(pg_temp.scans(cleaned, job, settings), '1000 rows, 0 scans', job || ' reads what it deletes') from (values
  ('public.notifications', 'expired_notifications', '{}'::jsonb),
  ('public.job_logs', 'old_job_logs', '{"keep": "100 days"}'),
  ('public.webhook_deliveries', 'webhook_deliveries', '{"keep_delivered": "100 days", "keep_failed": "110 days"}'),
  ('public.api_key_usage', 'api_key_usage', '{"keep": "300 days"}')
) as t (cleaned, job, settings);

select * from finish();
rollback;
