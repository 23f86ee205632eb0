-- Retention by table, legal hold, and the erasure of one person.
begin;
select no_plan();
select tap.people();
set local timezone = 'UTC';

create function pg_temp.run(job text) returns table (step bigint, message text)
language plpgsql as $$
declare
  id uuid;
  finished boolean := false;
begin
  update public.job_logs set created_at = created_at - interval '1 us' where queue = 'pgherald' and job_type = job and finished_at is not null;
  id := pgherald.enqueue_run(job);
  perform pgherald.begin_run('tap', job);
  step := 0;
  while not finished loop
    step := step + 1;
    select s.is_finished, s.message into finished, message from pgherald.run_job_step(id) s;
    return next;
  end loop;
  perform pgherald.end_run(job);
end
$$;
create function pg_temp.figures() returns jsonb language sql as $$
  select result from public.job_logs where queue = 'pgherald' and job_type = 'audit_retention' order by created_at desc limit 1
$$;
create function pg_temp.left_over() returns text language sql as $$
  select string_agg(resource_type || ' ' || to_char(occurred_at, 'MM') || coalesce(' ' || resource_id, ''), ', ' order by occurred_at, resource_type, resource_id)
  from public.audit_logs where action = 'insert' and occurred_at < '2021-01-01Z'
$$;

create function pg_temp.month(n int) returns void language plpgsql as $$
begin
  execute format('create table pgherald_audit.audit_logs_2020_%s partition of public.audit_logs for values from (%L) to (%L)',
    to_char(n, 'FM00'), make_date(2020, n, 1)::timestamptz, (make_date(2020, n, 1) + interval '1 month')::timestamptz);
end
$$;
select pg_temp.month(n) from generate_series(1, 3) n;
insert into public.audit_logs (occurred_at, action, resource_type, resource_id, new_values)
select make_date(2020, m, 15)::timestamptz, 'insert', t, '1', '{"user_id": null}'
from generate_series(1, 3) as m, unnest(array['public.noisy', 'public.kept', 'app.other']) as t;
-- what a term of "n months ago" needs to be, whatever today is
create function pg_temp.since(at timestamptz) returns text language sql as $$ select (now() - at)::text $$;

-- ---------------------------------------------------------------- terms

insert into pgherald.audit_policies (table_name, keep) values ('*', '9 years'), ('public.*', '8 years'), ('public.noisy', '7 years'), ('public.default', null);
select is(pgherald.audit_term('public.noisy', '1 day'), '7 years'::interval, 'a table''s own term');
select is(pgherald.audit_term('public.other', '1 day'), '8 years', 'its schema''s');
select is(pgherald.audit_term('app.other', '1 day'), '9 years', 'that of all');
select is(pgherald.audit_term('public.default', '1 day'), '1 day', 'a policy without a term leaves it to the job');
delete from pgherald.audit_policies;
select is(pgherald.audit_term('public.noisy', null), null, 'no policy, no term: for ever');

-- ---------------------------------------------------------------- one table's entries go before the others'

insert into pgherald.audit_policies (table_name, keep) values ('public.noisy', pg_temp.since('2020-03-01Z')::interval);
create temporary table before as select * from public.audit_logs;
select results_eq($$ select step, message from pg_temp.run('audit_retention') $$,
  $$ values (1::bigint, '1 of 2 old partitions dropped'), (2, '2 of 2 old partitions dropped') $$, 'two months have some that go');
select is(pg_temp.left_over(), 'app.other 01 1, public.kept 01 1, app.other 02 1, public.kept 02 1, app.other 03 1, public.kept 03 1, public.noisy 03 1',
  'one table''s are gone, and nothing else');
select set_eq($$ select * from public.audit_logs where occurred_at < '2021-01-01Z' $$,
  $$ select * from before where occurred_at < '2021-01-01Z' and (resource_type <> 'public.noisy' or occurred_at > '2020-03-01Z') $$, 'what stays is as it was');
