-- pgherald: set=core
--
-- Who did it. The WAL says what changed and not by whom, so a transaction says it itself: one
-- logical message, signed, that travels with its rows. docs/audit.md has the whole of it.

-- ---------------------------------------------------------------- the signature

-- Every role may call pg_logical_emit_message() with any prefix and any content. So what counts is
-- the signature: HMAC-SHA256 under a key that the owner alone reads, over facts that name their
-- transaction. The pads of RFC 2104 are made once, so that signing is two calls of sha256().
create table if not exists pgherald.context_key (
  id int primary key default 1,
  key bytea not null,
  inner_pad bytea not null,
  outer_pad bytea not null,
  created_at timestamptz not null default now(),
  constraint context_key_id_check check (id = 1),
  constraint context_key_lengths_check check (
    octet_length(key) = 32 and octet_length(inner_pad) = 64 and octet_length(outer_pad) = 64)
);
comment on table pgherald.context_key is 'pgherald: signs who did it; whoever reads it can forge an audit entry''s actor';
revoke all on pgherald.context_key from public, anon, authenticated, service_role;

create or replace function pgherald.hmac_pad(key bytea, filler int) returns bytea
language plpgsql immutable
set search_path = ''
as $$
declare
  pad bytea := key || decode(repeat('00', 64 - octet_length(key)), 'hex');
begin
  for i in 0 .. 63 loop
    pad := set_byte(pad, i, get_byte(pad, i) # filler);
  end loop;
  return pad;
end
$$;
comment on function pgherald.hmac_pad(bytea, int) is 'pgherald: a key xored with the inner or outer filler of RFC 2104';
revoke execute on function pgherald.hmac_pad(bytea, int) from public, anon, authenticated, service_role;

-- gen_random_uuid() is PostgreSQL's strong random source; four have 488 random bits.
insert into pgherald.context_key (key, inner_pad, outer_pad)
select k.key, pgherald.hmac_pad(k.key, 54), pgherald.hmac_pad(k.key, 92)
from (
  select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
    || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) as key
) as k
on conflict do nothing;

-- ---------------------------------------------------------------- reads that are entries

create table if not exists pgherald.audit_reads (
  path_like text primary key,
  methods text[] not null default '{GET,HEAD}',
  is_enabled boolean not null default true,
  constraint audit_reads_methods_check check (array_position(methods, null) is null)
);
comment on table pgherald.audit_reads is 'pgherald: requests that pre_request() makes entries of, by path (LIKE) and method';
revoke all on pgherald.audit_reads from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- the message

-- What is no JSON object is null: a request must not fail for what a header says.
create or replace function pgherald.json_object_or_null(setting text) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
begin
  return case jsonb_typeof(setting::jsonb) when 'object' then setting::jsonb end;
exception when others then
  return null;
end
$$;
comment on function pgherald.json_object_or_null(text) is 'pgherald: a JSON object, or null for anything else';
revoke execute on function pgherald.json_object_or_null(text) from public, anon, authenticated, service_role;

-- Writes the message. Claims and headers are what PostgREST has set for this transaction, and are
-- only as good as session_user, which no SET ROLE and no SECURITY DEFINER changes: whether that is
-- a gateway is the daemon's to judge. After a transaction these settings are '' and not null.
--
-- The setting pgherald.context_of says for which transaction the message has been written. It is
-- taken back where the message is: by the rollback to a savepoint, by the transaction's end. It
-- names the transaction, so a value that somebody leaves in a pooled session silences nobody.
create or replace function pgherald.emit_context(is_read boolean default false, declared uuid default null) returns void
language plpgsql
set search_path = ''
as $$
declare
  xid constant text := pg_current_xact_id()::text;
  raw_claims constant text := nullif(current_setting('request.jwt.claims', true), '');
  raw_headers constant text := nullif(current_setting('request.headers', true), '');
  application text := nullif(current_setting('app.audit_ctx', true), '');
  claims jsonb;
  headers jsonb;
  flaws text := '';
  facts text;
