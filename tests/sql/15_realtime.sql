-- realtime.messages: private channels and messages from SQL. What pgherald.realtime_authorize() says
-- is compared with what PostgreSQL does when such a row is really read and inserted.
begin;
select no_plan();

create temporary table platform as
select coalesce(obj_description('realtime.messages'::regclass), '') not like 'pgherald:%' as is_supabase;

-- ---------------------------------------------------------------- what is there

select is((select relrowsecurity from pg_class where oid = 'realtime.messages'::regclass), true, 'row level security is on');
select set_eq(
  $$ select a.attname || ' ' || format_type(a.atttypid, null) from pg_attribute a where a.attrelid = 'realtime.messages'::regclass and a.attnum > 0 $$,
  $$ values ('topic text'), ('extension text'), ('payload jsonb'), ('event text'), ('private boolean'), ('binary_payload bytea'),
    ('updated_at timestamp without time zone'), ('inserted_at timestamp without time zone'), ('id uuid') $$,
  'the columns that Supabase has');
select is((select string_agg(p, ',' order by p) from unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as p
    where has_table_privilege(r, 'realtime.messages', p)), 'insert,select,update', r || ' has the grants that Supabase gives; policies decide')
from unnest(array['anon', 'authenticated', 'service_role']) as r;
select is_empty(
  $$ select r from unnest(array['anon', 'authenticated', 'service_role']) as r
     where not has_schema_privilege(r, 'realtime', 'usage') or has_schema_privilege(r, 'realtime', 'create') $$,
  'clients may look into the schema, and not add to it');
select is(to_regprocedure(f) is not null, true, f || ' is there')
from unnest(array['realtime.topic()', 'realtime.send(jsonb,text,text,boolean)',
  'realtime.broadcast_changes(text,text,text,text,text,record,record,text)']) as f;
select is(obj_description('realtime.topic()'::regprocedure), 'the platform''s own', 'what the platform has is not replaced')
from platform where is_supabase;
select is(to_regprocedure('realtime.send_binary(bytea,text,text,boolean)'), null, 'and nothing is added to it')
from platform where is_supabase;

-- ---------------------------------------------------------------- policies against the real thing

create schema chat;
create table chat.members (user_id uuid, topic text, writes boolean);
insert into chat.members values (tap.ann(), 'room', true), (tap.bob(), 'room', false);
grant usage on schema chat to authenticated;
grant select on chat.members to authenticated;
create function chat.broken() returns boolean language plpgsql as $$ begin return 1 / 0; end $$;
create role pgherald_test_listener nologin;
grant usage on schema realtime to pgherald_test_listener;
grant select on realtime.messages to pgherald_test_listener;
grant execute on function realtime.topic() to pgherald_test_listener;

-- The four rights, found out as Supabase does: by rows that are rolled back.
create function pg_temp.real(role text, sub uuid, topic text) returns text language plpgsql as $$
declare
  answer text := '';
  found bigint;
  what text;
begin
  foreach what in array array['broadcast', 'presence'] loop
    begin
      execute 'insert into realtime.messages (id, topic, extension) values (gen_random_uuid(), $1, $2)' using topic, what;
      perform set_config('realtime.topic', topic, true), set_config('request.jwt.claims', json_build_object('sub', sub, 'role', role)::text, true),
        set_config('request.jwt.claim.sub', coalesce(sub::text, ''), true), set_config('role', role, true);
      execute 'select count(id) from realtime.messages where extension = $1' into found using what;
      raise exception 'take it back' using errcode = 'TAPOK';
    exception when sqlstate 'TAPOK' then
      answer := answer || case when found > 0 then 'r' else '-' end;
    when others then
      answer := answer || '-';
    end;
  end loop;
  foreach what in array array['broadcast', 'presence'] loop
    begin
      perform set_config('realtime.topic', topic, true), set_config('request.jwt.claims', json_build_object('sub', sub, 'role', role)::text, true),
        set_config('request.jwt.claim.sub', coalesce(sub::text, ''), true), set_config('role', role, true);
      execute 'insert into realtime.messages (topic, extension) values ($1, $2)' using topic, what;
      raise exception 'take it back' using errcode = 'TAPOK';
    exception when sqlstate 'TAPOK' then
      answer := answer || 'w';
    when others then
      answer := answer || '-';
    end;
  end loop;
  return answer;
end
$$;
create temporary table people (place int, role text, sub uuid);
insert into people values (0, 'anon', null), (1, 'authenticated', tap.ann()), (2, 'authenticated', tap.bob()), (3, 'authenticated', tap.cy()),
  (4, 'service_role', null), (5, 'postgres', null), (6, 'pgherald_test_listener', null), (7, 'pgherald_test_nobody', null);
