-- pgherald: set=core
--
-- What applications call: the inbox, the audit trail, API keys, webhooks, jobs, and (with the
-- seed application) the figures of a user. Who may call what is one table at the end.
--
-- SECURITY INVOKER wherever row level security gives the right answer by itself: with
-- another user's id such a function finds nothing. SECURITY DEFINER only where the caller
-- must not be able to write the table directly; these ask who is calling.
-- Parameters begin with p_, so that no name can mean a column.

-- ---------------------------------------------------------------- notifications

-- Counted and not kept as a counter: a count is right whatever happens at the same time.
create or replace function public.get_unread_notification_count(p_user_id uuid default auth.uid()) returns bigint
language sql stable
set search_path = ''
as $$
  select count(*)
  from public.notifications
  where user_id = p_user_id
    and not is_read
    and archived_at is null
    and (expires_at is null or expires_at > now())
$$;
comment on function public.get_unread_notification_count(uuid) is 'pgherald: unread, not archived, not expired';

-- True if the notification is the caller's and is read now; also when it was before.
create or replace function public.mark_notification_read(p_notification_id uuid) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  update public.notifications set is_read = true where id = p_notification_id and not is_read;
  return found or exists (select 1 from public.notifications where id = p_notification_id);
end
$$;
comment on function public.mark_notification_read(uuid) is 'pgherald: marks one notification as read';

create or replace function public.mark_all_notifications_read(
  p_user_id uuid default auth.uid(),
  p_type text default null
) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  marked bigint;
begin
  update public.notifications set is_read = true
  where user_id = p_user_id and not is_read and archived_at is null and (p_type is null or type = p_type);
  get diagnostics marked = row_count;
  return marked;
end
$$;
comment on function public.mark_all_notifications_read(uuid, text) is 'pgherald: marks a user''s notifications as read, says how many';

-- Seen: the inbox was opened. Read: the notification was.
create or replace function public.mark_notifications_seen(p_user_id uuid default auth.uid()) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  marked bigint;
begin
  update public.notifications set seen_at = now()
  where user_id = p_user_id and seen_at is null and not is_read and archived_at is null;
  get diagnostics marked = row_count;
  return marked;
end
$$;
comment on function public.mark_notifications_seen(uuid) is 'pgherald: marks a user''s new notifications as seen, says how many';

create or replace function public.archive_notification(p_notification_id uuid) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  update public.notifications set archived_at = now() where id = p_notification_id and archived_at is null;
  return found or exists (select 1 from public.notifications where id = p_notification_id);
end
$$;
comment on function public.archive_notification(uuid) is 'pgherald: takes one notification out of the inbox';

-- The id of the new notification; of the one there is when the dedupe key is known; null
-- when the user does not want this type.
create or replace function public.create_notification(
  p_user_id uuid,
  p_title text,
  p_message text default null,
  p_type text default null,
  p_priority text default 'medium',
  p_data jsonb default '{}',
  p_expires_at timestamptz default null,
  p_dedupe_key text default null
) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  notification_id uuid;
begin
  insert into public.notifications (user_id, title, message, type, priority, data, expires_at, dedupe_key)
  values (p_user_id, p_title, p_message, p_type, coalesce(p_priority, 'medium'), coalesce(p_data, '{}'), p_expires_at, p_dedupe_key)
  on conflict (user_id, dedupe_key) where dedupe_key is not null do nothing
  returning id into notification_id;

  -- a second statement has a new snapshot: it sees the row that another session won with
  if notification_id is null and p_dedupe_key is not null then
    select id into notification_id
    from public.notifications
    where user_id = p_user_id and dedupe_key = p_dedupe_key;
  end if;
  return notification_id;
end
$$;
comment on function public.create_notification(uuid, text, text, text, text, jsonb, timestamptz, text)
  is 'pgherald: puts a notification into a user''s inbox';

create or replace function public.set_notification_preference(
  p_type text,
  p_is_enabled boolean default true,
  p_min_priority text default 'low',
  p_user_id uuid default auth.uid()
) returns void
language sql
set search_path = ''
as $$
  insert into public.notification_preferences (user_id, type, is_enabled, min_priority)
  values (p_user_id, p_type, p_is_enabled, p_min_priority)
  on conflict (user_id, type) do update
    set is_enabled = excluded.is_enabled, min_priority = excluded.min_priority
