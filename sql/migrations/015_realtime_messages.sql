-- pgherald: set=core
--
-- Private channels and messages from SQL, with the names that a Supabase project has: policies on
-- realtime.messages say who may read and write which topic, a row in it is a message to a topic.
-- On Supabase all of schema realtime is the platform's; nothing that is there is replaced or altered.

do $realtime$
declare
  has_table constant boolean := exists (
    select from pg_catalog.pg_class c
    where c.relnamespace = to_regnamespace('realtime') and c.relname = 'messages');
begin
  if to_regnamespace('realtime') is null then
    create schema realtime;
    comment on schema realtime is 'pgherald: realtime.messages and its functions as Supabase has them';
    revoke all on schema realtime from public, anon, authenticated, service_role;
    grant usage on schema realtime to anon, authenticated, service_role;
  elsif not (has_schema_privilege('realtime', 'usage') and has_schema_privilege('realtime', 'create')) then
    if not has_table then
      raise warning 'no private channels and no messages from SQL: schema realtime has no table messages, and % may not make one',
        quote_ident(current_user)
        using hint = 'On Supabase, bring its Realtime up to date. Else run as the owner of the schema: '
          || format('grant usage, create on schema realtime to %I; then all of this migration once more.', current_user);
    end if;
    return;
  end if;

  -- One table, where Supabase has a partition a day: the daemon's maintenance deletes what is old,
  -- and no partition can be missing when a message comes.
  if not has_table then
    create table realtime.messages (
      topic text not null,
      extension text not null,
      payload jsonb,
      event text,
      private boolean default false,
      -- UTC whatever the session's time zone; and the clock's time, not the transaction's, so that
      -- the messages of one transaction are replayed in their order
      updated_at timestamp not null default (clock_timestamp() at time zone 'UTC'),
      inserted_at timestamp not null default (clock_timestamp() at time zone 'UTC'),
      id uuid not null default gen_random_uuid(),
      binary_payload bytea,
      constraint messages_payload_exclusive check (payload is null or binary_payload is null),
      constraint messages_pkey primary key (id, inserted_at)
    );
    comment on table realtime.messages is 'pgherald: messages to topics; its policies say who may read and write which';
    create index messages_inserted_at_idx on realtime.messages (inserted_at);
    create index messages_topic_inserted_at_idx on realtime.messages (topic, inserted_at)
      where extension = 'broadcast' and private;
    alter table realtime.messages enable row level security;
    revoke all on realtime.messages from public, anon, authenticated, service_role;
    -- without a policy nobody reads or writes anything
    grant select, insert, update on realtime.messages to anon, authenticated, service_role;
  end if;

  -- None of these sets a search path: the policies that an INSERT asks run under the caller's.

  if to_regprocedure('realtime.topic()') is null then
    create function realtime.topic() returns text
    language sql stable
    as $$
      -- after a transaction that set it the setting is '' and not null
      select nullif(pg_catalog.current_setting('realtime.topic', true), '')
    $$;
    comment on function realtime.topic() is 'pgherald: the topic that a policy on realtime.messages is asked about';
    revoke execute on function realtime.topic() from public;
    grant execute on function realtime.topic() to anon, authenticated, service_role;
  end if;

  -- A message that cannot be sent is a warning: it must not undo the change that it tells of.
  if to_regprocedure('realtime.send(jsonb,text,text,boolean)') is null then
    create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
    language plpgsql
    as $$
    declare
      message_id constant uuid := pg_catalog.gen_random_uuid();
    begin
      perform pg_catalog.set_config('realtime.topic', topic, true);
      insert into realtime.messages (id, payload, event, topic, private, extension)
      values (message_id,
        case when payload ? 'id' then payload
          else pg_catalog.jsonb_set(payload, '{id}', pg_catalog.to_jsonb(message_id)) end,
        event, topic, private, 'broadcast');
    exception when others then
      raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
    end
    $$;
    comment on function realtime.send(jsonb, text, text, boolean) is 'pgherald: sends a message to a topic once the transaction commits';
    revoke execute on function realtime.send(jsonb, text, text, boolean) from public;
    grant execute on function realtime.send(jsonb, text, text, boolean) to anon, authenticated, service_role;
  end if;

  if not has_table and to_regprocedure('realtime.send_binary(bytea,text,text,boolean)') is null then
    create function realtime.send_binary(payload bytea, event text, topic text, private boolean default true) returns void
    language plpgsql
    as $$
    begin
      perform pg_catalog.set_config('realtime.topic', topic, true);
      insert into realtime.messages (id, binary_payload, event, topic, private, extension)
      values (pg_catalog.gen_random_uuid(), payload, event, topic, private, 'broadcast');
    exception when others then
      raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
    end
    $$;
    comment on function realtime.send_binary(bytea, text, text, boolean) is 'pgherald: sends bytes to a topic once the transaction commits';
    revoke execute on function realtime.send_binary(bytea, text, text, boolean) from public;
    grant execute on function realtime.send_binary(bytea, text, text, boolean) to anon, authenticated, service_role;
  end if;

  -- For triggers: a wrong use is an error, since it is one of the trigger's author.
  if to_regprocedure('realtime.broadcast_changes(text,text,text,text,text,record,record,text)') is null then
    create function realtime.broadcast_changes(
      topic_name text,
      event_name text,
      operation text,
      table_name text,
      table_schema text,
      new record,
      old record,
      level text default 'ROW'
    ) returns void
    language plpgsql
    as $$
    begin
      if level = 'STATEMENT' then
        raise exception 'function can only be triggered for each row, not for each statement';
      elsif operation is null or operation not in ('INSERT', 'UPDATE', 'DELETE') then
        raise exception 'Unexpected operation type: %', operation;
      end if;
      perform realtime.send(
        pg_catalog.jsonb_build_object('schema', table_schema, 'table', table_name,
          'operation', operation, 'record', new, 'old_record', old),
        event_name, topic_name);
    exception when others then
      raise exception 'Failed to process the row: %', sqlerrm;
    end
    $$;
    comment on function realtime.broadcast_changes(text, text, text, text, text, record, record, text)
      is 'pgherald: sends a trigger''s row to a topic';
    revoke execute on function realtime.broadcast_changes(text, text, text, text, text, record, record, text) from public;
    grant execute on function realtime.broadcast_changes(text, text, text, text, text, record, record, text)
      to anon, authenticated, service_role;
  end if;