create temporary table topics (name text);
insert into topics values ('room'), ('other'), ('it''s "\ odd');
create function pg_temp.judged() returns table (role text, sub uuid, topic text, answer text, problem text) language sql as $$
  select p.role, p.sub, t.name,
    translate(concat(case when a.read_broadcast then 'r' else '-' end, case when a.read_presence then 'r' else '-' end,
      case when a.write_broadcast then 'w' else '-' end, case when a.write_presence then 'w' else '-' end), '', ''), a.problem
  from (select row_number() over (order by p.place desc, t.name) - 1 as question, p.place, t.name as topic from people p, topics t) as q
  join pgherald.realtime_authorize(
    (select jsonb_agg(jsonb_build_object('session', p.place, 'topic', t.name) order by p.place desc, t.name) from people p, topics t),
    (select jsonb_agg(jsonb_build_object('role', p.role, 'claims', json_build_object('sub', p.sub, 'role', p.role)::text) order by p.place) from people p)
  ) as a on a.question = q.question
  join people p on p.place = q.place
  join topics t on t.name = q.topic
$$;
-- How judged() and real() differ under these policies, and how many distinct answers there were.
create function pg_temp.differences(policies text) returns text language plpgsql as $$
declare
  result text;
begin
  execute policies;
  select string_agg(format('%s %s %s: says %s, is %s', j.role, j.sub, j.topic, j.answer, pg_temp.real(j.role, j.sub, j.topic)), E'\n')
    into result
  from pg_temp.judged() j
  where j.answer <> pg_temp.real(j.role, j.sub, j.topic);
  select coalesce(result, '') || count(distinct answer) into result from pg_temp.judged();
  raise exception 'take it back' using errcode = 'TAPOK', detail = result;
exception when sqlstate 'TAPOK' then
  return result;
end
$$;

select is(pg_temp.differences(policies), answers::text, what)
from (values
  ('', 2, 'no policy at all: only who bypasses them'),
  ($$ create policy p on realtime.messages for select to authenticated using (true) $$, 3, 'all may read'),
  ($$ create policy p on realtime.messages for insert to authenticated with check (true) $$, 3, 'all may write'),
  ($$ create policy p on realtime.messages using (realtime.topic() = 'room') $$, 3, 'one for everything: USING is the check too'),
  ($$ create policy p on realtime.messages using (realtime.topic() = 'room') with check (false) $$, 3, 'but not beside a WITH CHECK'),
  ($$ create policy p on realtime.messages for select to authenticated using (extension = 'broadcast' and topic = realtime.topic() and topic like 'it''s%') $$, 3, 'by extension and the row''s topic'),
  ($$ create policy p on realtime.messages for insert to authenticated with check (extension in ('presence')) $$, 3, 'presence only'),
  ($$ create policy r on realtime.messages for select to authenticated using (exists (select from chat.members m where m.user_id = auth.uid() and m.topic = (select realtime.topic())));
      create policy w on realtime.messages for insert to authenticated with check (exists (select from chat.members m where m.user_id = auth.uid() and m.topic = (select realtime.topic()) and m.writes and messages.extension = 'broadcast')) $$,
   4, 'by a table of members'),
  ($$ create policy p on realtime.messages for select to authenticated using (true);
      create policy q on realtime.messages as restrictive to authenticated using (realtime.topic() <> 'other') $$, 3, 'a restrictive one takes away'),
  ($$ create policy p on realtime.messages for insert to authenticated with check (true);
      create policy q on realtime.messages as restrictive for insert to authenticated with check (extension = 'broadcast') $$, 3, 'also when writing'),
  ($$ create policy q on realtime.messages as restrictive to authenticated using (true) $$, 2, 'which alone gives nothing'),
  ($$ create policy p on realtime.messages for update using (true) with check (true); create policy d on realtime.messages for delete using (true) $$, 2, 'of UPDATE and DELETE nothing follows'),
  ($$ create policy p on realtime.messages to pgherald_test_listener using (true) $$, 3, 'without the grant a policy is not enough'),
  ($$ create policy p on realtime.messages for select to authenticated using (chat.broken()) $$, 2, 'what fails gives nothing'),
  ($$ create policy p on realtime.messages for select to authenticated using (chat.broken());
      create policy a on realtime.messages for select to authenticated using (auth.uid() = 'aaaaaaaa-0000-4000-8000-000000000001') $$, 2, 'also beside one that would'),
  ($$ create policy p on realtime.messages for insert to authenticated with check (private is false and payload is null and event is null and inserted_at > now() at time zone 'UTC' - interval '1 minute') $$, 3, 'the probe looks as Supabase''s does'),
  ($$ create policy p on realtime.messages for select to authenticated using (current_setting('request.jwt.claims')::jsonb ->> 'role' = 'authenticated' and current_user = 'authenticated') $$, 3, 'claims and role are the client''s'),
  ($$ create policy p on realtime.messages using (true); alter table realtime.messages disable row level security $$, 3, 'without row level security grants decide'),
  ($$ create policy p on realtime.messages using (realtime.topic() is null); revoke select on realtime.messages from authenticated; grant select (id, extension) on realtime.messages to authenticated $$, 2, 'a column''s grant is enough to read')
) as t (policies, answers, what);