select is(pg_temp.figures() -> 'rewritten', '{"audit_logs_2020_01": 1, "audit_logs_2020_02": 1}', 'the run says how many');
select is((select count(*) from pgherald.expired_audit_partitions(null)), 0::bigint, 'once is enough');
select throws_ok('delete from pgherald_audit.audit_logs_2020_01', '42501', null, 'what was written anew is append only');
select throws_ok('truncate pgherald_audit.audit_logs_2020_01', '42501', null, 'and cannot be emptied');
select is_empty($$ select r from unnest(array['anon', 'authenticated', 'service_role']) as r where has_table_privilege(r, 'pgherald_audit.audit_logs_2020_01', 'select, insert, update, delete') $$, 'nor reached by its name');
select is((select count(*) from pg_index where indrelid = 'pgherald_audit.audit_logs_2020_01'::regclass),
  (select count(*) from pg_index where indrelid = 'public.audit_logs'::regclass), 'it has its indexes');
select is((select count(*) from pg_constraint where conrelid = 'pgherald_audit.audit_logs_2020_01'::regclass and contype = 'c'), 0::bigint, 'and no more');

-- ---------------------------------------------------------------- hold

insert into pgherald.audit_holds (reason, table_name, key_pattern) values ('case 7', 'public.kept', '1');
select results_eq($$ select action, new_values ->> 'reason', context ->> 'role' = session_user from public.audit_logs where resource_type = 'pgherald.audit_holds' order by id desc limit 1 $$,
  $$ values ('hold_insert', 'case 7', true) $$, 'a hold is in the trail');
update pgherald.jobs set settings = jsonb_build_object('keep', pg_temp.since('2020-02-01Z')) where name = 'audit_retention';
select * from pg_temp.run('audit_retention');
select is(pg_temp.left_over(), 'public.kept 01 1, app.other 02 1, public.kept 02 1, app.other 03 1, public.kept 03 1, public.noisy 03 1', 'a month that may go leaves what is held');
select is((select count(*) from pgherald.expired_audit_partitions(pg_temp.since('2020-02-01Z')::interval)), 0::bigint, 'and rests then');
update pgherald.audit_holds set released_at = now();
select is((select whole from pgherald.expired_audit_partitions(pg_temp.since('2020-02-01Z')::interval)), true, 'the hold lifted it may go');
select * from pg_temp.run('audit_retention');
select is(to_regclass('pgherald_audit.audit_logs_2020_01'), null, 'and goes whole');

insert into pgherald.audit_holds (reason, user_id, since, until) values ('case 8', tap.ann(), '2020-05-01Z', '2020-06-01Z');
insert into pgherald.audit_holds (reason, table_name) values ('case 9', 'app.*');
select is(pgherald.audit_is_held(jsonb_populate_record(null::public.audit_logs, entry)), wanted, says)
from (values
  ('what a person did', jsonb_build_object('occurred_at', '2020-05-05Z', 'resource_type', 'public.t', 'user_id', tap.ann()), true),
  ('what was done to his row', jsonb_build_object('occurred_at', '2020-05-05Z', 'resource_type', 'public.t', 'old_values', jsonb_build_object('user_id', tap.ann())), true),
  ('or to himself', jsonb_build_object('occurred_at', '2020-05-05Z', 'resource_type', 'public.users', 'resource_id', tap.ann()), true),
  ('not later', jsonb_build_object('occurred_at', '2020-06-01Z', 'resource_type', 'public.t', 'user_id', tap.ann()), false),
  ('not another''s', jsonb_build_object('occurred_at', '2020-05-05Z', 'resource_type', 'public.t', 'user_id', tap.bob()), false),
  ('a schema''s', '{"occurred_at": "2020-06-01Z", "resource_type": "app.t"}', true),
  ('not another one''s', '{"occurred_at": "2020-06-01Z", "resource_type": "apps.t"}', false)) as t (says, entry, wanted);
delete from pgherald.audit_holds where reason = 'case 9';

