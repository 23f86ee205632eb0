-- pgherald: set=core
--
-- The ground that every other migration stands on: the check that nothing of the
-- project's own is in the way, the roles and claims that row level security speaks of
-- (Supabase has them, plain PostgreSQL gets them here), and pgherald's two schemas.
--
-- Every statement in sql/migrations may run twice. Parts that belong to the seed
-- application and not to the sidecar are skipped when pgherald.seed_app is 'off'.

-- Nothing may be changed in a database whose own objects carry our names, so this comes
-- first, for all files at once: a table is accepted when it has the columns we use with
-- the types we use; a view or function when its comment says that we made it.
do $preflight$
declare
  with_app constant boolean := coalesce(current_setting('pgherald.seed_app', true), '') <> 'off';
  needed record;
  lacking text[];
  problems text[] := '{}';
  adopted text[] := '{}';
begin
  if current_setting('server_version_num')::int < 150000 then
    raise exception 'pgherald needs PostgreSQL 15 or later, this is %', current_setting('server_version')
      using hint = 'Upgrade the server: views with security_invoker and generated audit partitions need 15.';
  end if;

  for needed in
    select *
    from (values
      (false, 'audit_logs', 'p', array[
        'id bigint', 'occurred_at timestamp with time zone', 'commit_lsn pg_lsn', 'ordinal bigint',
        'xid bigint', 'user_id uuid', 'action text', 'resource_type text', 'resource_id text',
        'old_values jsonb', 'new_values jsonb', 'changed_fields text[]', 'ip_address inet',
        'session_id text', 'user_agent text', 'context jsonb']),
      (false, 'notifications', 'r', array[
        'id uuid', 'user_id uuid', 'type text', 'title text', 'message text', 'priority text',
        'data jsonb', 'is_read boolean', 'read_at timestamp with time zone',
        'seen_at timestamp with time zone', 'archived_at timestamp with time zone',
        'expires_at timestamp with time zone', 'created_at timestamp with time zone',
        'rule_id uuid', 'dedupe_key text']),
      (false, 'notification_preferences', 'r', array[
        'user_id uuid', 'type text', 'is_enabled boolean', 'min_priority text']),
      (false, 'notification_rules', 'r', array[
        'id uuid', 'name text', 'table_name text', 'events text[]', 'condition text',
        'recipient text', 'type text', 'priority text', 'title text', 'message text', 'data jsonb',
        'expires_in interval', 'dedupe_key text', 'is_active boolean']),
      (false, 'webhooks', 'r', array[
        'id uuid', 'user_id uuid', 'name text', 'url text', 'events text[]', 'filter text',
        'secret text', 'headers jsonb', 'timeout_seconds integer', 'max_retries integer',
        'is_active boolean', 'disabled_reason text', 'created_at timestamp with time zone',
        'updated_at timestamp with time zone']),
      (false, 'webhook_deliveries', 'r', array[
        'id bigint', 'webhook_id uuid', 'message_id text', 'event_type text', 'payload json',
        'status text', 'attempts integer', 'next_attempt_at timestamp with time zone',
        'last_status_code integer', 'last_error text', 'created_at timestamp with time zone',
        'delivered_at timestamp with time zone']),
      (false, 'webhook_attempts', 'r', array[
        'delivery_id bigint', 'attempt integer', 'attempted_at timestamp with time zone',
        'duration_ms integer', 'status_code integer', 'error text', 'response_body text']),
      (false, 'api_keys', 'r', array[
        'id uuid', 'user_id uuid', 'name text', 'key_hash bytea', 'key_prefix text',
        'scopes text[]', 'rate_limit_per_minute integer', 'expires_at timestamp with time zone',
        'revoked_at timestamp with time zone', 'last_used_at timestamp with time zone',
        'usage_count bigint']),
      (false, 'api_key_usage', 'r', array[
        'api_key_id uuid', 'day date', 'requests bigint', 'errors bigint']),
      (false, 'job_logs', 'r', array[
        'id uuid', 'user_id uuid', 'job_type text', 'queue text', 'status text',
        'progress integer', 'attempts integer', 'max_attempts integer', 'payload jsonb',
        'result jsonb', 'error text', 'worker text', 'scheduled_at timestamp with time zone',
        'started_at timestamp with time zone', 'finished_at timestamp with time zone']),
      (true, 'files', 'r', array['id uuid', 'user_id uuid', 'file_size bigint', 'storage_path text']),
      (true, 'users', 'r', array['id uuid', 'email text', 'settings jsonb', 'is_active boolean']),
      (true, 'memories', 'r', array['id uuid', 'user_id uuid', 'title text', 'content text', 'memory_type text', 'embedding']),
      (true, 'transcripts', 'r', array['id uuid', 'user_id uuid', 'content text', 'status text']),
      (true, 'summaries', 'r', array['id uuid', 'user_id uuid', 'content text', 'summary_type text']),
      (true, 'chat_sessions', 'r', array['id uuid', 'user_id uuid', 'title text']),
      (true, 'chat_messages', 'r', array[
        'id uuid', 'session_id uuid', 'user_id uuid', 'prompt_tokens integer', 'completion_tokens integer']),
      (true, 'google_oauth_tokens', 'r', array[
        'id uuid', 'user_id uuid', 'access_token_encrypted bytea', 'refresh_token_encrypted bytea',
        'encryption_key_id text']),
      (true, 'meetings', 'r', array['id uuid', 'user_id uuid', 'title text', 'status text']),
      (true, 'meeting_participants', 'r', array['id uuid', 'meeting_id uuid', 'user_id uuid', 'email text']),
      (true, 'meeting_transcripts', 'r', array['id uuid', 'meeting_id uuid', 'user_id uuid', 'content text']),
      (true, 'meeting_summaries', 'r', array['id uuid', 'meeting_id uuid', 'user_id uuid', 'summary text']),
      (true, 'meeting_bot_sessions', 'r', array['id uuid', 'meeting_id uuid', 'user_id uuid', 'status text'])
    ) as t (app, name, kind, columns)
    where (with_app or not app)
      and to_regclass('public.' || quote_ident(name)) is not null
  loop
    select array_agg(c order by c)
    into lacking
    from unnest(needed.columns) as c
    where not exists (
      select 1
      from pg_catalog.pg_attribute a
      where a.attrelid = to_regclass('public.' || quote_ident(needed.name))
        and a.attnum > 0
        and not a.attisdropped
        -- 'name type' asks for both, 'name' for the column alone
        and c in (a.attname::text, a.attname || ' ' || format_type(a.atttypid, null))
    );
    if lacking is not null then
      problems := problems || format('table public.%I lacks: %s', needed.name, array_to_string(lacking, ', '));
    elsif not exists (
      select 1 from pg_catalog.pg_class
      where oid = to_regclass('public.' || quote_ident(needed.name)) and relkind = needed.kind
    ) then
      problems := problems || format('public.%I has the columns but is not %s', needed.name,
        case needed.kind when 'p' then 'partitioned' else 'an ordinary table' end);
    elsif coalesce(obj_description(to_regclass('public.' || quote_ident(needed.name)), 'pg_class'), '') not like 'pgherald%' then
      adopted := adopted || needed.name::text;
    end if;
  end loop;

  select problems || coalesce(array_agg(format('function %s is not pgherald''s', p.oid::regprocedure) order by p.proname), '{}')
  into problems
  from pg_catalog.pg_proc p
  where p.pronamespace = 'public'::regnamespace
    and coalesce(obj_description(p.oid, 'pg_proc'), '') not like 'pgherald:%'
    and (p.proname in (
        'get_unread_notification_count', 'mark_notification_read', 'mark_all_notifications_read',
        'mark_notifications_seen', 'archive_notification', 'create_notification',
        'set_notification_preference', 'cleanup_expired_notifications',
        'create_audit_log', 'create_webhook',
        'create_api_key', 'verify_api_key', 'rotate_api_key', 'revoke_api_key', 'log_api_key_usage',
        'enqueue_job', 'start_job', 'claim_job', 'update_job_progress', 'finish_job', 'fail_job',
        'recover_stale_jobs', 'cleanup_old_job_logs')
      or (with_app and p.proname in (
        'get_user_memory_count', 'get_user_storage_usage', 'get_user_token_usage',
        'get_user_activity_summary', 'get_user_dashboard_stats', 'match_memories')));

  select problems || coalesce(array_agg(format('public.%I is not pgherald''s view', c.relname) order by c.relname), '{}')
  into problems
  from pg_catalog.pg_class c
  where c.relnamespace = 'public'::regnamespace
    and (c.relname = 'job_status_summary' or (with_app and c.relname = 'user_recent_activity'))
    and coalesce(obj_description(c.oid, 'pg_class'), '') not like 'pgherald:%';

  if problems <> '{}' then
    raise exception using
      message = format('pgherald cannot be installed: %s object(s) in schema public use its names', cardinality(problems)),
      detail = array_to_string(problems, E'\n'),
      hint = 'Nothing has been changed. Rename each of these or move it to another schema '
        || '(alter table public.notifications rename to app_notifications), or add the listed columns '
        || 'with the listed types so that both can share the table; then run again.';
  end if;

  -- kept below, where there is a schema to keep it in
  perform set_config('pgherald.adopted', array_to_string(adopted, ','), false);
