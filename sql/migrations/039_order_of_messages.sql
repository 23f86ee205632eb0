-- pgherald: set=core
--
-- A message has the LSN of its end in logical decoding, a row that of its begin. So a row that stands
-- right behind a message has the same, and where the two belong to different subtransactions the server
-- hands them out in either order: the row may come before what says who made it. A second message, which
-- nobody reads, keeps them apart; it is of the same subtransaction, where what was written first comes first.

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
    pg_logical_emit_message(true, 'pgherald:after', ''),
    set_config('pgherald.context_of', xid, true)
  from pgherald.context_key k;
end
$$;
comment on function pgherald.emit_context(boolean, uuid) is 'pgherald: writes who is at work into the transaction';
revoke execute on function pgherald.emit_context(boolean, uuid) from public, anon, authenticated, service_role;

create or replace function pgherald.emit_schema_change(command text, kinds text[], names text[], cascaded boolean[] default '{}') returns void
language plpgsql
set search_path = ''
as $$
declare
  most constant int := 200;
  found constant int := cardinality(kinds);
  xid constant text := pg_current_xact_id()::text;
  statement constant text := pgherald.shown_statement(current_query());
  facts text;
begin
  if current_setting('pgherald.context_of', true) is distinct from xid then
    perform pgherald.emit_context();
  end if;
  for i in 1 .. least(found, most) loop
    facts := jsonb_build_object(
      'xid', xid,
      'kind', 'schema',
      'type', left(kinds[i], 64),
      'name', left(coalesce(names[i], ''), 512),
      'change', jsonb_strip_nulls(jsonb_build_object(
        'command', left(command, 64),
        'statement', statement,
        'cascaded', nullif(coalesce(cascaded[i], false), false),
        'left_out', case when i = most and found > most then found - most end)))::text;
    perform pg_logical_emit_message(true, 'pgherald:schema',
      encode(sha256(k.outer_pad || sha256(k.inner_pad || convert_to(facts, getdatabaseencoding()))), 'hex') || facts)
    from pgherald.context_key k;
  end loop;
  perform pg_logical_emit_message(true, 'pgherald:after', '');
end
$$;
comment on function pgherald.emit_schema_change(text, text[], text[], boolean[]) is 'pgherald: writes what became of the schema into the transaction';
revoke execute on function pgherald.emit_schema_change(text, text[], text[], boolean[]) from public, anon, authenticated, service_role;