end
$realtime$;

-- The table, or null; to_regclass() is an error for who may not look into the schema.
create or replace function pgherald.realtime_messages() returns oid
language sql stable
set search_path = ''
as $$
  select c.oid
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'realtime' and c.relname = 'messages' and c.relkind in ('r', 'p')
$$;
comment on function pgherald.realtime_messages() is 'pgherald: realtime.messages, if it is there';
revoke execute on function pgherald.realtime_messages() from public, anon, authenticated, service_role;

-- Deletes messages that are older than p_keep, at most p_limit a call, and says how many. Where the
-- table is the platform's, so is its upkeep.
create or replace function pgherald.cleanup_realtime_messages(p_keep interval default '3 days', p_limit int default null) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  deleted bigint;
begin
  if p_keep is null or p_keep < interval '0' then
    raise exception 'cleanup_realtime_messages: p_keep must be an interval of 0 or more, not %', p_keep;
  end if;
  if coalesce(obj_description(pgherald.realtime_messages(), 'pg_class'), '') not like 'pgherald:%' then
    return 0;
  end if;
  -- A plan may run a subquery in IN once for each row, with its LIMIT anew; this one runs once.
  with old as materialized (
    select m.id, m.inserted_at from realtime.messages m
    where m.inserted_at < now() at time zone 'UTC' - p_keep
    order by m.inserted_at
    limit p_limit
    for update skip locked)
  delete from realtime.messages m using old where m.id = old.id and m.inserted_at = old.inserted_at;
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
comment on function pgherald.cleanup_realtime_messages(interval, int) is 'pgherald: deletes old messages, says how many';
revoke execute on function pgherald.cleanup_realtime_messages(interval, int) from public, anon, authenticated, service_role;

insert into pgherald.jobs (name, description, is_enabled, run_every, run_at, settings) values
  ('realtime_messages', 'deletes messages to topics that are older than "keep"', true, '1 day', '03:50', '{"keep": "3 days"}')
on conflict (name) do nothing;