end
$preflight$;

-- Roles. They belong to the whole cluster and may be Supabase's: made only where missing,
-- never altered.
do $roles$
declare
  missing text[];
  role_name text;
  me constant record := (select r from pg_catalog.pg_roles r where r.rolname = current_user);
begin
  select array_agg(r order by r) into missing
  from unnest(array['anon', 'authenticated', 'service_role']) as r
  where not exists (select 1 from pg_catalog.pg_roles where rolname = r);

  foreach role_name in array coalesce(missing, '{}') loop
    begin
      if role_name = 'service_role' then
        create role service_role nologin noinherit bypassrls;
      else
        execute format('create role %I nologin noinherit', role_name);
      end if;
    exception
      when duplicate_object or unique_violation then
        null;  -- another database of this cluster was installed at the same moment
      when insufficient_privilege then
        raise exception using
          errcode = 'insufficient_privilege',
          message = format('role %I is missing and %I may not create it', role_name, current_user),
          detail = 'Row level security names the roles anon, authenticated and service_role.',
          hint = format('As a superuser run: create role anon nologin noinherit; '
            || 'create role authenticated nologin noinherit; create role service_role nologin noinherit bypassrls; '
            || 'grant anon, authenticated, service_role to %I; (leave out those that exist), then run again.', current_user);
    end;
  end loop;

  -- The daemon asks "may this client read this row?" under the client's role, so it must be
  -- able to SET ROLE. A superuser always is.
  if not me.rolsuper then
    foreach role_name in array array['anon', 'authenticated', 'service_role'] loop
      begin
        execute format('grant %I to %I', role_name, current_user);
      exception when insufficient_privilege then
        if not pg_has_role(current_user, role_name, 'member') then
          raise exception using
            errcode = 'insufficient_privilege',
            message = format('%I is not a member of role %I', current_user, role_name),
            detail = 'The daemon checks row level security by SET ROLE to each client''s role.',
            hint = format('As a superuser run: grant anon, authenticated, service_role to %I; then run again.', current_user);
        end if;
      end;
    end loop;
  end if;
