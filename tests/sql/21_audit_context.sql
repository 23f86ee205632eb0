-- Who did it: the triggers, the mark of a transaction, the two calls, the signature. That the message
-- arrives, and what becomes of it: tests/e2e/audit_context.test.mjs.

-- Before anything writes: a transaction that only reads.
begin read only;
\o /dev/null
select set_config('request.method', 'GET', true), set_config('request.path', '/notes', true);
select pgherald.pre_request();
select pgherald.set_context(context => '{"a": 1}');
\o
select pg_current_xact_id_if_assigned() is null as quiet \gset
rollback;

begin;
select no_plan();
select ok(:'quiet', 'a request and a worker that only read take no transaction id, and write nothing');
select tap.people();

create schema work;
create table work.plain (id int);
create table work.parts (id int) partition by range (id);
create table work.part_1 partition of work.parts for values from (1) to (10);
create unlogged table work.gone (id int);
create view work.seen as select * from work.plain;
grant usage on schema work to authenticated, service_role;
grant all on all tables in schema work to authenticated, service_role;

-- Whether this transaction has said who it is, and silence again.
create function pg_temp.said() returns boolean language sql as $$
  select current_setting('pgherald.context_of', true) is not distinct from pg_current_xact_id_if_assigned()::text
$$;
create function pg_temp.hush() returns text language sql as $$ select set_config('pgherald.context_of', '', true) $$;

-- ---------------------------------------------------------------- the signature

select is(encode(sha256(outer_pad || sha256(inner_pad || convert_to('what do ya want for nothing?', 'UTF8'))), 'hex'),
  '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843', 'HMAC-SHA256, RFC 4231, test case 2')
from (select pgherald.hmac_pad('Jefe', 54) as inner_pad, pgherald.hmac_pad('Jefe', 92) as outer_pad) as t;
select results_eq('select key, pgherald.hmac_pad(key, 54), pgherald.hmac_pad(key, 92) from pgherald.context_key',
  'select key, inner_pad, outer_pad from pgherald.context_key', 'the pads are those of the key');
select is((select count(*) from pgherald.context_key), 1::bigint, 'there is one key');

-- ---------------------------------------------------------------- track

select is(pgherald.track('work.plain'), true, 'a table is tracked');
select is(pgherald.track('work.plain'), false, 'the second time there is nothing to do');
select is(pgherald.untrack('work.plain'), true, 'and no longer');
select is(pgherald.untrack('work.plain'), false, 'nor again');
select throws_ok($$ select pgherald.track('work.seen') $$, '42809', 'track: work.seen is no table', 'a view is refused');
select bag_eq($$ select * from pgherald.track_all('{work}') $$, $$ values ('work.plain'::regclass), ('work.parts'), ('work.part_1') $$,
  'all: partitions too, since a statement fires the triggers of the table it names; not what is not in the WAL');
select is_empty($$ select * from pgherald.track_all('{work}') $$, 'nothing is left to track');
select ok('notifications' in (select relation::text from pgherald.track_all() as relation), 'schema public unless said otherwise');
select is_empty($$ select tgrelid::regclass from pg_trigger where tgname = 'pgherald_context'
  and tgrelid in ('public.audit_logs'::regclass, 'public.webhook_deliveries'::regclass, 'public.webhook_attempts'::regclass) $$,
  'but not what the stream leaves out');
select is_empty($$ select tgrelid::regclass from pg_trigger where tgname = 'pgherald_context'
  and obj_description(oid, 'pg_trigger') not like 'pgherald:%' $$, 'each says whose it is');

-- ---------------------------------------------------------------- once a transaction

select pg_temp.hush();
insert into work.plain select 1 where false;
select ok(pg_temp.said(), 'a statement says it, also one without rows');
select pg_temp.hush();
update work.part_1 set id = 2;
select ok(pg_temp.said(), 'a partition by its own name');
select pg_temp.hush();
truncate work.parts;
select ok(pg_temp.said(), 'a TRUNCATE');
select pg_temp.hush();
copy work.plain from stdin;
7
\.
select ok(pg_temp.said(), 'a COPY');
select pg_temp.hush();
savepoint a;
insert into work.plain values (1);
rollback to a;
select ok(not pg_temp.said(), 'what is rolled back with a savepoint has not been said');
select set_config('pgherald.context_of', '1', true);
insert into work.plain values (1);
select ok(pg_temp.said(), 'the mark of another transaction silences nobody');

-- ---------------------------------------------------------------- nothing breaks a statement

select lives_ok(format(
  $$ do $do$ begin
       perform pg_temp.hush(), set_config('request.jwt.claims', %1$L, true), set_config('request.headers', %1$L, true), set_config('app.audit_ctx', %1$L, true);
       delete from work.plain;
     end $do$ $$, setting), 'claims, headers and context: ' || left(setting, 40))
from unnest(array['', 'x', '{', '[1]', '7', 'null', '{"sub": {"a": 1}, "user-agent": [1]}', '{"a": "\u0000"}',
  repeat('[', 100000), '{"sub": "' || repeat('x', 100000) || '"}']) as setting;
select set_config('request.jwt.claims', '', true), set_config('request.headers', '', true), set_config('app.audit_ctx', '', true);

-- ---------------------------------------------------------------- by call

select pg_temp.hush();
select is(tap.attempt('anon', null, 'select pgherald.pre_request()'), '1', 'anon can make a request');
select tap.call('authenticated', tap.ann(), 'select pgherald.pre_request()::text');
select ok(pg_temp.said(), 'a request that may write says who it is at once');
select pg_temp.hush();
select tap.call('service_role', null, format('select pgherald.set_context(%L)::text', tap.bob()));
select ok(pg_temp.said(), 'so does a worker');
select tap.call('authenticated', tap.ann(), $$ select pgherald.set_context(context => '{"a": 1}')::text $$);
select is(current_setting('app.audit_ctx')::jsonb, '{"a": 1}', 'its context stays for the transaction');
select pgherald.set_context();
select is(current_setting('app.audit_ctx')::jsonb, '{"a": 1}', 'and is not taken away by a call without one');
select is(tap.attempt('anon', null, 'select pgherald.set_context()'), '42501', 'anon works for nobody');
select throws_ok(format('select pgherald.set_context(context => %L)', context), '22023', null, left(context, 20))
from unnest(array['[1]', '1', 'null', jsonb_build_object('a', repeat('x', 5000))::text]) as context;
select is(tap.attempt(role, tap.ann(), 'select * from pgherald.' || what), '42501', role || ': ' || what)
from unnest(array['anon', 'authenticated', 'service_role']) as role,
  unnest(array['context_key', 'audit_reads', 'emit_context()', 'track(''work.plain'')', 'untrack(''work.plain'')', 'track_all()', 'untrack_all()',
    'json_object_or_null(''{}'')', 'hmac_pad(''x'', 1)']) as what;

-- ---------------------------------------------------------------- all of it taken back

select ok((select count(*) from pgherald.untrack_all()) > 3, 'untrack_all() says which they were');
select is_empty($$ select tgrelid::regclass from pg_trigger where tgname = 'pgherald_context' $$, 'and none is left');

select * from finish();
rollback;
