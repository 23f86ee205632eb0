-- For every CHECK, UNIQUE and FOREIGN KEY a statement that it must refuse, and for deletes
-- what goes with the parent and what stays.
begin;
select no_plan();
select tap.people();
select tap.fixture();

-- The name of the constraint that a statement runs into; its effects are taken back.
create function pg_temp.refused_by(statement text) returns text
language plpgsql as $$
declare
  name text;
begin
  execute statement;
  raise exception 'take it back' using errcode = 'TAPOK';
exception
  when sqlstate 'TAPOK' then
    return 'nothing';
  when integrity_constraint_violation or check_violation or unique_violation or foreign_key_violation then
    get stacked diagnostics name = constraint_name;
    return name;
  when others then
    return sqlerrm;
end
$$;

-- It says the same in words, before the constraints are asked: 07_webhooks.sql.
alter table public.webhooks disable trigger check_webhook;

create temporary table bad (statement text, constraint_name text);
insert into bad values
  ('update public.users set email = ''no address''', 'users_email_check'),
  ('update public.users set role = ''king''', 'users_role_check'),
  ('update public.users set settings = ''[]''', 'users_settings_check'),
  ('insert into public.users (email) values (''ANN@example.test'')', 'users_email_idx'),
  ('update public.memories set content = ''''', 'memories_content_check'),
  ('update public.memories set memory_type = ''rumour''', 'memories_memory_type_check'),
  ('update public.memories set source_type = ''dream''', 'memories_source_type_check'),
  ('update public.memories set importance = 1.1', 'memories_importance_check'),
  ('update public.memories set importance = ''NaN''', 'memories_importance_check'),
  ('update public.memories set access_count = -1', 'memories_access_count_check'),
  ('update public.memories set user_id = gen_random_uuid()', 'memories_user_id_fkey'),
  ('update public.transcripts set status = ''heard''', 'transcripts_status_check'),
  ('update public.transcripts set status = ''completed''', 'transcripts_content_check'),
  ('update public.transcripts set duration_seconds = -0.001', 'transcripts_duration_check'),
  ('update public.transcripts set word_count = -1', 'transcripts_word_count_check'),
  ('update public.transcripts set confidence = 2', 'transcripts_confidence_check'),
  ('update public.transcripts set user_id = gen_random_uuid()', 'transcripts_user_id_fkey'),
  ('insert into public.transcripts (user_id, file_id) select tap.cy(), id from public.files', 'transcripts_file_fkey'),
  ('update public.summaries set summary_type = ''long''', 'summaries_summary_type_check'),
  ('update public.summaries set prompt_tokens = -1', 'summaries_tokens_check'),
  ('update public.summaries set transcript_id = null, user_id = gen_random_uuid()', 'summaries_user_id_fkey'),
  ('insert into public.summaries (user_id, transcript_id, content) select tap.cy(), id, ''x'' from public.transcripts', 'summaries_transcript_fkey'),
  ('insert into public.chat_sessions (user_id) values (gen_random_uuid())', 'chat_sessions_user_id_fkey'),
  ('update public.chat_messages set role = ''spy''', 'chat_messages_role_check'),
  ('update public.chat_messages set completion_tokens = -1', 'chat_messages_tokens_check'),
  ('insert into public.chat_messages (session_id, user_id, role, content) select id, tap.cy(), ''user'', ''x'' from public.chat_sessions', 'chat_messages_session_fkey'),
  ('update public.google_oauth_tokens set access_token_encrypted = ''ya29.a0AfH6SMBxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx''', 'google_oauth_tokens_access_check'),
  ('update public.google_oauth_tokens set access_token_encrypted = ''\x00''', 'google_oauth_tokens_access_check'),
  ('update public.google_oauth_tokens set refresh_token_encrypted = ''1//0gxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx''', 'google_oauth_tokens_refresh_check'),
  ('update public.google_oauth_tokens set encryption_key_id = ''''', 'google_oauth_tokens_key_id_check'),
  ('update public.google_oauth_tokens set user_id = gen_random_uuid()', 'google_oauth_tokens_user_id_fkey'),
  ('insert into public.google_oauth_tokens (user_id, google_account_id, access_token_encrypted, encryption_key_id)
    select user_id, google_account_id, access_token_encrypted, ''k'' from public.google_oauth_tokens', 'google_oauth_tokens_account_key'),
  ('update public.meetings set platform = ''smoke signals''', 'meetings_platform_check'),
  ('update public.meetings set status = ''lost''', 'meetings_status_check'),
  ('update public.meetings set end_time = start_time - interval ''1 s''', 'meetings_time_check'),
  ('insert into public.meetings (user_id, title, start_time, end_time) values (gen_random_uuid(), ''x'', now(), now())', 'meetings_user_id_fkey'),
  ('insert into public.meetings (user_id, title, start_time, end_time, google_event_id)
    select tap.ann(), ''x'', now(), now(), ''e'' from generate_series(1, 2)', 'meetings_google_event_key'),
  ('update public.meeting_participants set email = ''bob''', 'meeting_participants_email_check'),
  ('update public.meeting_participants set role = ''heckler''', 'meeting_participants_role_check'),
  ('update public.meeting_participants set response_status = ''maybe''', 'meeting_participants_response_check'),
  ('update public.meeting_participants set joined_at = now(), left_at = now() - interval ''1 s''', 'meeting_participants_time_check'),
  ('update public.meeting_participants set user_id = gen_random_uuid()', 'meeting_participants_user_id_fkey'),
  ('insert into public.meeting_participants (meeting_id, email) values (gen_random_uuid(), ''x@y'')', 'meeting_participants_meeting_id_fkey'),
  ('insert into public.meeting_participants (meeting_id, email) select id, ''BOB@example.test'' from public.meetings', 'meeting_participants_email_idx'),
  ('update public.meeting_bot_sessions set status = ''dancing''', 'meeting_bot_sessions_status_check'),
  ('update public.meeting_bot_sessions set joined_at = now(), left_at = now() - interval ''1 s''', 'meeting_bot_sessions_time_check'),
  ('insert into public.meeting_bot_sessions (meeting_id, user_id) select id, tap.cy() from public.meetings', 'meeting_bot_sessions_meeting_fkey'),
  ('insert into public.meeting_bot_sessions (meeting_id, user_id, external_bot_id)
    select m.id, m.user_id, ''b'' from public.meetings m, generate_series(1, 2)', 'meeting_bot_sessions_external_key'),
  ('update public.meeting_transcripts set end_ms = 1, start_ms = 2', 'meeting_transcripts_time_check'),
  ('update public.meeting_transcripts set confidence = -1', 'meeting_transcripts_confidence_check'),
  ('insert into public.meeting_transcripts (meeting_id, user_id, sequence, content) select id, user_id, 1, ''x'' from public.meetings', 'meeting_transcripts_sequence_key'),
  ('insert into public.meeting_transcripts (meeting_id, user_id, sequence, content) select id, tap.cy(), 2, ''x'' from public.meetings', 'meeting_transcripts_meeting_fkey'),
  ('update public.meeting_transcripts set bot_session_id = gen_random_uuid()', 'meeting_transcripts_bot_fkey'),
  ('update public.meeting_transcripts set participant_id = gen_random_uuid()', 'meeting_transcripts_participant_fkey'),
  ('update public.meeting_summaries set completion_tokens = -1', 'meeting_summaries_tokens_check'),
  ('insert into public.meeting_summaries (meeting_id, user_id, summary) select id, user_id, ''x'' from public.meetings', 'meeting_summaries_type_key'),
  ('insert into public.meeting_summaries (meeting_id, user_id, summary, summary_type) select id, tap.cy(), ''x'', ''y'' from public.meetings', 'meeting_summaries_meeting_fkey'),
  ('update public.files set file_size = -1', 'files_file_size_check'),
  ('update public.files set checksum_sha256 = ''short''', 'files_checksum_check'),
  ('update public.files set upload_status = ''gone''', 'files_upload_status_check'),
  ('update public.files set user_id = gen_random_uuid()', 'files_user_id_fkey'),
  ('insert into public.files (user_id, file_name, storage_path) values (tap.cy(), ''x'', ''ann/a.txt'')', 'files_storage_path_key'),
  ('update public.job_logs set progress = 101', 'job_logs_progress_check'),
  ('update public.job_logs set progress = -1', 'job_logs_progress_check'),
  ('update public.job_logs set status = ''lost''', 'job_logs_status_check'),
  ('update public.job_logs set job_type = ''''', 'job_logs_job_type_check'),
  ('update public.job_logs set attempts = 2', 'job_logs_attempts_check'),
  ('update public.job_logs set max_attempts = 0', 'job_logs_attempts_check'),
  ('update public.job_logs set status = ''completed''', 'job_logs_finished_check'),
  ('update public.job_logs set finished_at = now()', 'job_logs_finished_check'),
  ('update public.job_logs set user_id = gen_random_uuid()', 'job_logs_user_id_fkey'),
  ('update public.notifications set priority = ''panic''', 'notifications_priority_check'),
  ('insert into public.notifications (user_id, title, dedupe_key) select tap.ann(), ''x'', ''k'' from generate_series(1, 2)', 'notifications_dedupe_idx'),
  ('update public.notification_preferences set min_priority = ''panic''', 'notification_preferences_min_priority_check'),
  ('update public.notification_preferences set user_id = gen_random_uuid()', 'notification_preferences_user_id_fkey'),
  ('update public.notification_rules set name = ''''', 'notification_rules_name_check'),
  ('update public.notification_rules set table_name = ''''', 'notification_rules_table_name_check'),
  ('update public.notification_rules set events = ''{upsert}''', 'notification_rules_events_check'),
  ('update public.notification_rules set events = ''{}''', 'notification_rules_events_check'),
  ('update public.notification_rules set recipient = ''''', 'notification_rules_recipient_check'),
  ('update public.notification_rules set priority = ''panic''', 'notification_rules_priority_check'),
  ('update public.notification_rules set title = ''''', 'notification_rules_title_check'),
  ('update public.notification_rules set expires_in = ''-1 day''', 'notification_rules_expires_in_check'),
  ('insert into public.notification_rules (name, table_name, recipient, title) values (''rule'', ''x'', ''y'', ''z'')', 'notification_rules_name_key'),
  ('update public.api_keys set name = ''''', 'api_keys_name_check'),
  ('update public.api_keys set key_hash = ''plain''', 'api_keys_key_hash_check'),
  ('update public.api_keys set scopes = array[null]::text[]', 'api_keys_scopes_check'),
  ('update public.api_keys set rate_limit_per_minute = 0', 'api_keys_rate_limit_check'),
  ('update public.api_keys set usage_count = -1', 'api_keys_usage_count_check'),
  ('update public.api_keys set user_id = gen_random_uuid()', 'api_keys_user_id_fkey'),
  ('insert into public.api_keys (name, key_hash, key_prefix) values (''x'', sha256(''x''), ''y'')', 'api_keys_key_hash_key'),
  ('update public.api_key_usage set errors = 2', 'api_key_usage_counts_check'),
  ('insert into public.api_key_usage (api_key_id, day) values (gen_random_uuid(), now())', 'api_key_usage_api_key_id_fkey'),
  ('update public.webhooks set name = ''''', 'webhooks_name_check'),
  ('update public.webhooks set url = ''ftp://example.test/''', 'webhooks_url_check'),
  ('update public.webhooks set url = ''https://example.test/ x''', 'webhooks_url_check'),
  ('update public.webhooks set url = ''https://me:secret@example.test/''', 'webhooks_url_credentials_check'),
  ('update public.webhooks set payload_format = ''xml''', 'webhooks_payload_format_check'),
  ('update public.webhooks set columns = ''{}''', 'webhooks_columns_check'),
  ('update public.webhooks set columns = array[null]::text[]', 'webhooks_columns_check'),
  ('update public.webhooks set events = ''{}''', 'webhooks_events_check'),
  ('update public.webhooks set events = array[null]::text[]', 'webhooks_events_check'),
  ('update public.webhooks set secret = ''secret''', 'webhooks_secret_check'),
  ('update public.webhooks set secret = ''whsec_c2hvcnQ=''', 'webhooks_secret_check'),
  ('update public.webhooks set secret = ''whsk_'' || repeat(''A'', 44)', 'webhooks_secret_check'),
  ('update pgherald.webhook_secrets set secret = ''whpk_'' || repeat(''A'', 43) || ''=''', 'webhook_secrets_secret_check'),
  ('insert into pgherald.webhook_secrets (webhook_id, secret) values (gen_random_uuid(), ''whsec_'' || repeat(''A'', 32))', 'webhook_secrets_webhook_id_fkey'),
  ('update public.webhooks set headers = ''[]''', 'webhooks_headers_check'),
  ('update public.webhooks set timeout_seconds = 0', 'webhooks_timeout_seconds_check'),
  ('update public.webhooks set timeout_seconds = 61', 'webhooks_timeout_seconds_check'),
  ('update public.webhooks set max_retries = 21', 'webhooks_max_retries_check'),
  ('update public.webhooks set user_id = gen_random_uuid()', 'webhooks_user_id_fkey'),
  ('update public.webhooks set ordering = ''table''', 'webhooks_ordering_check'),
  ('update public.webhooks set rate_limit_per_second = 0', 'webhooks_rate_limit_per_second_check'),
  ('update public.webhooks set max_concurrency = 0', 'webhooks_max_concurrency_check'),
  ('update public.webhooks set retry_schedule = ''{}''', 'webhooks_retry_schedule_check'),
  ('update public.webhooks set retry_schedule = ''{5,0}''', 'webhooks_retry_schedule_check'),
  ('update public.webhooks set retry_schedule = ''{5,86401}''', 'webhooks_retry_schedule_check'),
  ('update public.webhooks set retry_schedule = ''{5,null}''', 'webhooks_retry_schedule_check'),
  ('update public.webhooks set retry_schedule = ''{{5,5}}''', 'webhooks_retry_schedule_check'),
  ('update public.webhooks set retry_schedule = array_fill(5, array[21])', 'webhooks_retry_schedule_check'),
  ('update public.webhook_deliveries set origin = ''dream''', 'webhook_deliveries_origin_check'),
  ('update pgherald.webhook_health set breaker = ''ajar''', 'webhook_health_breaker_check'),
  ('update pgherald.webhook_health set breaker = ''open''', 'webhook_health_breaker_until_check'),
  ('update pgherald.webhook_health set consecutive_failures = -1', 'webhook_health_consecutive_failures_check'),
  ('update public.webhook_deliveries set message_id = ''msg.1''', 'webhook_deliveries_message_id_check'),
  ('update public.webhook_deliveries set message_id = ''''', 'webhook_deliveries_message_id_check'),
  ('update public.webhook_deliveries set status = ''lost''', 'webhook_deliveries_status_check'),
  ('update public.webhook_deliveries set attempts = -1', 'webhook_deliveries_attempts_check'),
  ('update public.webhook_deliveries set attempts_before = -1', 'webhook_deliveries_attempts_before_check'),
  ('update public.webhook_deliveries set status = ''delivered''', 'webhook_deliveries_delivered_check'),
  ('update public.webhook_attempts set attempt = 0', 'webhook_attempts_attempt_check'),
  ('update public.webhook_attempts set duration_ms = -1', 'webhook_attempts_duration_check'),
  ('insert into public.webhook_attempts (delivery_id, attempt) values (0, 1)', 'webhook_attempts_delivery_id_fkey'),
  ('update pgherald.rules set kind = ''whim''', 'rules_kind_check'),
  ('update pgherald.audit_policies set table_name = ''memories''', 'audit_policies_table_name_check'),
  ('update pgherald.audit_policies set table_name = ''public.'' || repeat(''x'', 249)', 'audit_policies_table_name_length_check'),
  ('update pgherald.audit_policies set redact = array[null]::text[]', 'audit_policies_redact_check'),
  ('update pgherald.audit_policies set ignore = array[null]::text[]', 'audit_policies_ignore_check'),
  ('update pgherald.audit_policies set hash = array[null]::text[]', 'audit_policies_hash_check'),
  ('update pgherald.audit_policies set keep = ''0''', 'audit_policies_keep_check'),
  ('update pgherald.audit_holds set reason = ''''', 'audit_holds_reason_check'),
  ('update pgherald.audit_holds set table_name = ''memories''', 'audit_holds_table_name_check'),
  ('update pgherald.audit_secrets set secret = ''short''', 'audit_secrets_secret_check'),
  ('update pgherald.audit_reads set methods = array[null]::text[]', 'audit_reads_methods_check'),
  ('update pgherald.context_key set id = 2', 'context_key_id_check'),
  ('insert into pgherald.publications (name, schemas) values (repeat(''p'', 56), ''{public}'')', 'publications_name_check'),
  ('update pgherald.context_key set key = ''short''', 'context_key_lengths_check'),
  ('update pgherald.jobs set name = ''drop table''', 'jobs_name_check'),
  ('update pgherald.jobs set name = ''''', 'jobs_name_check'),
  ('update pgherald.jobs set name = repeat(''x'', 52)', 'jobs_name_check'),
  ('update pgherald.jobs set run_every = ''0'', run_at = null', 'jobs_run_every_check'),
  ('update pgherald.jobs set run_every = ''90 minutes'', run_at = ''03:00''', 'jobs_run_at_check'),
  ('update pgherald.jobs set run_every = ''36 hours'', run_at = ''03:00''', 'jobs_run_at_check'),
  ('update pgherald.jobs set settings = ''[]''', 'jobs_settings_check'),
  ('update pgherald.jobs set max_attempts = 0', 'jobs_max_attempts_check'),
  ('update pgherald.jobs set retry_in = ''-1 s''', 'jobs_retry_in_check'),
  ('update pgherald.jobs set timeout = ''0''', 'jobs_timeout_check'),
  ('update pgherald.jobs set timeout = ''2 days''', 'jobs_timeout_check');

select is(pg_temp.refused_by(statement), constraint_name, format('%s: %s', constraint_name, regexp_replace(statement, '\s+', ' ', 'g'))) from bad;

-- pgvector refuses other lengths by its type
select isnt(pg_temp.refused_by('update public.memories set embedding = array_fill(1::real, array[3])'), 'nothing', 'an embedding of another length is refused');

select is_empty(
  $$ select conrelid::regclass, conname from pg_constraint
     where contype in ('c', 'f', 'u') and conparentid = 0
       and connamespace in ('public'::regnamespace, 'pgherald'::regnamespace)
       and conname not in (select constraint_name from bad)
       -- these hold by the primary key already: other keys refer to them
       and conname !~ '_(owner|meeting)_key$'
       and conname not in ('memories_embedding_check', 'users_auth_fkey',
         -- the trigger makes this one true before it is asked
         'notifications_read_check') $$,
  'every constraint was tried');

-- The default secret is what Standard Webhooks asks for, and not the same twice.
insert into public.webhooks (name, url, events) select 'w' || i, 'http://example.test', '{*}' from generate_series(1, 50) as i;
select is((select count(distinct secret) from public.webhooks), 51::bigint, 'every webhook has a secret of its own');
select is_empty(
  $$ select secret from public.webhooks where octet_length(decode(substr(secret, 7), 'base64')) <> 32 or secret not like 'whsec\_%' $$,
  'a default secret is whsec_ and 32 bytes');

-- ---------------------------------------------------------------- deletes

insert into public.files (user_id, file_name, storage_path) values (tap.ann(), 'b', 'ann/b');
update public.transcripts set file_id = (select id from public.files where storage_path = 'ann/b');
delete from public.files where storage_path = 'ann/b';
select results_eq('select file_id, user_id from public.transcripts', $$ values (null::uuid, tap.ann()) $$,
  'a transcript stays, with its owner, when the recording goes');

update public.meeting_transcripts set participant_id = (select id from public.meeting_participants);
delete from public.meeting_bot_sessions;
delete from public.meeting_participants;
select results_eq('select bot_session_id, participant_id, content from public.meeting_transcripts', $$ values (null::uuid, null::uuid, 'welcome') $$,
  'what was said stays when the bot and the speaker go');

insert into public.meeting_participants (meeting_id, user_id, email) select id, tap.bob(), 'bob@example.test' from public.meetings;
delete from public.users where id = tap.bob();
select results_eq('select user_id, email from public.meeting_participants', $$ values (null::uuid, 'bob@example.test') $$,
  'a participant stays when the account goes');

delete from public.users where id = tap.ann();
select is_empty(
  $$ select 'memories' from public.memories union all select 'transcripts' from public.transcripts
     union all select 'summaries' from public.summaries union all select 'chat_sessions' from public.chat_sessions
     union all select 'chat_messages' from public.chat_messages union all select 'files' from public.files
     union all select 'google_oauth_tokens' from public.google_oauth_tokens union all select 'meetings' from public.meetings
     union all select 'meeting_participants' from public.meeting_participants
     union all select 'meeting_transcripts' from public.meeting_transcripts
     union all select 'meeting_summaries' from public.meeting_summaries
     union all select 'meeting_bot_sessions' from public.meeting_bot_sessions
     union all select 'webhooks' from public.webhooks where user_id is not null
     union all select 'webhook_deliveries' from public.webhook_deliveries
     union all select 'webhook_attempts' from public.webhook_attempts
     union all select 'api_keys' from public.api_keys union all select 'api_key_usage' from public.api_key_usage
     union all select 'notifications' from public.notifications where user_id = tap.ann()
     union all select 'notification_preferences' from public.notification_preferences $$,
  'what was a user''s goes with the user');
select is((select count(*) from public.job_logs where user_id is null), 1::bigint, 'a job that ran stays on record');
select is((select count(*) from public.audit_logs where user_id = tap.ann()), 1::bigint, 'the audit trail outlives the user');

-- ---------------------------------------------------------------- updated_at

insert into public.users (id, email, updated_at) values (tap.cy(), null, '2020-01-01') on conflict (id) do update set updated_at = '2020-01-01';
update public.users set full_name = 'Cy' where id = tap.cy();
select is((select updated_at from public.users where id = tap.cy()), now(), 'updated_at is set by an update, whatever the client says');

select * from finish();
rollback;