begin
  if raw_claims is not null then
    claims := pgherald.json_object_or_null(raw_claims);
    if claims is null then
      flaws := 'claims ';
    end if;
  end if;
  if raw_headers is not null then
    headers := pgherald.json_object_or_null(raw_headers);
    if headers is null then
      flaws := flaws || 'headers ';
    end if;
  end if;
  if octet_length(application) > 4096 then
    application := null;
    flaws := flaws || 'application ';
  end if;

  facts := jsonb_strip_nulls(jsonb_build_object(
    'xid', xid,
    'session_user', session_user,
    'role', coalesce(nullif(current_setting('role'), 'none'), session_user::text),
    'address', host(inet_client_addr()),
    'application_name', nullif(current_setting('application_name', true), ''),
    'actor', left(coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), claims ->> 'sub'), 128),
    'declared', declared,
    'session_id', left(claims ->> 'session_id', 128),
    'aal', left(claims ->> 'aal', 32),
    'x_forwarded_for', left(headers ->> 'x-forwarded-for', 512),
    'cf_connecting_ip', left(headers ->> 'cf-connecting-ip', 128),
    'x_real_ip', left(headers ->> 'x-real-ip', 128),
    'user_agent', left(headers ->> 'user-agent', 512),
    'method', left(nullif(current_setting('request.method', true), ''), 16),
    'path', left(nullif(current_setting('request.path', true), ''), 1024),
    'application', application,
    'flaws', nullif(rtrim(flaws), ''),
    'read', nullif(is_read, false)))::text;

  perform pg_logical_emit_message(true, 'pgherald:context',
    encode(sha256(k.outer_pad || sha256(k.inner_pad || convert_to(facts, getdatabaseencoding()))), 'hex') || facts)
  from pgherald.context_key k;
  perform set_config('pgherald.context_of', xid, true);
end
$$;
comment on function pgherald.emit_context(boolean, uuid) is 'pgherald: writes who is at work into the transaction';
revoke execute on function pgherald.emit_context(boolean, uuid) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- by trigger

-- BEFORE the statement, so that the message precedes the rows. SECURITY DEFINER for the key.
create or replace function pgherald.take_context() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if current_setting('pgherald.context_of', true) is distinct from pg_current_xact_id()::text then
    perform pgherald.emit_context();
  end if;
  return null;
end
$$;
comment on function pgherald.take_context() is 'pgherald: trigger that writes who is at work, once a transaction';
revoke execute on function pgherald.take_context() from public, anon, authenticated, service_role;