-- ---------------------------------------------------------------- detached, not dropped

update pgherald.jobs set settings = jsonb_build_object('keep', pg_temp.since('2020-03-01Z'), 'then', 'detach') where name = 'audit_retention';
select results_eq($$ select message from pg_temp.run('audit_retention') $$, $$ values ('1 of 1 old partitions detached') $$, 'detach');
select is((select count(*) from pgherald_audit.audit_logs_2020_02), 2::bigint, 'the month is a table of its own');
select throws_ok('delete from pgherald_audit.audit_logs_2020_02', '42501', null, 'that is append only too');
select throws_ok('truncate pgherald_audit.audit_logs_2020_02', '42501', null, 'and cannot be emptied');
select is(pg_temp.left_over(), 'app.other 03 1, public.kept 03 1, public.noisy 03 1', 'and in the trail no more');
update pgherald.jobs set settings = '{"keep": null, "then": "burn"}' where name = 'audit_retention';
select throws_like($$ select * from pg_temp.run('audit_retention') $$, 'the setting "then" is "burn"', 'nothing else');

-- ---------------------------------------------------------------- months without entries, and the default partition

update pgherald.jobs set settings = '{"keep": null}' where name = 'audit_retention';
alter table pgherald_audit.audit_logs_2020_02 rename to audit_logs_2020_02_left;
select pg_temp.month(n) from generate_series(1, 2) n;
select is((select count(*) from pgherald.expired_audit_partitions(null)), 0::bigint, 'a month without entries stays, if the job has no term');
select is((select count(*) from pgherald.expired_audit_partitions(pg_temp.since('2020-03-01Z')::interval) where whole), 2::bigint, 'and leaves with the others, if it has');
drop table pgherald_audit.audit_logs_2020_01, pgherald_audit.audit_logs_2020_02;

insert into public.audit_logs (occurred_at, action, resource_type, resource_id)
select at, 'insert', t, 'default' from unnest(array['2019-02-03Z', '2020-02-28Z', '2020-04-01Z', '2099-01-01Z']::timestamptz[]) at, unnest(array['public.noisy', 'public.kept']) t;
create temporary table defaults as select * from pgherald_audit.audit_logs_default;
select is((select count(*) from defaults), 8::bigint, 'of these no month has a partition');
-- noisy's term is that of before: 2020-03-01
select results_eq($$ select message from pg_temp.run('audit_retention') $$, $$ values ('1 of 1 old partitions dropped') $$, 'the default partition is one of those to be cleared');
select is(pg_temp.figures() -> 'rewritten', '{"audit_logs_default": 2}', 'of one table''s old entries');
select set_eq('select * from pgherald_audit.audit_logs_default', $$ select * from defaults where resource_type <> 'public.noisy' or occurred_at > '2020-03-01Z' $$, 'the others stay');
select is((select count(*) from pgherald.expired_audit_partitions(null)), 0::bigint, 'once is enough here too');
insert into pgherald.audit_holds (reason, key_pattern, until) values ('case 10', 'default', '2019-03-01Z');
update pgherald.jobs set settings = jsonb_build_object('keep', pg_temp.since('2020-03-01Z'), 'then', 'detach') where name = 'audit_retention';
select results_eq($$ select message from pg_temp.run('audit_retention') $$, $$ values ('1 of 1 old partitions detached') $$, 'the job''s term holds there as well');
select set_eq('select occurred_at, resource_type from pgherald_audit.audit_logs_default where occurred_at < now()',
  $$ values ('2019-02-03Z'::timestamptz, 'public.kept'), ('2020-04-01Z', 'public.noisy'), ('2020-04-01Z', 'public.kept') $$, 'and so does a hold');