$$;
comment on function public.set_notification_preference(text, boolean, text, uuid)
  is 'pgherald: what a user wants to hear of one type, or of * for all others';

-- At most p_limit rows a call, so that a long absence is caught up in short transactions.
create or replace function public.cleanup_expired_notifications(p_limit int default null) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  deleted bigint;
begin
  delete from public.notifications
  where id in (
    select id from public.notifications
    where expires_at <= now()
    order by expires_at
    limit p_limit
    for update skip locked);
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
comment on function public.cleanup_expired_notifications(int) is 'pgherald: deletes expired notifications, says how many';

-- ---------------------------------------------------------------- audit trail

-- An entry about something that is no change of a row: a login, an export, a refusal. A
-- client can only speak for himself and not say where he calls from; whoever acts for
-- others may. The actions of the stream are refused: an entry that looks like a row's
-- change is always one.
create or replace function public.create_audit_log(
  p_action text,
  p_resource_type text,
  p_resource_id text default null,
  p_old_values jsonb default null,
  p_new_values jsonb default null,
  p_user_id uuid default null,
  p_ip_address inet default null,
  p_session_id text default null,
  p_user_agent text default null,
  p_context jsonb default null
) returns bigint
language plpgsql
security definer
set search_path = ''
as $$
declare
  acts_for_others constant boolean := pgherald.caller_is_service();
  headers constant jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
  address inet;
  entry_id bigint;
begin
  if coalesce(p_action, '') = '' or coalesce(p_resource_type, '') = '' then
    raise exception 'create_audit_log: an action and a resource type are needed' using errcode = 'null_value_not_allowed';
  end if;
  if lower(p_action) in ('insert', 'update', 'delete', 'truncate') then
    raise exception 'create_audit_log: action % is kept for changes of rows', p_action
      using errcode = 'invalid_parameter_value',
        hint = 'Name what happened in the application: login, export, access_denied.';
  end if;
  if not acts_for_others and (auth.uid() is null or p_user_id <> auth.uid()) then
    raise exception 'create_audit_log: % may speak for its own user alone', pgherald.calling_role()
      using errcode = 'insufficient_privilege';
  end if;

  begin
    address := split_part(coalesce(
      headers ->> 'cf-connecting-ip', headers ->> 'x-real-ip', headers ->> 'x-forwarded-for'), ',', 1)::inet;
  exception when invalid_text_representation then
    address := null;  -- anyone can send a header that is no address
  end;

  insert into public.audit_logs (xid, user_id, action, resource_type, resource_id, old_values, new_values,
    changed_fields, ip_address, session_id, user_agent, context)
  values (
    pg_current_xact_id()::xid::text::bigint,
    case when acts_for_others then coalesce(p_user_id, auth.uid()) else auth.uid() end,
    p_action, p_resource_type, p_resource_id, p_old_values, p_new_values,
    (select array_agg(k order by k)
     from jsonb_object_keys(case jsonb_typeof(p_new_values) when 'object' then p_new_values end) as k
     where p_old_values -> k is distinct from p_new_values -> k),
    case when acts_for_others then coalesce(p_ip_address, address) else address end,
    coalesce(case when acts_for_others then p_session_id end, auth.jwt() ->> 'session_id'),
    coalesce(case when acts_for_others then p_user_agent end, headers ->> 'user-agent'),
    -- the last two words are ours: what the caller sends cannot change them
    coalesce(p_context, '{}') || jsonb_build_object('source', 'application', 'role', pgherald.calling_role()))
  returning id into entry_id;
  return entry_id;
end
$$;
comment on function public.create_audit_log(text, text, text, jsonb, jsonb, uuid, inet, text, text, jsonb)
  is 'pgherald: an audit entry for what is no change of a row';

-- ---------------------------------------------------------------- API keys

-- Shared by create and rotate. phk_ tells a key from a JWT at a glance.
create or replace function pgherald.new_api_key() returns text
language sql volatile
set search_path = ''
as $$
  select 'phk_' || encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'hex')
$$;
comment on function pgherald.new_api_key() is 'pgherald: a fresh key of 244 random bits';
revoke execute on function pgherald.new_api_key() from public;