create or replace function pgherald.job_realtime_messages(
  settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
language plpgsql
set search_path = ''
as $$
declare
  keep constant interval := pgherald.job_interval(settings, 'keep');
  deleted bigint := 0;
begin
  if keep is not null then
    deleted := pgherald.cleanup_realtime_messages(keep, chunk);
  end if;
  figures := pgherald.add_done(coalesce(figures, '{"total": 0}'), deleted);
  message := case when keep is null then 'messages are kept for ever'
    else format('%s old messages deleted', figures ->> 'done') end;
  is_finished := deleted < chunk;
end
$$;
comment on function pgherald.job_realtime_messages(jsonb, int, jsonb) is 'pgherald: a step of the job realtime_messages';
revoke execute on function pgherald.job_realtime_messages(jsonb, int, jsonb) from public, anon, authenticated, service_role;

-- What a role may insert into a table, in the form of pgherald.realtime_access(): as PostgreSQL's
-- add_with_check_options() does it for INSERT. A policy without WITH CHECK is held to its USING.
create or replace function pgherald.realtime_insert_access(
  rel oid,
  client_role text,
  columns text[],
  out refused text,
  out writable boolean,
  out judged boolean,
  out one_of text,
  out all_of text
)
language plpgsql stable
set search_path = ''
as $$
declare
  t record;
  r record;
begin
  select c.relnamespace, c.relowner, c.relrowsecurity, c.relforcerowsecurity into strict t
  from pg_catalog.pg_class c
  where c.oid = rel;
  select a.oid, a.rolsuper, a.rolbypassrls into r from pg_catalog.pg_roles a where a.rolname = client_role;
  writable := false;
  judged := false;
  if r.oid is null or not pg_has_role(session_user, r.oid, 'member') then
    refused := '42501 role "' || client_role || '" is not there or may not be taken';
    return;
  end if;
  writable := has_schema_privilege(r.oid, t.relnamespace, 'usage')
    and (select bool_and(has_column_privilege(r.oid, rel, c, 'insert')) from unnest(columns) as c);
  judged := writable and t.relrowsecurity and not r.rolsuper and not r.rolbypassrls
    and (t.relforcerowsecurity or not pg_has_role(r.oid, t.relowner, 'usage'));
  if judged then
    select string_agg('(' || e || ')', ' or ' order by p.polname desc) filter (where p.polpermissive),
        string_agg('(' || e || ')', ' and ' order by p.polname) filter (where not p.polpermissive)
      into one_of, all_of
    from pg_catalog.pg_policy p,
      pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid) as e
    where p.polrelid = rel and p.polcmd in ('a', '*') and e is not null
      and exists (
        select from unnest(p.polroles) as named
        where named = 0 or pg_has_role(r.oid, named, 'usage'));
    writable := one_of is not null;
    judged := writable;
  end if;
end
$$;
comment on function pgherald.realtime_insert_access(oid, text, text[]) is 'pgherald: what a role may insert into a table';
revoke execute on function pgherald.realtime_insert_access(oid, text, text[]) from public, anon, authenticated, service_role;

-- Who may do what with a topic?
--
-- questions: [{"session": place in sessions, "topic": text}]
-- sessions:  [{"role", "claims": text}]
--
-- One answer for each question, in that order. The policies on realtime.messages are judged on a row
-- as Supabase's probe would insert it, under the client's role and claims, with realtime.topic() set;
-- but no row is inserted: an answer takes no transaction id, writes no WAL and needs no partition.
-- `problem`: a policy failed, the role may not be taken, or there is no such table; what could not be
-- judged is not allowed then.
create or replace function pgherald.realtime_authorize(questions jsonb, sessions jsonb)
returns table (
  question integer,
  read_broadcast boolean,
  read_presence boolean,
  write_broadcast boolean,
  write_presence boolean,
  problem text
)
language plpgsql
set search_path = ''
as $$
declare
  own_role constant text := current_setting('role');
  client_path constant text := pgherald.realtime_search_path();
  messages constant oid := pgherald.realtime_messages();
  probe constant jsonb := jsonb_build_object('id', gen_random_uuid(), 'private', false,
    'inserted_at', now() at time zone 'UTC', 'updated_at', now() at time zone 'UTC');
  rights constant text[] := '{read broadcast,read presence,write broadcast,write presence}';
  q record;
  accessed text;  -- the role that the next four are about
  readers record;
  writers record;
  read_judge text;
  write_judge text;
  role_problem text;
  judge text;
  probes text[];
  allowed boolean;
  answers boolean[];