-- Says whether the table was not tracked before. Locks it only then.
create or replace function pgherald.track(relation regclass) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if exists (select from pg_catalog.pg_trigger t where t.tgrelid = relation and t.tgname = 'pgherald_context') then
    return false;
  end if;
  if not exists (select from pg_catalog.pg_class c where c.oid = relation and c.relkind in ('r', 'p')) then
    raise exception 'track: % is no table', relation
      using errcode = 'wrong_object_type', hint = 'Track the tables behind a view.';
  end if;
  execute format('create trigger pgherald_context before insert or update or delete or truncate on %s
    for each statement execute function pgherald.take_context()', relation);
  execute format('comment on trigger pgherald_context on %s is ''pgherald: who is at work, for the audit trail''', relation);
  return true;
end
$$;
comment on function pgherald.track(regclass) is 'pgherald: has the changes of a table say who made them';
revoke execute on function pgherald.track(regclass) from public, anon, authenticated, service_role;

create or replace function pgherald.untrack(relation regclass) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if not exists (select from pg_catalog.pg_trigger t where t.tgrelid = relation and t.tgname = 'pgherald_context') then
    return false;
  end if;
  execute format('drop trigger pgherald_context on %s', relation);
  return true;
end
$$;
comment on function pgherald.untrack(regclass) is 'pgherald: takes back track()';
revoke execute on function pgherald.untrack(regclass) from public, anon, authenticated, service_role;

-- Every table of the schemas that the stream carries, partitions too: a statement fires the triggers
-- of the table that it names and no other. Returns those that were new.
create or replace function pgherald.track_all(schemas text[] default '{public}') returns setof regclass
language plpgsql
set search_path = ''
as $$
declare
  relation regclass;
begin
  for relation in
    select c.oid::regclass
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and c.relpersistence = 'p' and n.nspname = any (schemas)
      and not (n.nspname = 'public' and c.relname in ('audit_logs', 'webhook_deliveries', 'webhook_attempts'))
    order by n.nspname, c.relname
  loop
    if pgherald.track(relation) then
      return next relation;
    end if;
  end loop;
end
$$;
comment on function pgherald.track_all(text[]) is 'pgherald: tracks the tables of these schemas, returns those that were not';
revoke execute on function pgherald.track_all(text[]) from public, anon, authenticated, service_role;

create or replace function pgherald.untrack_all() returns setof regclass
language plpgsql
set search_path = ''
as $$
declare
  relation regclass;
begin
  for relation in
    select t.tgrelid::regclass from pg_catalog.pg_trigger t where t.tgname = 'pgherald_context' and t.tgparentid = 0
  loop
    perform pgherald.untrack(relation);
    return next relation;
  end loop;
end
$$;
comment on function pgherald.untrack_all() is 'pgherald: takes back every track()';
revoke execute on function pgherald.untrack_all() from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- by call

-- For PostgREST: db-pre-request = "pgherald.pre_request". A request that only reads writes nothing,
-- unless it is to be audited; and a standby has no WAL to write to.
create or replace function pgherald.pre_request() returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  is_read boolean;
begin
  if pg_is_in_recovery() then
    return;
  end if;
  is_read := exists (
    select from pgherald.audit_reads r
    where r.is_enabled
      and current_setting('request.method', true) = any (r.methods)
      and current_setting('request.path', true) like r.path_like);
  if is_read or current_setting('transaction_read_only') = 'off' then
    perform pgherald.emit_context(is_read);
  end if;
end
$$;
comment on function pgherald.pre_request() is 'pgherald: for PostgREST''s db-pre-request: who is at work, before anything else';
revoke execute on function pgherald.pre_request() from public;

-- For direct SQL, workers and pooled connections, first thing in a transaction and good until its
-- end. `context` is an object of at most 4 KiB of the application's own; without one, the setting
-- app.audit_ctx counts. Who a gateway's token names is not changed by an actor that is declared.
create or replace function pgherald.set_context(actor uuid default null, context jsonb default '{}') returns void
language plpgsql
security definer
set search_path = ''
as $$
begin
  if jsonb_typeof(context) <> 'object' or octet_length(context::text) > 4096 then
    raise exception 'set_context: the context must be a JSON object of at most 4096 bytes'
      using errcode = 'invalid_parameter_value';
  end if;
  if context <> '{}' then
    perform set_config('app.audit_ctx', context::text, true);
  end if;
  if current_setting('transaction_read_only') = 'off' then
    perform pgherald.emit_context(false, actor);
  end if;
end
$$;
comment on function pgherald.set_context(uuid, jsonb) is 'pgherald: says for whom, and why, this transaction works';
revoke execute on function pgherald.set_context(uuid, jsonb) from public, anon, authenticated, service_role;

-- The schema has to be entered for these two, which all else in it can bear: no table of it is
-- granted to anybody, and no other function.
grant usage on schema pgherald to anon, authenticated, service_role;
grant execute on function pgherald.pre_request() to anon, authenticated, service_role;
grant execute on function pgherald.set_context(uuid, jsonb) to authenticated, service_role;

-- ---------------------------------------------------------------- what an application tells

-- As in 004, and who tells it stands in the entry as it does in those of the stream: the login, the
-- connection, the request, the raw headers. Those words are ours: the caller's context cannot bring
-- any of them along. Headers that are no JSON are no reason to lose the entry.
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
  ours constant text[] := '{source,trusted,role,session_user,connection,cf_connecting_ip,x_real_ip,x_forwarded_for,method,path,application_name,application}';
  acts_for_others constant boolean := pgherald.caller_is_service();
  headers constant jsonb := pgherald.json_object_or_null(nullif(current_setting('request.headers', true), ''));
  application constant text := nullif(current_setting('app.audit_ctx', true), '');
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
    case jsonb_typeof(p_context) when 'object' then p_context - ours else '{}' end || jsonb_strip_nulls(jsonb_build_object(
      'source', 'application',
      'role', pgherald.calling_role(),
      'session_user', session_user,
      'connection', host(inet_client_addr()),
      'cf_connecting_ip', left(headers ->> 'cf-connecting-ip', 128),
      'x_real_ip', left(headers ->> 'x-real-ip', 128),
      'x_forwarded_for', left(headers ->> 'x-forwarded-for', 512),
      'method', left(nullif(current_setting('request.method', true), ''), 16),
      'path', left(nullif(current_setting('request.path', true), ''), 1024),
      'application_name', nullif(current_setting('application_name', true), ''),
      'application', case when octet_length(application) <= 4096 then pgherald.json_object_or_null(application) end)))
  returning id into entry_id;
  return entry_id;
end
$$;
comment on function public.create_audit_log(text, text, text, jsonb, jsonb, uuid, inet, text, text, jsonb)
  is 'pgherald: an audit entry for what is no change of a row';