-- The only moment at which the key can be read: the row holds its hash and first letters.
create or replace function public.create_api_key(
  p_name text,
  p_scopes text[] default '{}',
  p_expires_at timestamptz default null,
  p_rate_limit_per_minute int default 60,
  p_service text default null,
  p_user_id uuid default auth.uid()
) returns table (id uuid, key text, key_prefix text, expires_at timestamptz)
language plpgsql
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  new_key constant text := pgherald.new_api_key();
begin
  if p_expires_at <= now() then
    raise exception 'create_api_key: % has passed already', p_expires_at using errcode = 'invalid_parameter_value';
  end if;
  if not pgherald.caller_is_service() then
    if auth.uid() is null or p_user_id is distinct from auth.uid() then
      raise exception 'create_api_key: % may make keys for its own user alone', pgherald.calling_role()
        using errcode = 'insufficient_privilege';
    end if;
    -- a key must not do more than its maker could
    if exists (select 1 from unnest(p_scopes) as s where s in ('*', 'service_role') or split_part(s, ':', 1) = 'admin') then
      raise exception 'create_api_key: the scopes *, service_role and admin are the operator''s to give'
        using errcode = 'insufficient_privilege';
    end if;
    if p_rate_limit_per_minute > 600 then
      raise exception 'create_api_key: at most 600 requests a minute, not %', p_rate_limit_per_minute
        using errcode = 'insufficient_privilege', hint = 'An operator may give more.';
    end if;
  end if;

  return query
    insert into public.api_keys as k (user_id, name, service, key_hash, key_prefix, scopes, rate_limit_per_minute, expires_at)
    values (p_user_id, p_name, p_service, sha256(convert_to(new_key, 'UTF8')), left(new_key, 12), p_scopes,
      p_rate_limit_per_minute, p_expires_at)
    returning k.id, new_key, k.key_prefix, k.expires_at;
end
$$;
comment on function public.create_api_key(text, text[], timestamptz, int, text, uuid)
  is 'pgherald: makes a key and returns it, this once';

-- The key's row if it is good now (and has the scope), else none. Usage is not counted here,
-- that would be a write a request: see log_api_key_usage().
create or replace function public.verify_api_key(p_key text, p_scope text default null)
returns table (id uuid, user_id uuid, name text, scopes text[], rate_limit_per_minute int, expires_at timestamptz)
language sql stable
set search_path = ''
as $$
  select k.id, k.user_id, k.name, k.scopes, k.rate_limit_per_minute,
    least(k.expires_at, k.revoked_at)  -- a rotated key's grace ends with its revocation
  from public.api_keys k
  where k.key_hash = sha256(convert_to(p_key, 'UTF8'))
    and (k.revoked_at is null or k.revoked_at > now())
    and (k.expires_at is null or k.expires_at > now())
    and (p_scope is null or k.scopes && array[p_scope, '*'])
$$;
comment on function public.verify_api_key(text, text) is 'pgherald: whose key this is and what it may do';

-- A new key in the old one's place; the old one goes on working for the time of grace.
create or replace function public.rotate_api_key(p_key_id uuid, p_grace interval default '0')
returns table (id uuid, key text, key_prefix text, expires_at timestamptz)
language plpgsql
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  old_key public.api_keys;
  new_key constant text := pgherald.new_api_key();
begin
  if p_grace is null or p_grace < interval '0' then
    raise exception 'rotate_api_key: a grace of % makes no sense', p_grace using errcode = 'invalid_parameter_value';
  end if;
  select * into old_key
  from public.api_keys k
  where k.id = p_key_id
    and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > now())
    and (k.user_id = auth.uid() or pgherald.caller_is_service())
  for update;
  if not found then
    raise exception 'rotate_api_key: no key % that is yours and works', p_key_id using errcode = 'no_data_found';
  end if;

  update public.api_keys k set revoked_at = now() + p_grace where k.id = p_key_id;

  return query
    insert into public.api_keys as k (user_id, name, service, key_hash, key_prefix, scopes, rate_limit_per_minute,
      expires_at, rotated_from)
    values (old_key.user_id, old_key.name, old_key.service, sha256(convert_to(new_key, 'UTF8')), left(new_key, 12),
      old_key.scopes, old_key.rate_limit_per_minute,
      -- the same span of life, from now
      now() + (old_key.expires_at - old_key.created_at), old_key.id)
    returning k.id, new_key, k.key_prefix, k.expires_at;
