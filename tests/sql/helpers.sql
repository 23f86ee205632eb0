-- Loaded into every test database: pgTAP in a schema of its own, so that schema public holds
-- nothing but what is tested, and what the tests share.

create schema tap;
create extension pgtap schema tap;
set search_path = tap, public;

-- Three people: ann owns the rows, bob takes part in ann's meeting, cy is a stranger.
create function tap.ann() returns uuid language sql immutable as $$ select 'aaaaaaaa-0000-4000-8000-000000000001'::uuid $$;
create function tap.bob() returns uuid language sql immutable as $$ select 'bbbbbbbb-0000-4000-8000-000000000002'::uuid $$;
create function tap.cy() returns uuid language sql immutable as $$ select 'cccccccc-0000-4000-8000-000000000003'::uuid $$;

-- Runs a query as a client of this role and user and returns its first value. What it did stays.
create function tap.call(role text, sub uuid, query text) returns text
language plpgsql as $$
declare
  result text;
begin
  perform set_config('request.jwt.claims', json_build_object('sub', sub, 'role', role, 'session_id', 's-1')::text, true);
  perform set_config('role', role, true);
  execute query into result;
  perform set_config('role', 'none', true);
  perform set_config('request.jwt.claims', '', true);
  return result;
end
$$;

-- Tries a statement as a client and takes its effects back. Returns the number of rows, or
-- the SQLSTATE: 42501 is "permission denied", also by a policy.
create function tap.attempt(role text, sub uuid, statement text) returns text
language plpgsql as $$
declare
  n bigint;
begin
  perform set_config('request.jwt.claims', json_build_object('sub', sub, 'role', role)::text, true);
  perform set_config('role', role, true);
  execute statement;
  get diagnostics n = row_count;
  raise exception 'take it back' using errcode = 'TAPOK', detail = n;
exception
  when sqlstate 'TAPOK' then
    return n::text;
  when others then
    return sqlstate;
end
$$;

-- The plan of a query, run by ann as a client, or by the owner.
create function tap.plan_of(query text, client boolean default false) returns setof text
language plpgsql as $$
begin
  if client then
    perform set_config('request.jwt.claims', json_build_object('sub', tap.ann(), 'role', 'authenticated')::text, true);
    perform set_config('role', 'authenticated', true);
  end if;
  return query execute 'explain (costs off) ' || query;
  perform set_config('role', 'none', true);
  perform set_config('request.jwt.claims', '', true);
end
$$;

-- Does it use this index? One of a partitioned table counts when one of its children is used.
create function tap.uses_index(client boolean, index text, query text) returns text
language plpgsql as $$
declare
  plan constant text := (select string_agg(l, E'\n') from tap.plan_of(query, client) as l);
  used boolean;
begin
  select bool_or(plan ~ ('\m' || c.relname || '\M')) into used
  from pg_class c
  where c.relname = index or c.oid in (select relid from pg_partition_tree(to_regclass('public.' || index)));
  return ok(used, format('%s: %s', index, regexp_replace(query, '\s+', ' ', 'g')))
    || case when used then '' else E'\n' || diag(plan) end;
end
$$;

-- What a call really scans, inside its functions too: of the indexes, and of the tables of more
-- than 1,000 rows that it reads from end to end.
create function tap.scans_of(role text, sub uuid, query text, out indexes text[], out whole_tables text[])
language plpgsql as $$
declare
  counts constant text := 'select jsonb_object_agg(c.oid, pg_stat_get_xact_numscans(c.oid)) from pg_class c
    where c.relnamespace in (''public''::regnamespace, ''pgherald_audit''::regnamespace) and c.relkind in (''r'', ''i'')';
  earlier jsonb;
  later jsonb;
begin
  execute counts into earlier;
  perform tap.call(role, sub, query);
  execute counts into later;
  select array_agg(c.relname::text) filter (where c.relkind = 'i'),
    array_agg(c.relname::text) filter (where c.relkind = 'r' and c.reltuples > 1000)
    into indexes, whole_tables
  from pg_class c
  where c.oid::text in (select key from jsonb_each_text(later) where value > earlier ->> key);
end
$$;

-- One row in every table of the application and of the sidecar, all ann's.
create function tap.fixture() returns void
language plpgsql as $$
declare
  meeting uuid;
  transcript uuid;
  chat uuid;
  bot uuid;
  hook uuid;
  key uuid;
  delivery bigint;