select is((select count(*) from pgherald.expired_audit_partitions(pg_temp.since('2020-03-01Z')::interval)), 0::bigint, 'and with what is held it rests');
select is((select relispartition from pg_class where oid = 'pgherald_audit.audit_logs_default'::regclass), true, 'it is the default partition as before');
select throws_ok('delete from pgherald_audit.audit_logs_default', '42501', null, 'append only');
select throws_ok('truncate pgherald_audit.audit_logs_default', '42501', null, 'and cannot be emptied');
select is((select count(*) from pgherald.detached_audit_partitions()), 2::bigint, 'what left is there, the month and the default''s');
update pgherald.audit_holds set released_at = now() where reason = 'case 10';

-- ---------------------------------------------------------------- erasure

insert into public.audit_logs (occurred_at, user_id, action, resource_type, resource_id, old_values, new_values, changed_fields, ip_address, user_agent, session_id, context)
values
  ('2020-05-05Z', tap.ann(), 'update', 'public.users', tap.ann()::text, '{"full_name": "Ann"}', '{"full_name": "Anna"}', '{full_name}', '10.0.0.1', 'curl', 's', jsonb_build_object('claims', tap.ann())),
  (now(), tap.ann(), 'update', 'public.users', tap.ann()::text, '{"full_name": "Ann"}', '{"full_name": "Anna"}', '{full_name}', '10.0.0.1', 'curl', 's', jsonb_build_object('claims', tap.ann())),
  (now(), tap.bob(), 'delete', 'public.memories', 'm-1', jsonb_build_object('user_id', tap.ann(), 'title', 'secret'), null, null, '10.0.0.2', 'bob', 't', '{"who": "bob"}'),
  (now(), tap.ann(), 'insert', 'public.memories', 'm-2', null, jsonb_build_object('user_id', tap.bob(), 'title', 'bob''s'), null, '10.0.0.1', 'curl', 's', null),
  (now(), tap.bob(), 'insert', 'public.memories', 'm-3', null, jsonb_build_object('user_id', tap.bob(), 'note', 'met ' || tap.ann()), null, null, null, null, null);
select pg_temp.month(7);
insert into public.audit_logs (occurred_at, user_id, action, resource_type, resource_id) values ('2020-07-05Z', tap.ann(), 'update', 'public.users', tap.ann()::text);
select pgherald.leave_audit_partition('pgherald_audit.audit_logs_2020_07', 'audit_logs_2020_07');
create temporary table untouched as select * from public.audit_logs where resource_id is distinct from tap.ann()::text and resource_id is distinct from 'm-1' and resource_id is distinct from 'm-2';

select throws_ok($$ select pgherald.erase_subject(tap.ann(), '') $$, '22004', null, 'a reason is needed');
select is(tap.attempt(r, null, $$ select pgherald.erase_subject('aaaaaaaa-0000-4000-8000-000000000001', 'x') $$), '42501', r || ' cannot erase')
from unnest(array['anon', 'authenticated', 'service_role']) as r;
select is(pgherald.erase_subject(tap.ann(), 'art. 17, ticket 12'), '{"held": 1, "mentioned": 2, "rows_erased": 3, "actors_erased": 3}',
  'two rows are his, two he wrote, and one that has left the trail; one is held, one only names him, and so does the hold');
select results_eq(
  $$ select action, resource_type, resource_id, user_id, old_values, new_values, changed_fields, ip_address, user_agent, session_id, context #>> '{erased,reason}', context ? 'claims'
     from public.audit_logs where context ? 'erased' and resource_type = 'public.users' $$,
  $$ values ('update', 'public.users', pgherald.audit_hash(tap.ann()::text), null::uuid, '{}'::jsonb, '{}'::jsonb, '{full_name}'::text[], null::inet, null, null, 'art. 17, ticket 12', false) $$,
  'that something happened is left, and nothing of the person');
select results_eq(
  $$ select action, user_id, old_values, ip_address, user_agent, context ->> 'who' from public.audit_logs where resource_id = pgherald.audit_hash('m-1') $$,
  $$ values ('delete', tap.bob(), '{}'::jsonb, '10.0.0.2'::inet, 'bob', 'bob') $$, 'who else did something to his row stays');