end
$$;
comment on function public.rotate_api_key(uuid, interval) is 'pgherald: replaces a key and returns the new one, this once';

create or replace function public.revoke_api_key(p_key_id uuid) returns boolean
language plpgsql
security definer
set search_path = ''
as $$
begin
  update public.api_keys
  set revoked_at = now()
  where id = p_key_id
    and (revoked_at is null or revoked_at > now())
    and (user_id = auth.uid() or pgherald.caller_is_service());
  return found;
end
$$;
comment on function public.revoke_api_key(uuid) is 'pgherald: ends a key at once; false if there was nothing to end';

-- Called now and then with what has been counted in memory. A key that is gone by then is
-- no error: the caller has a whole batch to get rid of.
create or replace function public.log_api_key_usage(
  p_key_id uuid,
  p_requests bigint default 1,
  p_errors bigint default 0,
  p_used_at timestamptz default now()
) returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.api_keys
  set usage_count = usage_count + p_requests, last_used_at = greatest(last_used_at, p_used_at)
  where id = p_key_id;
  if found then
    insert into public.api_key_usage as u (api_key_id, day, requests, errors)
    values (p_key_id, (p_used_at at time zone 'UTC')::date, p_requests, p_errors)
    on conflict (api_key_id, day) do update
      set requests = u.requests + excluded.requests, errors = u.errors + excluded.errors;
  end if;
end
$$;
comment on function public.log_api_key_usage(uuid, bigint, bigint, timestamptz) is 'pgherald: adds to a key''s usage';

-- ---------------------------------------------------------------- webhooks

-- Returns the secret this once. Without a user the webhook is system-wide, which only those
-- who act for others may ask for.
create or replace function public.create_webhook(
  p_name text,
  p_url text,
  p_events text[],
  p_filter text default null,
  p_headers jsonb default '{}',
  p_user_id uuid default auth.uid()
) returns table (id uuid, secret text)
language plpgsql
security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
  if not pgherald.caller_is_service() and (auth.uid() is null or p_user_id is distinct from auth.uid()) then
    raise exception 'create_webhook: % may make webhooks for its own user alone', pgherald.calling_role()
      using errcode = 'insufficient_privilege';
  end if;
  return query
    insert into public.webhooks as w (user_id, name, url, events, filter, headers)
    values (p_user_id, p_name, p_url, p_events, p_filter, coalesce(p_headers, '{}'))
    returning w.id, w.secret;
end
$$;
comment on function public.create_webhook(text, text, text[], text, jsonb, uuid)
  is 'pgherald: makes a webhook and returns its secret, this once';

-- ---------------------------------------------------------------- jobs

-- A job that some worker shall do: see claim_job().
create or replace function public.enqueue_job(
  p_job_type text,
  p_payload jsonb default '{}',
  p_queue text default 'default',
  p_user_id uuid default null,
  p_priority int default 0,
  p_max_attempts int default 3,
  p_run_at timestamptz default now()
) returns uuid
language sql
set search_path = ''
as $$
  insert into public.job_logs (job_type, payload, queue, user_id, priority, max_attempts, scheduled_at)
  values (p_job_type, coalesce(p_payload, '{}'), p_queue, p_user_id, p_priority, p_max_attempts, p_run_at)
  returning id
$$;
comment on function public.enqueue_job(text, jsonb, text, uuid, int, int, timestamptz) is 'pgherald: a job for a worker to claim';

-- A job that the caller does himself, from now.
create or replace function public.start_job(
  p_job_type text,
  p_payload jsonb default '{}',
  p_queue text default 'default',
  p_user_id uuid default null,
  p_worker text default null
) returns uuid
language sql
set search_path = ''
as $$
  insert into public.job_logs (job_type, payload, queue, user_id, worker, status, attempts, started_at)
  values (p_job_type, coalesce(p_payload, '{}'), p_queue, p_user_id, p_worker, 'running', 1, clock_timestamp())
  returning id
$$;
comment on function public.start_job(text, jsonb, text, uuid, text) is 'pgherald: a job that begins now';