begin
  insert into public.webhooks (user_id, name, url, events) values (ann(), 'hook', 'https://example.test/in', '{*}') returning id into hook;
  insert into public.webhook_deliveries (webhook_id, message_id, event_type, payload)
    values (hook, 'msg_1', 'memories.insert', '{"type": "memories.insert"}') returning id into delivery;
  insert into public.webhook_attempts (delivery_id, attempt, status_code) values (delivery, 1, 500);
  insert into pgherald.webhook_secrets (webhook_id, secret) values (hook, 'whsec_' || repeat('A', 44));
  insert into pgherald.webhook_health (webhook_id) values (hook);
  insert into public.notifications (user_id, title) values (ann(), 'hello');
  insert into public.notification_preferences (user_id, type) values (ann(), 'digest');
  insert into public.notification_rules (name, table_name, recipient, title) values ('rule', 'memories', 'user_id', 'new');
  insert into public.api_keys (user_id, name, key_hash, key_prefix) values (ann(), 'key', sha256('x'), 'phk_x') returning id into key;
  insert into public.api_key_usage (api_key_id, day, requests) values (key, '2026-01-01', 1);
  insert into public.job_logs (user_id, job_type) values (ann(), 'import');
  insert into public.audit_logs (user_id, action, resource_type) values (ann(), 'login', 'session');
  insert into pgherald.migrations (name, checksum, seed_app) values ('test', 'x', true);
  insert into pgherald.checkpoints (slot_name, commit_lsn, end_lsn) values ('test', '0/1', '0/2');
  insert into pgherald.rules (slot_name, kind, id, row) values ('test', 'webhook', 'x', '{}');
  insert into pgherald.publications (name, schemas) values ('test', '{public}');
  insert into pgherald.store_marks (slot_name) values ('test');
  insert into pgherald.audit_policies (table_name) values ('public.test');
  insert into pgherald.audit_exports (table_name, exported_at) values ('test', now());
  insert into pgherald.audit_holds (reason) values ('test');
  insert into pgherald.recorders (slot_name, run_id, settings, who) values ('test', gen_random_uuid(), '{}', '{}');
  insert into pgherald.audit_secrets (name, secret) values ('test', repeat('x', 32));
  insert into pgherald.audit_reads (path_like) values ('/test');
  insert into pgherald.adopted_tables (name) values ('test');
  insert into realtime.messages (topic, extension, event, payload) values ('room', 'broadcast', 'e', '{}');
  if to_regclass('public.users') is null then
    return;
  end if;

  insert into public.memories (user_id, content) values (ann(), 'likes tea');
  insert into public.files (user_id, file_name, storage_path) values (ann(), 'a.txt', 'ann/a.txt');
  insert into public.transcripts (user_id, title) values (ann(), 'talk') returning id into transcript;
  insert into public.summaries (user_id, transcript_id, content) values (ann(), transcript, 'short');
  insert into public.chat_sessions (user_id) values (ann()) returning id into chat;
  insert into public.chat_messages (session_id, user_id, role, content) values (chat, ann(), 'user', 'hi');
  insert into public.google_oauth_tokens (user_id, google_account_id, access_token_encrypted, refresh_token_encrypted, encryption_key_id)
    values (ann(), '1', decode(repeat('ab', 40), 'hex'), decode(repeat('cd', 40), 'hex'), 'k1');
  insert into public.meetings (user_id, title, start_time, end_time) values (ann(), 'sync', now(), now()) returning id into meeting;
  insert into public.meeting_participants (meeting_id, user_id, email) values (meeting, bob(), 'bob@example.test');
  insert into public.meeting_bot_sessions (meeting_id, user_id) values (meeting, ann()) returning id into bot;
  insert into public.meeting_transcripts (meeting_id, user_id, bot_session_id, sequence, content) values (meeting, ann(), bot, 1, 'welcome');
  insert into public.meeting_summaries (meeting_id, user_id, summary) values (meeting, ann(), 'we met');
end
$$;

create function tap.people() returns void
language plpgsql as $$
begin
  -- on Supabase the mirror makes public.users of these
  if to_regclass('auth.users') is not null then
    insert into auth.users (id, email)
    values (ann(), 'ann@example.test'), (bob(), 'bob@example.test'), (cy(), 'cy@example.test');
  elsif to_regclass('public.users') is not null then
    insert into public.users (id, email)
    values (ann(), 'ann@example.test'), (bob(), 'bob@example.test'), (cy(), 'cy@example.test');
  end if;
end
$$;