select results_eq(
  $$ select user_id, new_values ->> 'title', ip_address, context ? 'erased' from public.audit_logs where resource_id = 'm-2' $$,
  $$ values (null::uuid, 'bob''s', null::inet, true) $$, 'what he did to another''s row stays, without him');
select is((select count(*) from public.audit_logs where resource_id = tap.ann()::text and old_values <> '{}'), 1::bigint, 'what is held is as it was');
select is_empty('select * from untouched except select * from public.audit_logs', 'nothing else was touched');
select is((select user_id is null and resource_id = pgherald.audit_hash(tap.ann()::text) from pgherald_audit.audit_logs_2020_07), true, 'also where it has left the trail and waits');
select results_eq($$ select resource_id, new_values -> 'rows_erased', context ->> 'reason' from public.audit_logs where action = 'erase' $$,
  $$ values (pgherald.audit_hash(tap.ann()::text), '3'::jsonb, 'art. 17, ticket 12') $$, 'the erasure is an entry, which does not name him');
select throws_ok('update public.audit_logs set action = ''x''', '42501', null, 'and the door is shut again');

update pgherald.audit_holds set released_at = now();
select is(pgherald.erase_subject(tap.ann(), 'again') - 'mentioned', '{"held": 0, "rows_erased": 1, "actors_erased": 1}', 'the hold lifted the rest goes');
select is(pgherald.erase_subject(tap.ann(), 'again') - 'mentioned', '{"held": 0, "rows_erased": 0, "actors_erased": 0}', 'and then there is nothing');

-- ---------------------------------------------------------------- who can change the trail

-- The month of today, the default partition, a month written anew, one that has left; and everything on it
-- that can be granted, with the setting that opens the owner's door.
select pg_temp.month(8);
insert into public.audit_logs (occurred_at, action, resource_type)
values ('2020-08-02Z', 'insert', 'public.fleeting'), ('2020-08-02Z', 'insert', 'public.kept'), ('2019-01-01Z', 'insert', 'public.kept'), (now(), 'insert', 'public.kept');
insert into pgherald.audit_policies (table_name, keep) values ('public.fleeting', pg_temp.since('2020-09-01Z')::interval);
update pgherald.jobs set settings = '{"keep": null}' where name = 'audit_retention';
select is(message, '1 of 1 old partitions dropped', 'a month is written anew') from pg_temp.run('audit_retention');
create temporary table trail as
select unnest(array['public.audit_logs', 'pgherald_audit.audit_logs_default', 'pgherald_audit.audit_logs_2020_08', 'pgherald_audit.audit_logs_2020_07',
  'pgherald_audit.audit_logs_' || to_char(now() at time zone 'UTC', 'YYYY_MM')]) as name;
create temporary table change as
select format(s, name) as statement, s !~ '^insert' as is_grave, s ~ '^(update|delete|truncate)' as is_content
from trail, unnest(array['update %s set action = ''z''', 'delete from %s', 'truncate %s', 'insert into %s (action, resource_type) values (''a'', ''b'')',
  'alter table %s disable trigger refuse_row', 'alter table %s set unlogged', 'drop table %s', 'drop trigger refuse_row on %s']) s;
insert into change values ('create table pgherald_audit.mine ()', false, false), ('set session_replication_role = replica', true, false);
select is(tap.attempt(r, null, c.statement), '42501', r || ': ' || c.statement)
from unnest(array['anon', 'authenticated', 'service_role']) r, change c;

grant usage, create on schema pgherald_audit to service_role;
grant all on public.audit_logs to service_role;
grant all on all tables in schema pgherald_audit to service_role;
set local pgherald.audit_maintenance = 'on';
select is(tap.attempt('service_role', null, c.statement), '42501', 'with every grant and the door open, service_role: ' || c.statement)
from change c where c.is_grave;
set local pgherald.audit_maintenance = '';
revoke all on schema pgherald_audit from service_role;
revoke all on all tables in schema pgherald_audit from service_role;
revoke all on public.audit_logs from service_role;
grant select on public.audit_logs to service_role;