begin
  for q in
    select (e.place - 1)::integer as place, e.v ->> 'topic' as topic,
      s.v ->> 'role' as client_role, s.v ->> 'claims' as claims
    from jsonb_array_elements(questions) with ordinality as e (v, place),
      lateral (select sessions -> (e.v ->> 'session')::integer) as s (v)
    order by e.place
  loop
    if accessed is distinct from q.client_role then
      accessed := q.client_role;
      role_problem := null;
      read_judge := null;
      write_judge := null;
      begin
        if messages is null then
          raise undefined_table using message = 'there is no table realtime.messages';
        end if;
        readers := pgherald.realtime_access(messages, accessed);
        writers := pgherald.realtime_insert_access(messages, accessed,
          '{topic,extension,id,inserted_at,updated_at}');
        role_problem := coalesce(readers.refused, writers.refused);
        perform set_config('search_path', client_path, true);
        if readers.judged then
          read_judge := pgherald.realtime_judge('realtime.messages', 'messages', readers.one_of, readers.all_of);
        end if;
        if writers.judged then
          write_judge := pgherald.realtime_judge('realtime.messages', 'messages', writers.one_of, writers.all_of);
        end if;
        perform set_config('search_path', '', true);
      exception when others then
        -- such as a policy over a function that is gone: nobody is judged by that
        role_problem := sqlstate || ' ' || sqlerrm;
      end;
    end if;

    problem := role_problem;
    answers := '{f,f,f,f}';
    if role_problem is null then
      answers := array[readers.readable, readers.readable, writers.writable, writers.writable];
    end if;
    if role_problem is null and (read_judge is not null or write_judge is not null) then
      probes := array[
        pgherald.realtime_row(messages, probe || jsonb_build_object('topic', q.topic, 'extension', 'broadcast')),
        pgherald.realtime_row(messages, probe || jsonb_build_object('topic', q.topic, 'extension', 'presence'))];
      perform set_config('realtime.topic', q.topic, true),
        set_config('request.jwt.claims', q.claims, true),
        set_config('request.jwt.claim.sub', coalesce(q.claims::jsonb ->> 'sub', ''), true),
        set_config('request.jwt.claim.role', accessed, true),
        set_config('request.headers', '{}', true),
        set_config('search_path', client_path, true),
        set_config('role', accessed, true);
      for i in 1 .. 4 loop
        judge := case when i <= 2 then read_judge else write_judge end;
        if answers[i] and judge is not null then
          begin
            perform pg_catalog.set_config('pgherald.row', probes[2 - i % 2], true);
            execute pg_catalog.format('execute %I', judge) into allowed;
            answers[i] := allowed;
          exception when others then
            answers[i] := false;
            problem := coalesce(problem, sqlstate || ' may this role ' || rights[i] || ': ' || sqlerrm);
          end;
        end if;
      end loop;
      perform pg_catalog.set_config('role', own_role, true), pg_catalog.set_config('search_path', '', true);
    end if;
    question := q.place;
    read_broadcast := answers[1];
    read_presence := answers[2];
    write_broadcast := answers[3];
    write_presence := answers[4];
    return next;
  end loop;
end
$$;
comment on function pgherald.realtime_authorize(jsonb, jsonb) is 'pgherald: who may do what with these topics?';
revoke execute on function pgherald.realtime_authorize(jsonb, jsonb) from public, anon, authenticated, service_role;

-- The newest messages of a private topic since then, oldest first. What was sent by the transactions
-- `settled` is among them: a commit is in the WAL, and may have been in the stream, before others see
-- it. Of a transaction's number the stream tells the lower 32 bits. Nothing is of later than in a
-- minute, so that partitions of days to come are left alone; and an older Supabase has no column
-- for bytes, hence to_jsonb().
create or replace function pgherald.realtime_replay(topic_name text, since_ms bigint, at_most int, settled bigint[])
returns table (id text, event text, payload text, bytes text)
language plpgsql
set search_path = ''
as $$
declare
  -- a transaction that has not ended may be this one, or later by what has begun since
  newest constant bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  since constant timestamp := timestamp 'epoch' + since_ms * interval '1 millisecond';
  number bigint;
begin
  foreach number in array settled loop
    number := number + (newest >> 32 << 32);
    if number > newest + (1::bigint << 31) then
      number := number - (1::bigint << 32);
    end if;
    while pg_xact_status(number::text::xid8) = 'in progress' loop
      perform pg_sleep(0.005);
    end loop;
  end loop;

  return query
  select m.id::text, m.event, m.payload::text, substr(to_jsonb(m) ->> 'binary_payload', 3)
  from (
    select *
    from realtime.messages stored
    where stored.topic = topic_name
      and stored.private
      and stored.extension = 'broadcast'
      and stored.event is not null
      and stored.inserted_at >= since
      and stored.inserted_at < now() at time zone 'UTC' + interval '1 minute'
    order by stored.inserted_at desc
    limit at_most
  ) as m
  order by m.inserted_at;
end
$$;
comment on function pgherald.realtime_replay(text, bigint, int, bigint[]) is 'pgherald: the newest messages of a topic';
revoke execute on function pgherald.realtime_replay(text, bigint, int, bigint[]) from public, anon, authenticated, service_role;
