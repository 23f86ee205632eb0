-- pgherald: set=core
--
-- The message of 021 in fewer steps, with the same words. What counts is the number of statements and
-- of function calls, since each transaction sets each expression up anew; docs/performance.md has what
-- was measured. So a request is looked at only if there is one, the facts are one array, and one query
-- reads the key, signs, writes and marks.

-- Claims and headers are what PostgREST has set for this transaction, and are only as good as
-- session_user, which no SET ROLE and no SECURITY DEFINER changes: whether that is a gateway is the
-- daemon's to judge. After a transaction these settings are '' and not null.
--
-- The setting pgherald.context_of says for which transaction the message has been written. It is
-- taken back where the message is: by the rollback to a savepoint, by the transaction's end. It
-- names the transaction, so a value that somebody leaves in a pooled session silences nobody.
--
-- No SET of its own, which is 3 us a call: only the functions below and emit_schema_change() may call
-- it, and they have set the search path.
create or replace function pgherald.emit_context(is_read boolean default false, declared uuid default null) returns void
language plpgsql
as $$
declare
  xid constant text := pg_current_xact_id()::text;
  application text;
  claims jsonb;
  headers jsonb;
  flaws text;
  facts text;
begin
  if declared is null and not is_read and coalesce(greatest(
    current_setting('request.jwt.claims', true), current_setting('request.headers', true),
    current_setting('request.jwt.claim.sub', true), current_setting('request.method', true),
    current_setting('request.path', true), current_setting('app.audit_ctx', true)), '') = ''
  then
    facts := json_object('{xid,session_user,role,address,application_name}', array[
      xid,
      session_user,
      coalesce(nullif(current_setting('role'), 'none'), session_user),
      coalesce(host(inet_client_addr()), ''),
      current_setting('application_name')]);
  else
    application := current_setting('app.audit_ctx', true);
    begin
      claims := nullif(current_setting('request.jwt.claims', true), '');
      headers := nullif(current_setting('request.headers', true), '');
    exception when others then -- which of them: JSON's null is no object either
      claims := case when current_setting('request.jwt.claims', true) <> ''
        then coalesce(pgherald.json_object_or_null(current_setting('request.jwt.claims', true)), 'null') end;
      headers := case when current_setting('request.headers', true) <> ''
        then coalesce(pgherald.json_object_or_null(current_setting('request.headers', true)), 'null') end;
    end;
    if jsonb_typeof(claims) <> 'object' or jsonb_typeof(headers) <> 'object' or octet_length(application) > 4096 then
      flaws := concat_ws(' ',
        case when jsonb_typeof(claims) <> 'object' then 'claims' end,
        case when jsonb_typeof(headers) <> 'object' then 'headers' end,
        case when octet_length(application) > 4096 then 'application' end);
      application := case when octet_length(application) <= 4096 then application end;
    end if;
    facts := jsonb_strip_nulls(jsonb_object(
      '{xid,session_user,role,address,application_name,actor,declared,session_id,aal,x_forwarded_for,cf_connecting_ip,x_real_ip,user_agent,method,path,application,flaws}',
      array[
        xid,
        session_user,
        coalesce(nullif(current_setting('role'), 'none'), session_user),
        host(inet_client_addr()),
        nullif(current_setting('application_name'), ''),
        left(coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), claims ->> 'sub'), 128),
        declared::text,
        left(claims ->> 'session_id', 128),
        left(claims ->> 'aal', 32),
        left(headers ->> 'x-forwarded-for', 512),
        left(headers ->> 'cf-connecting-ip', 128),
        left(headers ->> 'x-real-ip', 128),
        left(headers ->> 'user-agent', 512),
        left(nullif(current_setting('request.method', true), ''), 16),
        left(nullif(current_setting('request.path', true), ''), 1024),
        nullif(application, ''),
        flaws]));
    if is_read then
      facts := left(facts, -1) || ', "read": true}';
    end if;
  end if;

  perform pg_logical_emit_message(true, 'pgherald:context',
      encode(sha256(k.outer_pad || sha256(k.inner_pad || convert_to(facts, getdatabaseencoding()))), 'hex') || facts),
    set_config('pgherald.context_of', xid, true)
  from pgherald.context_key k;
end
$$;
comment on function pgherald.emit_context(boolean, uuid) is 'pgherald: writes who is at work into the transaction';
revoke execute on function pgherald.emit_context(boolean, uuid) from public, anon, authenticated, service_role;

-- The three that call it, with the rights that they have. An assignment calls a function as a part of an expression, and PERFORM by a
-- query, which is 6 us more.

-- BEFORE the statement, so that the message precedes the rows. SECURITY DEFINER for the key.
create or replace function pgherald.take_context() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  said text;
begin
  if current_setting('pgherald.context_of', true) is distinct from pg_current_xact_id()::text then
    said := pgherald.emit_context();
  end if;
  return null;
end
$$;
comment on function pgherald.take_context() is 'pgherald: trigger that writes who is at work, once a transaction';
revoke execute on function pgherald.take_context() from public, anon, authenticated, service_role;

create or replace function pgherald.pre_request() returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  is_read boolean;
  said text;
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
    said := pgherald.emit_context(is_read);
  end if;
end
$$;
comment on function pgherald.pre_request() is 'pgherald: for PostgREST''s db-pre-request: who is at work, before anything else';

create or replace function pgherald.set_context(actor uuid default null, context jsonb default '{}') returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  said text;
begin
  if jsonb_typeof(context) <> 'object' or octet_length(context::text) > 4096 then
    raise exception 'set_context: the context must be a JSON object of at most 4096 bytes'
      using errcode = 'invalid_parameter_value';
  end if;
  if context <> '{}' then
    said := set_config('app.audit_ctx', context::text, true);
  end if;
  if current_setting('transaction_read_only') = 'off' then
    said := pgherald.emit_context(false, actor);
  end if;
end
$$;
comment on function pgherald.set_context(uuid, jsonb) is 'pgherald: says for whom, and why, this transaction works';