-- the owner, who is the daemon too
select is(tap.attempt((select relowner::regrole::text from pg_class where oid = 'public.audit_logs'::regclass), null, c.statement), '42501',
  'the owner, by accident: ' || c.statement)
from change c where c.is_content;
set local pgherald.audit_maintenance = 'on';
select lives_ok('update public.audit_logs set action = ''z'' where resource_type = ''public.fleeting''', 'and on purpose: the door of erasure');

set local pgherald.audit_maintenance = '';

-- ---------------------------------------------------------------- what the daemon says of itself

create temporary table said as select max(id) as upto from public.audit_logs;
create function pg_temp.news() returns table (action text, facts jsonb) language sql as $$
  select action, new_values from public.audit_logs, said where id > upto and action like 'pgherald.%' order by id
$$;
insert into pgherald.checkpoints (slot_name, commit_lsn, end_lsn, commit_time, confirmable_lsn) values ('j', '0/10', '0/20', now(), '0/9000');
select pgherald.note_start('j', '00000000-0000-4000-8000-000000000001', '{"pid": 1}', '{"audit": "on"}', '{"a": "1", "b": "2"}') from generate_series(1, 2);
select results_eq('select * from pg_temp.news()', $$ values ('pgherald.start', '{"audit": "on"}'::jsonb) $$, 'a run starts once, however often it says so');
select pgherald.note_reload('j', '00000000-0000-4000-8000-000000000001', n, '{"changed": {"a": ["1", "3"], "secret": "changed"}}') from unnest(array[1, 1, 2, 1]) n;
select is((select count(*) from pg_temp.news()), 3::bigint, 'and reads its settings twice');
select is((select settings from pgherald.recorders where slot_name = 'j'), '{"a": "3", "b": "2"}', 'which are known then');
select pgherald.note_stop('j', run, 'SIGTERM', '0/30')
from unnest(array['00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001']::uuid[]) run;
select is((select count(*) from pg_temp.news()), 4::bigint, 'it stops once, and no other in its place');
select is((select confirmable_lsn from pgherald.checkpoints where slot_name = 'j'), '0/30', 'having confirmed so much');
select pgherald.note_start('j', '00000000-0000-4000-8000-000000000003', '{"pid": 3}', '{"audit": "on"}', '{"a": "3", "c": "4"}');
select is((select facts - 'last_start' - 'last_stop' from pg_temp.news() offset 4), '{"audit": "on", "changed": {"b": ["2", null], "c": [null, "4"]}}', 'the next one tells what is different');
select pgherald.note_start('j', '00000000-0000-4000-8000-000000000004', '{"pid": 4}', '{}', '{"a": "3", "c": "4"}');
select is((select facts - 'last_start' - 'last_stored' from pg_temp.news() offset 5), '{"changed": {}, "last_stop": "not recorded", "last_who": {"pid": 3}}', 'and the one after it that there was no stop');

select pgherald.note_start('j', '00000000-0000-4000-8000-000000000003', '{"pid": 3}', '{}', '{"a": "3", "c": "4"}') from generate_series(1, 2);
select is((select facts -> 'last_who' from pg_temp.news() offset 6), '{"pid": 4}', 'one that had lost the slot to another and gets it back begins anew');

select pgherald.attach('k') from generate_series(1, 2);
select results_eq('select * from pg_temp.news() offset 7', $$ values ('pgherald.gap', '{"reason": "slot missing"}'::jsonb) $$, 'a slot that is missing, once');
update pgherald.checkpoints set end_lsn = 'FFFF/0', commit_lsn = 'FFFF/0', trouble = null where slot_name = 'k';
select results_eq($$ select commit_lsn, end_lsn from pgherald.attach('k') $$, $$ values ('FFFF/0'::pg_lsn, 'FFFF/0'::pg_lsn) $$, 'without a slot nothing is forgotten');
select throws_ok($$ select pgherald.allow_confirm('nobody', '0/1') $$, 'P0002', null, 'nothing is allowed to a slot without a checkpoint');