-- and the test of the test
select isnt(pg_temp.real('service_role', null, 'room'), pg_temp.real('authenticated', tap.ann(), 'room'), 'a real probe tells them apart');

create policy broken on realtime.messages for select to authenticated using (chat.broken());
create policy writes on realtime.messages for insert to authenticated with check (true);
select results_eq(
  $$ select answer, problem from pg_temp.judged() where role = 'authenticated' and topic = 'room' and sub = tap.ann() $$,
  $$ values ('--ww', '22012 may this role read broadcast: division by zero') $$, 'a policy that fails is a problem, and the others are judged all the same');
select results_eq(
  $$ select distinct answer, problem from pg_temp.judged() where role = 'pgherald_test_nobody' $$,
  $$ values ('----', '42501 role "pgherald_test_nobody" is not there or may not be taken') $$, 'a role that is not there may nothing');
drop policy broken on realtime.messages;
drop policy writes on realtime.messages;

select is((select count(*) from pgherald.realtime_authorize('[]', '[]')), 0::bigint, 'no question, no answer');
select is(current_setting('role'), 'none', 'and the caller is who he was');
select is(current_setting('search_path') like 'tap%', true, 'with his search path');

create function pg_temp.read_only() returns text language plpgsql as $$
declare
  answers text;
begin
  set local transaction_read_only = on;
  select string_agg(distinct answer, ' ' order by answer) into answers from pg_temp.judged();
  raise exception 'take it back' using errcode = 'TAPOK', detail = answers;
exception when sqlstate 'TAPOK' then
  return answers;
end
$$;
select is(pg_temp.read_only(), '---- rrww', 'nothing is written to find out');

-- the platform's installer may ask, although the table is not his
create function pg_temp.as_installer() returns text language plpgsql as $$
declare
  answer text;
begin
  perform set_config('session_authorization', (select relowner::regrole::text from pg_class where oid = 'public.notifications'::regclass), true);
  select string_agg(a.read_broadcast || ' ' || coalesce(a.problem, '-'), ',') into answer
  from pgherald.realtime_authorize('[{"session": 0, "topic": "room"}]', '[{"role": "authenticated", "claims": "{\"role\": \"authenticated\"}"}]') as a;
  perform set_config('session_authorization', 'postgres', true);
  return answer;
end
$$;
create policy p on realtime.messages for select to authenticated using (realtime.topic() = 'room');
select is(pg_temp.as_installer(), 'true -', 'the daemon''s role need not own the table')
from platform where session_user = 'postgres';
drop policy p on realtime.messages;

-- ---------------------------------------------------------------- send()

create function pg_temp.sent_messages() returns table (topic text, event text, private boolean, extension text, payload jsonb) language sql as $$
  delete from realtime.messages returning topic, event, private, extension, payload - 'id' $$;
select lives_ok($$ select realtime.send('{"a": 1}', 'e', 'room') $$, 'a message');
select results_eq('select * from pg_temp.sent_messages()', $$ values ('room', 'e', true, 'broadcast', '{"a": 1}'::jsonb) $$, 'is private unless said otherwise');
select lives_ok($$ select realtime.send('{}', 'e', 'room', false) $$, 'a public one');
select results_eq('select private from pg_temp.sent_messages()', 'values (false)', 'is public');

