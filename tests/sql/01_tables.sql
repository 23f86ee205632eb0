-- The shape of every table, written out: a change of the schema has to be made here as well,
-- on purpose.
begin;
select plan(16);

-- ---------------------------------------------------------------- columns

-- After the type: ! not null, = a default, + identity, * generated.
create temporary table wanted_columns (name text, columns text);
insert into wanted_columns values
  ('api_key_usage',
   'api_key_id uuid!, day date!, requests bigint!=, errors bigint!='),
  ('api_keys',
   'id uuid!=, user_id uuid, name text!, service text, key_hash bytea!, key_prefix text!, scopes
    text[]!=, rate_limit_per_minute integer!=, expires_at timestamptz, revoked_at timestamptz,
    rotated_from uuid, last_used_at timestamptz, usage_count bigint!=, created_at timestamptz!=,
    updated_at timestamptz!='),
  ('audit_logs',
   'id bigint!+, occurred_at timestamptz!=, commit_lsn pg_lsn, ordinal bigint, xid bigint, user_id
    uuid, action text!, resource_type text!, resource_id text, old_values jsonb, new_values jsonb,
    changed_fields text[], ip_address inet, session_id text, user_agent text, context jsonb,
    old_resource_id text'),
  ('chat_messages',
   'id uuid!=, session_id uuid!, user_id uuid!, role text!, content text!, model text, prompt_tokens
    integer!=, completion_tokens integer!=, total_tokens integer!*, metadata jsonb!=, created_at
    timestamptz!=, updated_at timestamptz!='),
  ('chat_sessions',
   'id uuid!=, user_id uuid!, title text!=, model text, system_prompt text, is_pinned boolean!=,
    is_archived boolean!=, last_message_at timestamptz, metadata jsonb!=, created_at timestamptz!=,
    updated_at timestamptz!='),
  ('files',
   'id uuid!=, user_id uuid!, file_name text!, original_name text, mime_type text, file_size
    bigint!=, bucket text!=, storage_path text!, checksum_sha256 bytea, upload_status text!=,
    uploaded_at timestamptz, error text, metadata jsonb!=, created_at timestamptz!=, updated_at
    timestamptz!='),
  ('google_oauth_tokens',
   'id uuid!=, user_id uuid!, google_account_id text!, google_email text, access_token_encrypted
    bytea!, refresh_token_encrypted bytea, encryption_key_id text!, scopes text[]!=, token_type
    text!=, expires_at timestamptz, last_refreshed_at timestamptz, revoked_at timestamptz,
    created_at timestamptz!=, updated_at timestamptz!='),
  ('job_logs',
   'id uuid!=, user_id uuid, job_type text!, queue text!=, status text!=, priority integer!=,
    progress integer!=, progress_message text, attempts integer!=, max_attempts integer!=, payload
    jsonb!=, result jsonb, error text, worker text, scheduled_at timestamptz!=, started_at
    timestamptz, finished_at timestamptz, created_at timestamptz!=, updated_at timestamptz!='),
  ('meeting_bot_sessions',
   'id uuid!=, meeting_id uuid!, user_id uuid!, provider text!=, external_bot_id text, status
    text!=, scheduled_at timestamptz!=, joined_at timestamptz, left_at timestamptz, error text,
    metadata jsonb!=, created_at timestamptz!=, updated_at timestamptz!='),
  ('meeting_participants',
   'id uuid!=, meeting_id uuid!, user_id uuid, email text!, display_name text, role text!=,
    response_status text!=, joined_at timestamptz, left_at timestamptz, created_at timestamptz!=,
    updated_at timestamptz!='),
  ('meeting_summaries',
   'id uuid!=, meeting_id uuid!, user_id uuid!, summary_type text!=, summary text!, key_points
    jsonb!=, action_items jsonb!=, decisions jsonb!=, model text, prompt_tokens integer!=,
    completion_tokens integer!=, created_at timestamptz!=, updated_at timestamptz!='),
  ('meeting_transcripts',
   'id uuid!=, meeting_id uuid!, user_id uuid!, bot_session_id uuid, participant_id uuid, sequence
    integer!, speaker_name text, content text!, start_ms integer!=, end_ms integer!=, language text,
    confidence real, is_final boolean!=, created_at timestamptz!=, updated_at timestamptz!='),
  ('meetings',
   'id uuid!=, user_id uuid!, title text!, description text, calendar_id text, google_event_id text,
    meeting_url text, platform text!=, location text, start_time timestamptz!, end_time
    timestamptz!, timezone text!=, status text!=, is_bot_enabled boolean!=, metadata jsonb!=,
    created_at timestamptz!=, updated_at timestamptz!='),
  ('memories',
   'id uuid!=, user_id uuid!, title text, content text!, memory_type text!=, source_type text,
    source_id uuid, tags text[]!=, importance real!=, embedding_model text, metadata jsonb!=,
    is_archived boolean!=, access_count integer!=, last_accessed_at timestamptz, created_at
    timestamptz!=, updated_at timestamptz!='),
  ('notification_preferences',
   'user_id uuid!, type text!, is_enabled boolean!=, min_priority text!=, created_at timestamptz!=,
    updated_at timestamptz!='),
  ('notification_rules',
   'id uuid!=, name text!, table_name text!, events text[]!=, condition text, recipient text!, type
    text, priority text!=, title text!, message text, data jsonb, expires_in interval, dedupe_key
    text, is_active boolean!=, created_at timestamptz!=, updated_at timestamptz!='),
  ('notifications',
   'id uuid!=, user_id uuid!, type text, title text!, message text, priority text!=, data jsonb!=,
    is_read boolean!=, read_at timestamptz, seen_at timestamptz, archived_at timestamptz, expires_at
    timestamptz, created_at timestamptz!=, rule_id uuid, dedupe_key text, updated_at timestamptz!='),
  ('summaries',
   'id uuid!=, user_id uuid!, transcript_id uuid, title text, summary_type text!=, content text!,
    key_points jsonb!=, action_items jsonb!=, model text, prompt_tokens integer!=, completion_tokens
    integer!=, metadata jsonb!=, created_at timestamptz!=, updated_at timestamptz!='),
  ('transcripts',
   'id uuid!=, user_id uuid!, file_id uuid, title text, content text, segments jsonb!=, language
    text, duration_seconds numeric(12,3), word_count integer, confidence real, model text, status
    text!=, error text, metadata jsonb!=, created_at timestamptz!=, updated_at timestamptz!='),
  ('users',
   'id uuid!=, email text, full_name text, avatar_url text, role text!=, timezone text!=, locale
    text!=, settings jsonb!=, is_active boolean!=, last_sign_in_at timestamptz, created_at
    timestamptz!=, updated_at timestamptz!='),
  ('webhook_attempts',
   'delivery_id bigint!, attempt integer!, attempted_at timestamptz!=, duration_ms integer,
    status_code integer, error text, response_body text'),
  ('webhook_deliveries',
   'id bigint!+, webhook_id uuid!, message_id text!, event_type text!, payload json!, status text!=,
    attempts integer!=, next_attempt_at timestamptz!=, last_status_code integer, last_error text,
    created_at timestamptz!=, delivered_at timestamptz, row_key text, origin text!=, attempts_before
    integer!='),
  ('webhooks',
   'id uuid!=, user_id uuid, name text!, url text!, events text[]!, filter text, secret text!=,
    headers jsonb!=, timeout_seconds integer!=, max_retries integer!=, is_active boolean!=,
    disabled_reason text, created_at timestamptz!=, updated_at timestamptz!=, ordering text!=,
    rate_limit_per_second integer, max_concurrency integer, retry_schedule integer[], payload_format text!=, columns
    text[]');

-- memories.embedding is the one column whose type depends on the server
create temporary table found_columns as
select c.relname::text as name, string_agg(
    a.attname || ' ' || replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone', 'timestamptz')
    || case when a.attnotnull then '!' else '' end
    || case when a.attidentity <> '' then '+' when a.attgenerated <> '' then '*' when a.atthasdef then '=' else '' end,
    ', ' order by a.attnum) as columns
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
  and (c.relname, a.attname) <> ('memories', 'embedding')
group by c.relname;

select bag_eq('select name from found_columns', 'select name from wanted_columns', 'the tables of schema public');
select is_empty(
  $$ select f.name, f.columns, regexp_replace(w.columns, '\s+', ' ', 'g') as wanted
     from found_columns f join wanted_columns w using (name)
     where f.columns <> regexp_replace(w.columns, '\s+', ' ', 'g') $$,
  'the columns of each, in order, with type, not null and default');
select ok(
  format_type(atttypid, atttypmod) in ('real[]', 'vector(1536)', 'extensions.vector(1536)'),
  'memories.embedding is a vector or an array')
from pg_attribute where attrelid = 'public.memories'::regclass and attname = 'embedding';
select tables_are('pgherald',
  array['adopted_tables', 'audit_exports', 'audit_holds', 'audit_policies', 'audit_reads', 'audit_secrets', 'checkpoints', 'context_key', 'jobs', 'migrations', 'publications', 'recorders', 'rules', 'store_marks', 'webhook_health', 'webhook_secrets'], 'the tables of schema pgherald');

-- ---------------------------------------------------------------- keys

select is_empty(
  $$ select relname from pg_class c
     where relnamespace in ('public'::regnamespace, 'pgherald'::regnamespace) and relkind in ('r', 'p')
       and not exists (select 1 from pg_index where indrelid = c.oid and indisprimary) $$,
  'every table has a primary key');

select bag_eq(
  $$ select conrelid::regclass::text, replace(pg_get_constraintdef(oid), 'FOREIGN KEY ', '')
     from pg_constraint
     where contype = 'f' and connamespace = 'public'::regnamespace and conparentid = 0 and conname <> 'users_auth_fkey' $$,
  $want$ values
  ('api_key_usage', '(api_key_id) REFERENCES api_keys(id) ON DELETE CASCADE'),
  ('api_keys', '(user_id) REFERENCES users(id) ON DELETE CASCADE NOT VALID'),
  ('chat_messages', '(session_id, user_id) REFERENCES chat_sessions(id, user_id) ON UPDATE CASCADE ON DELETE CASCADE'),
  ('chat_sessions', '(user_id) REFERENCES users(id) ON DELETE CASCADE'),
  ('files', '(user_id) REFERENCES users(id) ON DELETE CASCADE'),
  ('google_oauth_tokens', '(user_id) REFERENCES users(id) ON DELETE CASCADE'),
  ('job_logs', '(user_id) REFERENCES users(id) ON DELETE SET NULL NOT VALID'),
  ('meeting_bot_sessions', '(meeting_id, user_id) REFERENCES meetings(id, user_id) ON UPDATE CASCADE ON DELETE CASCADE'),
  ('meeting_participants', '(meeting_id) REFERENCES meetings(id) ON DELETE CASCADE'),
  ('meeting_participants', '(user_id) REFERENCES users(id) ON DELETE SET NULL'),
  ('meeting_summaries', '(meeting_id, user_id) REFERENCES meetings(id, user_id) ON UPDATE CASCADE ON DELETE CASCADE'),
  ('meeting_transcripts', '(bot_session_id, meeting_id) REFERENCES meeting_bot_sessions(id, meeting_id) ON DELETE SET NULL (bot_session_id)'),
  ('meeting_transcripts', '(meeting_id, user_id) REFERENCES meetings(id, user_id) ON UPDATE CASCADE ON DELETE CASCADE'),
  ('meeting_transcripts', '(participant_id, meeting_id) REFERENCES meeting_participants(id, meeting_id) ON DELETE SET NULL (participant_id)'),
  ('meetings', '(user_id) REFERENCES users(id) ON DELETE CASCADE'),
  ('memories', '(user_id) REFERENCES users(id) ON DELETE CASCADE'),
  ('notification_preferences', '(user_id) REFERENCES users(id) ON DELETE CASCADE NOT VALID'),
  ('summaries', '(transcript_id, user_id) REFERENCES transcripts(id, user_id) ON UPDATE CASCADE ON DELETE CASCADE'),
  ('summaries', '(user_id) REFERENCES users(id) ON DELETE CASCADE'),
  ('transcripts', '(file_id, user_id) REFERENCES files(id, user_id) ON UPDATE CASCADE ON DELETE SET NULL (file_id)'),
  ('transcripts', '(user_id) REFERENCES users(id) ON DELETE CASCADE'),
  ('webhook_attempts', '(delivery_id) REFERENCES webhook_deliveries(id) ON DELETE CASCADE'),
  ('webhooks', '(user_id) REFERENCES users(id) ON DELETE CASCADE NOT VALID') $want$,
  'foreign keys and what a delete does');

-- Without one, deleting the parent reads the whole child table.
select is_empty(
  $$ select c.conrelid::regclass, c.conname
     from pg_constraint c
     where c.contype = 'f' and c.connamespace = 'public'::regnamespace
       and c.conname <> 'users_auth_fkey'
       and not exists (
         select 1 from pg_index i
         where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]) $$,
  'every foreign key has an index that begins with its column');

-- ---------------------------------------------------------------- indexes

select bag_eq(
  $$ select c.relname::text as t, ic.relname::text as i, regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING ', '')
     from pg_index i
     join pg_class c on c.oid = i.indrelid
     join pg_class ic on ic.oid = i.indexrelid
     where c.relnamespace = 'public'::regnamespace and ic.relname <> 'memories_embedding_idx' $$,
  $want$ values
  ('api_key_usage', 'api_key_usage_day_idx', 'btree (day)'),
  ('api_key_usage', 'api_key_usage_pkey', 'btree (api_key_id, day)'),
  ('api_keys', 'api_keys_key_hash_key', 'btree (key_hash)'),
  ('api_keys', 'api_keys_pkey', 'btree (id)'),
  ('api_keys', 'api_keys_user_idx', 'btree (user_id, created_at DESC)'),
  ('audit_logs', 'audit_logs_occurred_at_brin', 'brin (occurred_at) WITH (pages_per_range=''32'', autosummarize=''on'')'),
  ('audit_logs', 'audit_logs_old_resource_idx', 'btree (resource_type, old_resource_id, occurred_at) WHERE (old_resource_id IS NOT NULL)'),
  ('audit_logs', 'audit_logs_pkey', 'btree (id, occurred_at)'),
  ('audit_logs', 'audit_logs_resource_idx', 'btree (resource_type, resource_id, occurred_at)'),
  ('audit_logs', 'audit_logs_user_idx', 'btree (user_id, occurred_at) WHERE (user_id IS NOT NULL)'),
  ('audit_logs', 'audit_logs_xid_brin', 'brin (xid) WITH (pages_per_range=''32'', autosummarize=''on'')'),
  ('chat_messages', 'chat_messages_pkey', 'btree (id)'),
  ('chat_messages', 'chat_messages_session_idx', 'btree (session_id, created_at)'),
  ('chat_messages', 'chat_messages_user_idx', 'btree (user_id, created_at DESC) INCLUDE (prompt_tokens, completion_tokens)'),
  ('chat_sessions', 'chat_sessions_owner_key', 'btree (id, user_id)'),
  ('chat_sessions', 'chat_sessions_pkey', 'btree (id)'),
  ('chat_sessions', 'chat_sessions_user_created_idx', 'btree (user_id, created_at DESC)'),
  ('chat_sessions', 'chat_sessions_user_idx', 'btree (user_id, last_message_at DESC NULLS LAST)'),
  ('files', 'files_owner_key', 'btree (id, user_id)'),
  ('files', 'files_pkey', 'btree (id)'),
  ('files', 'files_status_idx', 'btree (upload_status, created_at) WHERE (upload_status <> ''completed''::text)'),
  ('files', 'files_storage_path_key', 'btree (bucket, storage_path)'),
  ('files', 'files_user_idx', 'btree (user_id, created_at DESC)'),
  ('google_oauth_tokens', 'google_oauth_tokens_account_key', 'btree (user_id, google_account_id)'),
  ('google_oauth_tokens', 'google_oauth_tokens_expires_idx', 'btree (expires_at) WHERE (revoked_at IS NULL)'),
  ('google_oauth_tokens', 'google_oauth_tokens_pkey', 'btree (id)'),
  ('job_logs', 'job_logs_finished_idx', 'btree (finished_at) WHERE (finished_at IS NOT NULL)'),
  ('job_logs', 'job_logs_last_run_idx', 'btree (job_type, created_at DESC) WHERE (queue = ''pgherald''::text)'),
  ('job_logs', 'job_logs_open_run_idx', 'btree (job_type) WHERE ((queue = ''pgherald''::text) AND (status = ANY (ARRAY[''pending''::text, ''running''::text])))'),
  ('job_logs', 'job_logs_pkey', 'btree (id)'),
  ('job_logs', 'job_logs_ready_idx', 'btree (queue, priority DESC, scheduled_at) WHERE (status = ''pending''::text)'),
  ('job_logs', 'job_logs_running_idx', 'btree (queue) WHERE (status = ''running''::text)'),
  ('job_logs', 'job_logs_type_status_idx', 'btree (job_type, status, created_at DESC)'),
  ('job_logs', 'job_logs_user_idx', 'btree (user_id, created_at DESC)'),
  ('meeting_bot_sessions', 'meeting_bot_sessions_external_key', 'btree (provider, external_bot_id)'),
  ('meeting_bot_sessions', 'meeting_bot_sessions_meeting_idx', 'btree (meeting_id)'),
  ('meeting_bot_sessions', 'meeting_bot_sessions_meeting_key', 'btree (id, meeting_id)'),
  ('meeting_bot_sessions', 'meeting_bot_sessions_pkey', 'btree (id)'),
  ('meeting_bot_sessions', 'meeting_bot_sessions_status_idx', 'btree (status, scheduled_at) WHERE (status <> ALL (ARRAY[''completed''::text, ''failed''::text, ''cancelled''::text]))'),
  ('meeting_bot_sessions', 'meeting_bot_sessions_user_idx', 'btree (user_id, created_at DESC)'),
  ('meeting_participants', 'meeting_participants_email_idx', 'btree (meeting_id, lower(email))'),
  ('meeting_participants', 'meeting_participants_meeting_key', 'btree (id, meeting_id)'),
  ('meeting_participants', 'meeting_participants_pkey', 'btree (id)'),
  ('meeting_participants', 'meeting_participants_user_idx', 'btree (user_id, meeting_id)'),
  ('meeting_summaries', 'meeting_summaries_pkey', 'btree (id)'),
  ('meeting_summaries', 'meeting_summaries_type_key', 'btree (meeting_id, summary_type)'),
  ('meeting_summaries', 'meeting_summaries_user_idx', 'btree (user_id, created_at DESC)'),
  ('meeting_transcripts', 'meeting_transcripts_bot_idx', 'btree (bot_session_id) WHERE (bot_session_id IS NOT NULL)'),
  ('meeting_transcripts', 'meeting_transcripts_participant_idx', 'btree (participant_id) WHERE (participant_id IS NOT NULL)'),
  ('meeting_transcripts', 'meeting_transcripts_pkey', 'btree (id)'),
  ('meeting_transcripts', 'meeting_transcripts_sequence_key', 'btree (meeting_id, sequence)'),
  ('meeting_transcripts', 'meeting_transcripts_user_idx', 'btree (user_id, created_at DESC)'),
  ('meetings', 'meetings_google_event_key', 'btree (user_id, google_event_id)'),
  ('meetings', 'meetings_owner_key', 'btree (id, user_id)'),
  ('meetings', 'meetings_pkey', 'btree (id)'),
  ('meetings', 'meetings_status_idx', 'btree (status, start_time) WHERE (status = ANY (ARRAY[''scheduled''::text, ''in_progress''::text]))'),
  ('meetings', 'meetings_user_created_idx', 'btree (user_id, created_at DESC)'),
  ('meetings', 'meetings_user_idx', 'btree (user_id, start_time DESC)'),
  ('memories', 'memories_pkey', 'btree (id)'),
  ('memories', 'memories_source_idx', 'btree (source_id) WHERE (source_id IS NOT NULL)'),
  ('memories', 'memories_tags_idx', 'gin (tags)'),
  ('memories', 'memories_user_idx', 'btree (user_id, created_at DESC)'),
  ('notification_preferences', 'notification_preferences_pkey', 'btree (user_id, type)'),
  ('notification_rules', 'notification_rules_name_key', 'btree (name)'),
  ('notification_rules', 'notification_rules_pkey', 'btree (id)'),
  ('notifications', 'notifications_dedupe_idx', 'btree (user_id, dedupe_key) WHERE (dedupe_key IS NOT NULL)'),
  ('notifications', 'notifications_expires_idx', 'btree (expires_at) WHERE (expires_at IS NOT NULL)'),
  ('notifications', 'notifications_pkey', 'btree (id)'),
  ('notifications', 'notifications_unread_idx', 'btree (user_id) INCLUDE (expires_at) WHERE ((NOT is_read) AND (archived_at IS NULL))'),
  ('notifications', 'notifications_user_idx', 'btree (user_id, created_at DESC)'),
  ('summaries', 'summaries_pkey', 'btree (id)'),
  ('summaries', 'summaries_transcript_idx', 'btree (transcript_id) WHERE (transcript_id IS NOT NULL)'),
  ('summaries', 'summaries_user_idx', 'btree (user_id, created_at DESC)'),
  ('transcripts', 'transcripts_file_idx', 'btree (file_id) WHERE (file_id IS NOT NULL)'),
  ('transcripts', 'transcripts_owner_key', 'btree (id, user_id)'),
  ('transcripts', 'transcripts_pkey', 'btree (id)'),
  ('transcripts', 'transcripts_status_idx', 'btree (status, created_at) WHERE (status = ANY (ARRAY[''pending''::text, ''processing''::text]))'),
  ('transcripts', 'transcripts_user_idx', 'btree (user_id, created_at DESC)'),
  ('users', 'users_created_idx', 'btree (created_at DESC)'),
  ('users', 'users_email_idx', 'btree (lower(email))'),
  ('users', 'users_pkey', 'btree (id)'),
  ('webhook_attempts', 'webhook_attempts_pkey', 'btree (delivery_id, attempt)'),
  ('webhook_deliveries', 'webhook_deliveries_finished_idx', 'btree (created_at) WHERE (status <> ''pending''::text)'),
  ('webhook_deliveries', 'webhook_deliveries_pending_idx', 'btree (webhook_id, next_attempt_at) WHERE (status = ''pending''::text)'),
  ('webhook_deliveries', 'webhook_deliveries_pkey', 'btree (id)'),
  ('webhook_deliveries', 'webhook_deliveries_row_idx', 'btree (webhook_id, row_key, id) WHERE ((status = ''pending''::text) AND (row_key IS NOT NULL))'),
  ('webhook_deliveries', 'webhook_deliveries_webhook_idx', 'btree (webhook_id, created_at DESC)'),
  ('webhooks', 'webhooks_pkey', 'btree (id)'),
  ('webhooks', 'webhooks_user_idx', 'btree (user_id)') $want$,
  'indexes');
select is_empty('select indexrelid::regclass from pg_index where not indisvalid or not indisready', 'every index is valid');

select is_empty(
  $$ select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'user_id'
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
       and not exists (select 1 from pg_index i where i.indrelid = c.oid and i.indkey[0] = a.attnum) $$,
  'every table with a user_id has an index on it');

-- ---------------------------------------------------------------- triggers

select is_empty(
  $$ select c.oid::regclass from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'updated_at'
     where c.relnamespace in ('public'::regnamespace) and c.relkind = 'r'
       and not exists (
         select 1 from pg_trigger t
         where t.tgrelid = c.oid and t.tgfoid = 'pgherald.set_updated_at'::regproc and t.tgenabled = 'O') $$,
  'every table with an updated_at keeps it by the trigger');
select bag_eq(
  $$ select tgrelid::regclass::text, tgname::text, regexp_replace(pg_get_triggerdef(oid), '^CREATE TRIGGER \S+ (.*) ON \S+ (.*)$', '\1 \2')
     from pg_trigger t
     where not tgisinternal and tgparentid = 0
       and tgrelid in (select oid from pg_class where relnamespace in ('public'::regnamespace, 'pgherald'::regnamespace))
       and pg_get_triggerdef(oid) !~ 'TRIGGER set_updated_at BEFORE UPDATE ON \S+ FOR EACH ROW EXECUTE' $$,
  $want$ values
  ('api_keys', 'notify_change', 'AFTER UPDATE FOR EACH ROW WHEN (((((((((old.id IS DISTINCT FROM new.id) OR (old.user_id IS DISTINCT FROM new.user_id)) OR (old.name IS DISTINCT FROM new.name)) OR (old.key_hash IS DISTINCT FROM new.key_hash)) OR (old.scopes IS DISTINCT FROM new.scopes)) OR (old.rate_limit_per_minute IS DISTINCT FROM new.rate_limit_per_minute)) OR (old.expires_at IS DISTINCT FROM new.expires_at)) OR (old.revoked_at IS DISTINCT FROM new.revoked_at))) EXECUTE FUNCTION pgherald.notify_api_key()'),
  ('api_keys', 'notify_key', 'AFTER INSERT OR DELETE FOR EACH ROW EXECUTE FUNCTION pgherald.notify_api_key()'),
  ('api_keys', 'notify_truncate', 'AFTER TRUNCATE FOR EACH STATEMENT EXECUTE FUNCTION pgherald.notify_api_key()'),
  ('api_keys', 'set_updated_at', 'BEFORE UPDATE FOR EACH ROW WHEN ((new.usage_count = old.usage_count)) EXECUTE FUNCTION pgherald.set_updated_at()'),
  ('pgherald.audit_holds', 'note_hold', 'AFTER INSERT OR DELETE OR UPDATE FOR EACH ROW EXECUTE FUNCTION pgherald.note_hold()'),
  ('pgherald.audit_policies', 'hand_on', 'AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE FOR EACH STATEMENT EXECUTE FUNCTION pgherald.policies_changed()'),
  ('pgherald.audit_policies', 'own_policy', 'BEFORE INSERT OR UPDATE FOR EACH ROW EXECUTE FUNCTION pgherald.own_policy()'),
  ('pgherald.audit_policies', 'set_hash_secret', 'BEFORE INSERT OR UPDATE FOR EACH ROW EXECUTE FUNCTION pgherald.set_hash_secret()'),
  ('audit_logs', 'refuse_row', 'BEFORE DELETE OR UPDATE FOR EACH ROW EXECUTE FUNCTION pgherald_audit.refuse_change()'),
  ('audit_logs', 'refuse_statement', 'BEFORE DELETE OR UPDATE OR TRUNCATE FOR EACH STATEMENT EXECUTE FUNCTION pgherald_audit.refuse_change()'),
  ('chat_messages', 'touch_session', 'AFTER INSERT FOR EACH ROW EXECUTE FUNCTION pgherald.touch_chat_session()'),
  ('notifications', 'drop_unwanted', 'BEFORE INSERT FOR EACH ROW EXECUTE FUNCTION pgherald.drop_unwanted_notification()'),
  ('notifications', 'free_dedupe_key', 'BEFORE INSERT FOR EACH ROW WHEN ((new.dedupe_key IS NOT NULL)) EXECUTE FUNCTION pgherald.free_dedupe_key()'),
  ('notifications', 'sync_read', 'BEFORE INSERT OR UPDATE OF is_read, read_at, seen_at FOR EACH ROW EXECUTE FUNCTION pgherald.sync_notification_read()'),
  ('users', 'delete_notifications', 'AFTER DELETE FOR EACH ROW EXECUTE FUNCTION pgherald.delete_user_notifications()'),
  ('webhooks', 'check_webhook', 'BEFORE INSERT OR UPDATE FOR EACH ROW EXECUTE FUNCTION pgherald.check_webhook()'),
  ('webhooks', 'clear_disabled_reason', 'BEFORE UPDATE FOR EACH ROW WHEN ((new.is_active AND (new.disabled_reason IS NOT NULL))) EXECUTE FUNCTION pgherald.clear_disabled_reason()'),
  ('webhooks', 'delete_deliveries', 'AFTER DELETE FOR EACH ROW EXECUTE FUNCTION pgherald.delete_webhook_deliveries()'),
  ('webhooks', 'reset_health', 'AFTER UPDATE FOR EACH ROW WHEN ((new.is_active AND ((NOT old.is_active) OR (new.url IS DISTINCT FROM old.url)))) EXECUTE FUNCTION pgherald.reset_webhook_health()') $want$,
  'the other triggers');

-- ---------------------------------------------------------------- policies

select bag_eq(
  $$ select tablename::text, policyname::text, cmd,
       regexp_replace(coalesce(qual, '-'), '\s+', ' ', 'g'),
       case when with_check = qual then 'same' else coalesce(regexp_replace(with_check, '\s+', ' ', 'g'), '-') end
     from pg_policies where schemaname = 'public' and roles = '{authenticated}' $$,
  $want$ values
  ('api_key_usage', 'api_key_usage_owner_select', 'SELECT',
   '(api_key_id = ANY (ARRAY( SELECT k.id FROM api_keys k WHERE (k.user_id = ( SELECT auth.uid() AS uid)))))', '-'),
  ('api_keys', 'api_keys_owner_delete', 'DELETE',
   '(user_id = ( SELECT auth.uid() AS uid))', '-'),
  ('api_keys', 'api_keys_owner_select', 'SELECT',
   '(user_id = ( SELECT auth.uid() AS uid))', '-'),
  ('audit_logs', 'audit_logs_subject_select', 'SELECT',
   '(user_id = ( SELECT auth.uid() AS uid))', '-'),
  ('chat_messages', 'chat_messages_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('chat_sessions', 'chat_sessions_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('files', 'files_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('google_oauth_tokens', 'google_oauth_tokens_owner_delete', 'DELETE',
   '(user_id = ( SELECT auth.uid() AS uid))', '-'),
  ('google_oauth_tokens', 'google_oauth_tokens_owner_select', 'SELECT',
   '(user_id = ( SELECT auth.uid() AS uid))', '-'),
  ('job_logs', 'job_logs_owner_select', 'SELECT',
   '(user_id = ( SELECT auth.uid() AS uid))', '-'),
  ('meeting_bot_sessions', 'meeting_bot_sessions_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('meeting_participants', 'meeting_participants_organiser', 'ALL',
   '(EXISTS ( SELECT 1 FROM meetings m WHERE ((m.id = meeting_participants.meeting_id) AND (m.user_id = ( SELECT auth.uid() AS uid)))))', 'same'),
  ('meeting_participants', 'meeting_participants_select', 'SELECT',
   '(meeting_id = ANY (ARRAY( SELECT pgherald.joined_meetings() AS joined_meetings)))', '-'),
  ('meeting_summaries', 'meeting_summaries_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('meeting_summaries', 'meeting_summaries_participant_select', 'SELECT',
   '(meeting_id = ANY (ARRAY( SELECT pgherald.joined_meetings() AS joined_meetings)))', '-'),
  ('meeting_transcripts', 'meeting_transcripts_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('meeting_transcripts', 'meeting_transcripts_participant_select', 'SELECT',
   '(meeting_id = ANY (ARRAY( SELECT pgherald.joined_meetings() AS joined_meetings)))', '-'),
  ('meetings', 'meetings_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('meetings', 'meetings_participant_select', 'SELECT',
   '(id = ANY (ARRAY( SELECT pgherald.joined_meetings() AS joined_meetings)))', '-'),
  ('memories', 'memories_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('notification_preferences', 'notification_preferences_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('notifications', 'notifications_owner_delete', 'DELETE',
   '(user_id = ( SELECT auth.uid() AS uid))', '-'),
  ('notifications', 'notifications_owner_select', 'SELECT',
   '(user_id = ( SELECT auth.uid() AS uid))', '-'),
  ('notifications', 'notifications_owner_update', 'UPDATE',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('summaries', 'summaries_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('transcripts', 'transcripts_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same'),
  ('users', 'users_self_select', 'SELECT',
   '(id = ( SELECT auth.uid() AS uid))', '-'),
  ('users', 'users_self_update', 'UPDATE',
   '(id = ( SELECT auth.uid() AS uid))', 'same'),
  ('webhook_attempts', 'webhook_attempts_owner_select', 'SELECT',
   '(EXISTS ( SELECT 1 FROM (webhook_deliveries d JOIN webhooks w ON ((w.id = d.webhook_id))) WHERE ((d.id = webhook_attempts.delivery_id) AND (w.user_id = ( SELECT auth.uid() AS uid)))))', '-'),
  ('webhook_deliveries', 'webhook_deliveries_owner_select', 'SELECT',
   '(webhook_id = ANY (ARRAY( SELECT w.id FROM webhooks w WHERE (w.user_id = ( SELECT auth.uid() AS uid)))))', '-'),
  ('webhooks', 'webhooks_owner', 'ALL',
   '(user_id = ( SELECT auth.uid() AS uid))', 'same') $want$,
  'policies, all of them for authenticated');
select is_empty($$ select * from pg_policies where schemaname = 'public' and (roles <> '{authenticated}' or permissive <> 'PERMISSIVE') $$,
  'and none for anybody else');

-- ---------------------------------------------------------------- replica identity

-- Before-images: all but the tables that the sidecar alone writes.
select is_empty(
  $$ select relname from pg_class
     where relnamespace = 'public'::regnamespace and relkind = 'r' and relreplident <> 'f'
       and relname not in ('webhook_deliveries', 'webhook_attempts') $$,
  'the stream carries the old row of every table');
select is((select relreplident from pg_class where oid = 'pgherald.audit_policies'::regclass)::text, 'f', 'and of pgherald.audit_policies');

select * from finish();
rollback;