-- The next job of the queue for this worker, or none. Two workers never get the same one.
create or replace function public.claim_job(p_queue text default 'default', p_worker text default null)
returns setof public.job_logs
language sql
set search_path = ''
as $$
  update public.job_logs
  set status = 'running', worker = p_worker, attempts = attempts + 1, progress = 0, progress_message = null,
    started_at = clock_timestamp()
  where id = (
    select id from public.job_logs
    where queue = p_queue and status = 'pending' and scheduled_at <= now()
    order by priority desc, scheduled_at
    limit 1
    for update skip locked)
  returning *
$$;
comment on function public.claim_job(text, text) is 'pgherald: takes the next job of a queue';

create or replace function public.update_job_progress(p_job_id uuid, p_progress int, p_message text default null) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  update public.job_logs
  set progress = p_progress, progress_message = coalesce(p_message, progress_message)
  where id = p_job_id and status = 'running';
  return found;
end
$$;
comment on function public.update_job_progress(uuid, int, text) is 'pgherald: 0 to 100; false if the job is not running (any more)';

create or replace function public.finish_job(p_job_id uuid, p_result jsonb default null) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  update public.job_logs
  set status = 'completed', progress = 100, result = p_result, error = null, finished_at = clock_timestamp()
  where id = p_job_id and status = 'running';
  return found;
end
$$;
comment on function public.finish_job(uuid, jsonb) is 'pgherald: the job is done; false if it was not running';

-- What becomes of it: 'pending' when attempts are left, 'failed' when not, null when it was
-- not running.
create or replace function public.fail_job(p_job_id uuid, p_error text, p_retry_in interval default '0') returns text
language sql
set search_path = ''
as $$
  update public.job_logs
  set status = case when attempts < max_attempts then 'pending' else 'failed' end,
    scheduled_at = case when attempts < max_attempts then now() + p_retry_in else scheduled_at end,
    finished_at = case when attempts < max_attempts then null else clock_timestamp() end,
    error = p_error
  where id = p_job_id and status = 'running'
  returning status
$$;
comment on function public.fail_job(uuid, text, interval) is 'pgherald: the attempt failed; again later if attempts are left';

-- A worker that died tells nobody. Its jobs are known by their silence: progress is a sign
-- of life. Says how many it found.
create or replace function public.recover_stale_jobs(p_silent_for interval default '1 hour', p_queue text default null) returns bigint
language sql
set search_path = ''
as $$
  select count(public.fail_job(id, 'no sign of life from ' || coalesce(worker, 'its worker') || ' since ' || updated_at))
  from public.job_logs
  where status = 'running' and updated_at < now() - p_silent_for and (p_queue is null or queue = p_queue)
$$;
comment on function public.recover_stale_jobs(interval, text) is 'pgherald: fails jobs whose worker is silent';

-- At most p_limit rows a call, so that a long absence is caught up in short transactions.
create or replace function public.cleanup_old_job_logs(p_keep interval default '30 days', p_limit int default null) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  deleted bigint;
begin
  delete from public.job_logs
  where id in (
    select id from public.job_logs
    where finished_at < now() - p_keep
    order by finished_at
    limit p_limit
    for update skip locked);
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
comment on function public.cleanup_old_job_logs(interval, int) is 'pgherald: deletes jobs that ended long ago, says how many';

-- security_invoker: users see the summary of their own jobs, the service of all.
create or replace view public.job_status_summary with (security_invoker = true) as
select
  queue,
  job_type,
  status,
  count(*) as job_count,
  avg(progress)::numeric(5, 1) as avg_progress,
  avg(attempts)::numeric(6, 2) as avg_attempts,
  avg(extract(epoch from finished_at - started_at))::numeric(14, 3) as avg_seconds,
  max(extract(epoch from finished_at - started_at))::numeric(14, 3) as max_seconds,
  min(scheduled_at) filter (where status = 'pending') as oldest_pending_at,
  max(finished_at) as last_finished_at
from public.job_logs
group by queue, job_type, status;
comment on view public.job_status_summary is 'pgherald: jobs by queue, type and status';
revoke all on public.job_status_summary from public, anon, authenticated, service_role;
grant select on public.job_status_summary to authenticated, service_role;

-- ---------------------------------------------------------------- with the seed application