create temporary table ours as select true where not (select is_supabase from platform);
select realtime.send('{}', 'e', 'room') from ours;
select is((select payload ->> 'id' = id::text from realtime.messages), true, 'its id is in the payload') from ours;
select is(realtime.topic(), 'room', 'the topic is known to policies') from ours;
delete from realtime.messages;
select realtime.send('{"id": 7}', 'e', 'room') from ours;
select is((select payload ->> 'id' from realtime.messages), '7', 'unless there is one already') from ours;
delete from realtime.messages;
do $$ begin if (select not is_supabase from platform) then perform realtime.send_binary('bytes', 'e', 'room'); end if; end $$;
select is((select convert_from(binary_payload, 'UTF8') from realtime.messages), 'bytes', 'bytes too') from ours;
delete from realtime.messages;
set local client_min_messages = error;
select lives_ok(statement, 'a warning and no error: ' || statement)
from ours, unnest(array[$$ select realtime.send('[1]', 'e', 'room') $$, $$ select realtime.send('{}', 'e', null) $$]) as statement;
select is_empty('select * from pg_temp.sent_messages()', 'and nothing is sent');
select is(tap.attempt('authenticated', tap.ann(), $$ select realtime.send('{}', 'e', 'room') $$), '1', 'who may not send is warned, not stopped') from ours;
create policy p on realtime.messages for insert to authenticated with check (realtime.topic() = 'room' and extension = 'broadcast');
select is(tap.call('authenticated', tap.ann(), $$ select realtime.send('{}', 'e', topic) from (values ('room'), ('other')) as t (topic) $$), '', 'a policy decides') from ours;
select is((select count(*) from pg_temp.sent_messages()), 1::bigint, 'about each') from ours;
drop policy p on realtime.messages;
set local client_min_messages = warning;
select count(realtime.send('{}', 'e', 'room')) from ours, generate_series(1, 3);
select is((select count(distinct inserted_at) from realtime.messages), 3::bigint, 'the messages of one transaction have an order') from ours;
delete from realtime.messages;
set local timezone = 'Asia/Tokyo';
select realtime.send('{}', 'e', 'room') from ours;
select is((select abs(extract(epoch from inserted_at - clock_timestamp() at time zone 'UTC')) < 3000 from realtime.messages), true, 'and times are UTC everywhere') from ours;
delete from realtime.messages;
reset timezone;

-- ---------------------------------------------------------------- broadcast_changes()

create table chat.notes (id int primary key, body text);
create function chat.tell() returns trigger language plpgsql as $$
begin
  perform realtime.broadcast_changes('notes:' || coalesce(new.id, old.id), tg_op, tg_op, tg_table_name, tg_table_schema, new, old, tg_level);
  return null;
end
$$;
create trigger tell after insert or update or delete on chat.notes for each row execute function chat.tell();
create function pg_temp.told(statement text) returns setof text language plpgsql as $$
begin
  execute statement;
  return query select concat_ws(' ', s.topic, s.event, s.private, s.payload) from pg_temp.sent_messages() as s;
end
$$;
select results_eq(format('select pg_temp.told(%L)', statement), format('values (%L)', told), statement)
from ours, (values
  ('insert into chat.notes values (1, ''a'')', 'notes:1 INSERT t {"table": "notes", "record": {"id": 1, "body": "a"}, "schema": "chat", "operation": "INSERT", "old_record": null}'),
  ('update chat.notes set body = ''b''', 'notes:1 UPDATE t {"table": "notes", "record": {"id": 1, "body": "b"}, "schema": "chat", "operation": "UPDATE", "old_record": {"id": 1, "body": "a"}}'),
  ('delete from chat.notes', 'notes:1 DELETE t {"table": "notes", "record": null, "schema": "chat", "operation": "DELETE", "old_record": {"id": 1, "body": "b"}}')
) as t (statement, told);
select throws_ok($$ select realtime.broadcast_changes('t', 'e', 'TRUNCATE', 'notes', 'chat', null::chat.notes, null::chat.notes) $$,
  'P0001', 'Failed to process the row: Unexpected operation type: TRUNCATE', 'not for TRUNCATE') from ours;
select throws_ok($$ select realtime.broadcast_changes('t', 'e', 'INSERT', 'notes', 'chat', null::chat.notes, null::chat.notes, 'STATEMENT') $$,
  'P0001', 'Failed to process the row: function can only be triggered for each row, not for each statement', 'nor for statements') from ours;

-- ---------------------------------------------------------------- maintenance

insert into realtime.messages (topic, extension, inserted_at)
select 'old', 'broadcast', now() at time zone 'UTC' - make_interval(days => d) from ours, generate_series(0, 9) as d;
select is(pgherald.cleanup_realtime_messages(p_limit => 4), 4::bigint, 'at most so many') from ours;
select is(pgherald.cleanup_realtime_messages(), 2::bigint, 'what is older than three days') from ours;
select is((select count(*) from realtime.messages), 4::bigint, 'and nothing else') from ours;
select results_eq($$ select figures ->> 'done', message, is_finished from pgherald.job_realtime_messages('{"keep": "2 days"}', 1, null) $$,
  $$ values ('1', '1 old messages deleted', false) $$, 'the job does it in steps') from ours;