-- ---------------------------------------------------------------- images take less room

select is((select string_agg(distinct format('%s %s', a.attname, a.attcompression), ', ') from pg_partition_tree('public.audit_logs') t
  join pg_attribute a on a.attrelid = t.relid and a.attname in ('old_values', 'new_values', 'context')), 'context l, new_values l, old_values l',
  'images are compressed with lz4, in months that were made, made ahead and written anew')
where (select setting from pg_config where name = 'CONFIGURE') like '%--with-lz4%';

-- ---------------------------------------------------------------- a file first

select is_empty($$ select * from pgherald.export_page(null, null, null) $$, 'nothing waits to be exported');
select pg_temp.month(9);
insert into public.audit_logs (id, occurred_at, action, resource_type, new_values)
select 100 + n, '2020-09-02Z', 'insert', 'public.t', jsonb_build_object('big', (select string_agg(gen_random_uuid()::text, '') from generate_series(1, 10000 + n))) from generate_series(1, 9) n;
update pgherald.audit_holds set released_at = now();
delete from pgherald.audit_policies;
update pgherald.jobs set settings = jsonb_build_object('keep', pg_temp.since('2020-10-01Z'), 'then', 'export') where name = 'audit_retention';
create temporary table step (is_finished boolean);
do $$
begin
  for n in 1 .. 8 loop
    insert into step select s.is_finished from pgherald.jobs j, pgherald.job_audit_retention(j.settings, 1, null) s where j.name = 'audit_retention';
  end loop;
end $$;
select is((select bool_or(is_finished) from step), false, 'a run does not end while something waits');
select ok((select count(*) > 2 and bool_and(exported_at is null) from pgherald.audit_exports), 'all that left waits');
delete from pgherald.audit_exports where table_name <> 'audit_logs_2020_09';
with recursive page as (
  select 1 as n, p.* from pgherald.export_page(null, null, null) p
  union all
  select n + 1, p.* from page, pgherald.export_page(page.table_name, page.last_id, page.last_time) p where page.entries > 0)
select is(array_agg(entries order by n), '{3,3,3,0}', 'pages of about a megabyte, until there is no more') from page;
select is((select count(*) from pgherald.export_page(null, null, null) p, regexp_split_to_table(rtrim(p.lines, e'\n'), e'\n') l where l::json ->> 'resource_type' = 'public.t'), 3::bigint, 'a line each');
select throws_ok($$ select pgherald.finish_export('audit_logs_2020_09', 'h', '/f', 8) $$, '22000', null, 'a file with less than the table has');
select isnt(to_regclass('pgherald_audit.audit_logs_2020_09'), null, 'drops nothing');
select throws_ok($$ select pgherald.finish_export('audit_logs_2020_07', 'h', '/f', 1) $$, 'P0002', null, 'nor what does not wait');
insert into pgherald.audit_holds (reason, table_name, key_pattern) values ('case 11', 'public.t', 'nothing'), ('case 12', 'public.t', null);
select throws_ok($$ select pgherald.finish_export('audit_logs_2020_09', 'h', '/f', 9) $$, '55006', null, 'nor what a hold keeps');
update pgherald.audit_holds set released_at = now() where reason = 'case 12';
select pgherald.finish_export('audit_logs_2020_09', 'h', '/f', 9);
select is(to_regclass('pgherald_audit.audit_logs_2020_09'), null, 'what is in a file is dropped');
select results_eq($$ select file, entries from pgherald.audit_exports $$, $$ values ('h:/f', 9::bigint) $$, 'and where it is, is known');
select results_eq($$ select new_values from public.audit_logs where action = 'pgherald.export' and resource_id = 'audit_logs_2020_09' $$, $$ values ('{"host": "h", "file": "/f", "entries": 9}'::jsonb) $$, 'and an entry');

select * from finish();
rollback;