do $seed$
begin
  if coalesce(current_setting('pgherald.seed_app', true), '') = 'off' then
    return;
  end if;

  -- Each branch has an index on (user_id, created_at desc), so one user's feed reads one
  -- user's rows.
  create or replace view public.user_recent_activity with (security_invoker = true) as
  select user_id, 'memory' as activity_type, id as resource_id, coalesce(title, left(content, 80)) as title, created_at as occurred_at
  from public.memories
  union all
  select user_id, 'transcript', id, title, created_at from public.transcripts
  union all
  select user_id, 'summary', id, title, created_at from public.summaries
  union all
  select user_id, 'chat_session', id, title, created_at from public.chat_sessions
  union all
  select user_id, 'chat_message', id, left(content, 80), created_at from public.chat_messages
  union all
  select user_id, 'meeting', id, title, created_at from public.meetings
  union all
  select user_id, 'meeting_summary', id, left(summary, 80), created_at from public.meeting_summaries
  union all
  select user_id, 'file', id, file_name, created_at from public.files;
  comment on view public.user_recent_activity is 'pgherald: what users did lately, over all tables';
  revoke all on public.user_recent_activity from public, anon, authenticated, service_role;
  grant select on public.user_recent_activity to authenticated, service_role;

  create or replace function public.get_user_memory_count(p_user_id uuid default auth.uid()) returns bigint
  language sql stable
  set search_path = ''
  as $$
    select count(*) from public.memories where user_id = p_user_id
  $$;
  comment on function public.get_user_memory_count(uuid) is 'pgherald: how many memories a user has';

  create or replace function public.get_user_storage_usage(p_user_id uuid default auth.uid())
  returns table (file_count bigint, total_bytes bigint)
  language sql stable
  set search_path = ''
  as $$
    select count(*), coalesce(sum(file_size), 0)::bigint
    from public.files
    where user_id = p_user_id and upload_status = 'completed'
  $$;
  comment on function public.get_user_storage_usage(uuid) is 'pgherald: how many files a user stores, and how large';

  create or replace function public.get_user_token_usage(
    p_user_id uuid default auth.uid(),
    p_since timestamptz default '-infinity',
    p_until timestamptz default 'infinity'
  ) returns table (request_count bigint, prompt_tokens bigint, completion_tokens bigint, total_tokens bigint)
  language sql stable
  set search_path = ''
  as $$
    select count(*), coalesce(sum(u.prompt), 0)::bigint, coalesce(sum(u.completion), 0)::bigint,
      coalesce(sum(u.prompt + u.completion), 0)::bigint
    from (
      select c.prompt_tokens::bigint, c.completion_tokens::bigint from public.chat_messages c
      where c.user_id = p_user_id and c.created_at >= p_since and c.created_at < p_until
      union all
      select s.prompt_tokens, s.completion_tokens from public.summaries s
      where s.user_id = p_user_id and s.created_at >= p_since and s.created_at < p_until
      union all
      select m.prompt_tokens, m.completion_tokens from public.meeting_summaries m
      where m.user_id = p_user_id and m.created_at >= p_since and m.created_at < p_until
    ) as u (prompt, completion)
    where u.prompt + u.completion > 0
  $$;
  comment on function public.get_user_token_usage(uuid, timestamptz, timestamptz)
    is 'pgherald: tokens that language models took for a user: chats, summaries, meetings';

  -- A row a day (UTC), the empty ones too: a chart needs them.
  create or replace function public.get_user_activity_summary(p_user_id uuid default auth.uid(), p_days int default 30)
  returns table (day date, memories bigint, transcripts bigint, summaries bigint, chat_sessions bigint,
    chat_messages bigint, meetings bigint, files bigint, total bigint)
  language sql stable
  set search_path = ''
  as $$
    select d.day,
      count(*) filter (where a.activity_type = 'memory'),
      count(*) filter (where a.activity_type = 'transcript'),
      count(*) filter (where a.activity_type in ('summary', 'meeting_summary')),
      count(*) filter (where a.activity_type = 'chat_session'),
      count(*) filter (where a.activity_type = 'chat_message'),
      count(*) filter (where a.activity_type = 'meeting'),
      count(*) filter (where a.activity_type = 'file'),
      count(a.resource_id)
    from (
      select (now() at time zone 'UTC')::date - n as day
      from generate_series(0, greatest(p_days, 1) - 1) as n
    ) as d
    left join (
      select activity_type, resource_id, (occurred_at at time zone 'UTC')::date as day
      from public.user_recent_activity
      where user_id = p_user_id
        and occurred_at >= ((now() at time zone 'UTC')::date - (greatest(p_days, 1) - 1))::timestamp at time zone 'UTC'
    ) as a using (day)
    group by d.day
    order by d.day desc
  $$;
  comment on function public.get_user_activity_summary(uuid, int) is 'pgherald: a user''s activity by day';

  -- Everything that a dashboard shows in one round trip.
  create or replace function public.get_user_dashboard_stats(p_user_id uuid default auth.uid()) returns jsonb
  language sql stable
  set search_path = ''
  as $$
    select jsonb_build_object(
      'memories', public.get_user_memory_count(p_user_id),
      'transcripts', (select count(*) from public.transcripts where user_id = p_user_id),
      'summaries', (select count(*) from public.summaries where user_id = p_user_id),
      'chat_sessions', (select count(*) from public.chat_sessions where user_id = p_user_id),
      'meetings', jsonb_build_object(
        'total', (select count(*) from public.meetings where user_id = p_user_id),
        'upcoming', (select count(*) from public.meetings
          where user_id = p_user_id and start_time > now() and status = 'scheduled')),
      'storage', (select to_jsonb(s) from public.get_user_storage_usage(p_user_id) s),
      'tokens', jsonb_build_object(
        'total', (select to_jsonb(t) from public.get_user_token_usage(p_user_id) t),
        'this_month', (select to_jsonb(t) from public.get_user_token_usage(
          p_user_id, date_trunc('month', now() at time zone 'UTC') at time zone 'UTC') t)),
      'unread_notifications', public.get_unread_notification_count(p_user_id),
      'active_jobs', (select count(*) from public.job_logs
        where user_id = p_user_id and status in ('pending', 'running')),
      'recent_activity', coalesce((
        select jsonb_agg(to_jsonb(a) - 'user_id' order by a.occurred_at desc)
        from (
          select * from public.user_recent_activity
          where user_id = p_user_id order by occurred_at desc limit 10
        ) as a), '[]'),
      'generated_at', now())
  $$;
  comment on function public.get_user_dashboard_stats(uuid) is 'pgherald: a user''s figures in one object';