select results_eq($$ select message, is_finished from pgherald.job_realtime_messages('{"keep": null}', 1, null) $$,
  $$ values ('messages are kept for ever', true) $$, 'or not at all');
select is(pgherald.cleanup_realtime_messages('0'), 0::bigint, 'the platform''s table is not ours to clean') from platform where is_supabase;
select throws_like($$ select pgherald.cleanup_realtime_messages(null) $$, '%p_keep must be an interval%', 'for ever is not meant by null');

-- ---------------------------------------------------------------- Supabase's publication

create table chat.parted (id int, at date, v text, w text, primary key (id, at)) partition by range (at);
create table chat.parted_1 partition of chat.parted for values from ('2026-01-01') to ('2027-01-01');
-- another order of columns, as a partition that was attached has it
create table chat.parted_2 (w text, v text, at date not null, id int not null);
alter table chat.parted attach partition chat.parted_2 for values from ('2027-01-01') to ('2028-01-01');
create function pg_temp.sent() returns setof text language sql as $$
  select format('%s %s %s', t, array_to_string(s.operations, ','), coalesce(s.withheld::text, '-'))
  from unnest(array['members', 'notes', 'parted', 'parted_1', 'parted_2']) as t, pgherald.realtime_sending('chat', t) as s
  where s.sent $$;
create function pg_temp.unsent() returns setof text language sql as $$
  select format('%s %s %s', u.place, u.published, u.reason)
  from pgherald.realtime_unsent('[["chat", "notes"], ["chat", "*"], ["*", "members"], ["*", "*"], ["attic", "x"], ["chat", "nothing"]]', '{public,chat}') as u $$;
create function pg_temp.all_sent(kinds text) returns setof text language sql as $$
  select format('%s %s -', t, kinds) from unnest(array['members', 'notes', 'parted', 'parted_1', 'parted_2']) as t $$;

select bag_eq('select * from pg_temp.sent()', $$ select * from pg_temp.all_sent('INSERT,UPDATE,DELETE') $$, 'without a publication everything is sent');
select bag_eq('select * from pg_temp.unsent()', $$ values ('4 f schema attic is not followed: name it in the setting schemas'), ('5 f there is no table chat.nothing') $$,
  'but what is not there');
create publication supabase_realtime with (publish = 'insert,delete', publish_via_partition_root);
select bag_eq('select * from pg_temp.sent()', 'select null::text where false', 'an empty one sends nothing');
select bag_eq('select * from pg_temp.unsent()', $$ values
    ('0 t alter publication supabase_realtime add table chat.notes'), ('1 t no table of chat.* is in publication supabase_realtime'),
    ('2 t no table of *.members is in publication supabase_realtime'), ('3 t no table of *.* is in publication supabase_realtime'),
    ('4 t schema attic is not followed: name it in the setting schemas'), ('5 t there is no table chat.nothing') $$,
  'and says what would');
create temporary table prints as select (pgherald.realtime_publication('chat.members'::regclass)).rows;
alter publication supabase_realtime add table chat.members;
select isnt((select rows from prints), (pgherald.realtime_publication('chat.members'::regclass)).rows, 'a change has another print');
alter publication supabase_realtime add table chat.notes (id), chat.parted (id, at, w);
select bag_eq('select * from pg_temp.sent()', $$ values ('members INSERT,DELETE -'), ('notes INSERT,DELETE ["body"]'), ('parted INSERT,DELETE ["v"]'),
    ('parted_1 INSERT,DELETE ["v"]'), ('parted_2 INSERT,DELETE ["v"]') $$, 'tables with their columns, and partitions of a table, whatever their order');
select bag_eq('select * from pg_temp.unsent()', $$ values ('4 t schema attic is not followed: name it in the setting schemas'), ('5 t there is no table chat.nothing') $$, 'and is heard');
alter publication supabase_realtime set table chat.parted_1;
select bag_eq('select * from pg_temp.sent()', $$ values ('parted_1 INSERT,DELETE -') $$, 'a partition alone');
alter publication supabase_realtime set tables in schema chat;
select bag_eq('select * from pg_temp.sent()', $$ select * from pg_temp.all_sent('INSERT,DELETE') $$, 'a schema');
drop publication supabase_realtime;
create publication supabase_realtime for all tables;
select bag_eq('select * from pg_temp.sent()', $$ select * from pg_temp.all_sent('INSERT,UPDATE,DELETE') $$, 'all tables');
drop publication supabase_realtime;

select * from finish();
rollback;