end
$roles$;

grant usage on schema public to anon, authenticated, service_role;

-- What the policies ask: who is calling? The same answers as Supabase gives, from the
-- settings that PostgREST makes for a request. Made only where missing: on Supabase this
-- schema is the auth service's.
do $auth$
begin
  if to_regnamespace('auth') is null then
    create schema auth;
    comment on schema auth is 'pgherald: auth.uid(), auth.role() and auth.jwt() as Supabase has them';
    grant usage on schema auth to anon, authenticated, service_role;
  end if;

  if to_regprocedure('auth.uid()') is null then
    create function auth.uid() returns uuid
    language sql stable
    as $$
      -- after a transaction that set them these settings are '' and not null
      select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
      )::uuid
    $$;
    comment on function auth.uid() is 'pgherald: the caller''s user id, from the JWT''s sub';
  end if;

  if to_regprocedure('auth.role()') is null then
    create function auth.role() returns text
    language sql stable
    as $$
      select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
      )
    $$;
    comment on function auth.role() is 'pgherald: the caller''s role, from the JWT';
  end if;

  if to_regprocedure('auth.jwt()') is null then
    create function auth.jwt() returns jsonb
    language sql stable
    as $$
      select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
      )::jsonb
    $$;
    comment on function auth.jwt() is 'pgherald: the caller''s whole JWT';
  end if;
end
$auth$;

-- pgherald: the sidecar's own state and the helpers of its tables. No usage is granted:
-- triggers and policies reach their functions without it.
create schema if not exists pgherald;
comment on schema pgherald is 'pgherald: the sidecar''s state and helpers';
revoke all on schema pgherald from public;

-- pgherald_audit: the partitions of public.audit_logs, apart from everything else, so that
-- one filter of the output plugin (pgherald_audit.*) keeps the sidecar's own rows out of
-- the stream that it reads.
create schema if not exists pgherald_audit;
comment on schema pgherald_audit is 'pgherald: the partitions of public.audit_logs';
revoke all on schema pgherald_audit from public;

-- Tables that were there before us: sql/uninstall.sql leaves them.
create table if not exists pgherald.adopted_tables (name text primary key);
comment on table pgherald.adopted_tables is 'pgherald: tables in public that it uses and did not make';
insert into pgherald.adopted_tables (name)
select unnest(string_to_array(nullif(current_setting('pgherald.adopted'), ''), ','))
on conflict do nothing;

create or replace function pgherald.set_updated_at() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.updated_at := now();
  return new;
end
$$;
comment on function pgherald.set_updated_at() is 'pgherald: trigger that keeps updated_at';
revoke execute on function pgherald.set_updated_at() from public;

-- Inside a SECURITY DEFINER function current_user is the owner. The role a client was given
-- by SET ROLE is still in the setting, and unlike a claim it cannot be made up.
create or replace function pgherald.calling_role() returns text
language sql stable
set search_path = ''
as $$
  select coalesce(nullif(current_setting('role'), 'none'), session_user::text)
$$;
comment on function pgherald.calling_role() is 'pgherald: who called, also inside SECURITY DEFINER';
revoke execute on function pgherald.calling_role() from public;

-- True for the service role, the database's owner and superusers: those who act for others.
create or replace function pgherald.caller_is_service() returns boolean
language sql stable
set search_path = ''
as $$
  select pg_catalog.pg_has_role(pgherald.calling_role(), 'service_role', 'usage')
$$;
comment on function pgherald.caller_is_service() is 'pgherald: may the caller act for other users?';
revoke execute on function pgherald.caller_is_service() from public;