end
$seed$;

-- ---------------------------------------------------------------- who may call what

-- PostgreSQL grants EXECUTE to everybody and Supabase by default privileges to its roles, so
-- this takes all away and gives back by this list. None is for anon.
do $grants$
declare
  f record;
begin
  for f in
    select * from (values
      ('get_unread_notification_count', 'authenticated, service_role'),
      ('mark_notification_read', 'authenticated, service_role'),
      ('mark_all_notifications_read', 'authenticated, service_role'),
      ('mark_notifications_seen', 'authenticated, service_role'),
      ('archive_notification', 'authenticated, service_role'),
      ('set_notification_preference', 'authenticated, service_role'),
      ('create_notification', 'service_role'),
      ('cleanup_expired_notifications', 'service_role'),
      ('create_audit_log', 'authenticated, service_role'),
      ('create_api_key', 'authenticated, service_role'),
      ('rotate_api_key', 'authenticated, service_role'),
      ('revoke_api_key', 'authenticated, service_role'),
      ('verify_api_key', 'service_role'),
      ('log_api_key_usage', 'service_role'),
      ('create_webhook', 'authenticated, service_role'),
      ('enqueue_job', 'service_role'),
      ('start_job', 'service_role'),
      ('claim_job', 'service_role'),
      ('update_job_progress', 'service_role'),
      ('finish_job', 'service_role'),
      ('fail_job', 'service_role'),
      ('recover_stale_jobs', 'service_role'),
      ('cleanup_old_job_logs', 'service_role'),
      -- with the seed application
      ('get_user_memory_count', 'authenticated, service_role'),
      ('get_user_storage_usage', 'authenticated, service_role'),
      ('get_user_token_usage', 'authenticated, service_role'),
      ('get_user_activity_summary', 'authenticated, service_role'),
      ('get_user_dashboard_stats', 'authenticated, service_role')
    ) as t (name, callers)
    join pg_catalog.pg_proc p on p.proname = t.name and p.pronamespace = 'public'::regnamespace
  loop
    execute format('revoke execute on function %s from public, anon, authenticated, service_role', f.oid::regprocedure);
    execute format('grant execute on function %s to %s', f.oid::regprocedure, f.callers);
  end loop;
end
$grants$;
