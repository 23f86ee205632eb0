-- The audit trail: its partitions, that it only grows, and create_audit_log().
begin;
select no_plan();
select tap.people();

-- ---------------------------------------------------------------- partitions

select set_eq(
  $$ select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'public.audit_logs'::regclass and c.relnamespace = 'pgherald_audit'::regnamespace $$,
  $$ select 'audit_logs_' || to_char((now() at time zone 'UTC') + n * interval '1 month', 'YYYY_MM') from generate_series(0, 3) n
     union all select 'audit_logs_default' $$,
  'the migration makes this month, three more and a default');
select is(pgherald.ensure_audit_partitions(3), 0, 'nothing to do the second time');
select is(pgherald.ensure_audit_partitions(5), 2, 'two more when two more are asked for');
select throws_like('select pgherald.ensure_audit_partitions(-1)', '%must be 0 to 120 months, not -1');
select throws_like('select pgherald.ensure_audit_partitions(null)', '%must be 0 to 120 months%');

set local timezone = 'Pacific/Kiritimati';
set local datestyle = 'SQL, DMY';
select is(pgherald.ensure_audit_partitions(6), 1, 'the same under another time zone and date style');
select is(
  (select pg_get_expr(relpartbound, oid) from pg_class
   where relname = 'audit_logs_' || to_char((now() at time zone 'UTC') + interval '6 months', 'YYYY_MM')),
  (select format('FOR VALUES FROM (%L) TO (%L)', m at time zone 'UTC', (m + interval '1 month') at time zone 'UTC')
   from (select date_trunc('month', now() at time zone 'UTC') + interval '6 months') as t (m)),
  'months are those of UTC');
reset timezone;
reset datestyle;

insert into public.audit_logs (occurred_at, action, resource_type)
select now(), 'a', 'x' union all select now() + interval '2 months', 'a', 'x' union all select now() + interval '50 years', 'a', 'x';
select is((select count(*) from pgherald_audit.audit_logs_default), 1::bigint, 'only what no month holds goes to the default partition');

-- A month that came while nobody made its partition: its rows wait in the default one.
insert into public.audit_logs (occurred_at, commit_lsn, ordinal, action, resource_type, resource_id, new_values)
select date_trunc('month', now() at time zone 'UTC') at time zone 'UTC' + interval '8 months' + n * interval '1 hour',
  '0/1', n, 'insert', 'public.t', n, '{"n": 1}'
from generate_series(0, 99) as n;
create temporary table before as select * from public.audit_logs;
select is(pgherald.ensure_audit_partitions(8), 2, 'the partition of a month whose rows are in the default one is made');
select is((select count(*) from pgherald_audit.audit_logs_default), 1::bigint, 'and they move there');
select set_eq('select * from public.audit_logs', 'select * from before', 'and none is lost or changed');
select lives_ok($$ insert into public.audit_logs (action, resource_type) values ('a', 'x') $$, 'and the trail is written on');

-- ---------------------------------------------------------------- append only

select throws_ok(statement, '42501', null, statement)
from unnest(array[
  'update public.audit_logs set action = ''b''',
  'update public.audit_logs set action = ''b'' where false',
  'delete from public.audit_logs',
  'truncate public.audit_logs',
  'update pgherald_audit.audit_logs_default set action = ''b''',
  'delete from pgherald_audit.audit_logs_default',
  'truncate pgherald_audit.audit_logs_default',
  format('delete from pgherald_audit.audit_logs_%s', to_char(now() at time zone 'UTC', 'YYYY_MM')),
  format('truncate pgherald_audit.audit_logs_%s', to_char(now() at time zone 'UTC', 'YYYY_MM'))]) as statement;

set local pgherald.audit_maintenance = 'on';
select is(tap.attempt('service_role', null, 'delete from public.audit_logs'), '42501', 'the owner''s door is not the service role''s');
grant delete, select on public.audit_logs to service_role;
select is(tap.attempt('service_role', null, 'delete from public.audit_logs'), '42501', 'not even with the privilege');
delete from public.audit_logs where occurred_at > now() + interval '40 years';
select is((select count(*) from pgherald_audit.audit_logs_default), 0::bigint, 'the owner can open the door on purpose');
set local pgherald.audit_maintenance = '';
select throws_ok('delete from public.audit_logs', '42501', null, 'and it is shut again');
revoke delete on public.audit_logs from service_role;

-- ---------------------------------------------------------------- create_audit_log

create temporary table entry as select * from public.audit_logs where false;
create function pg_temp.connection() returns text[] language sql as $$ select '{session_user,connection,application_name}'::text[] $$;
create function pg_temp.last() returns public.audit_logs language sql as $$ select * from public.audit_logs order by id desc limit 1 $$;

select ok(tap.call('authenticated', tap.ann(), $$ select public.create_audit_log('login', 'session', 's-1') $$)::bigint > 0, 'a user reports what he did');
select results_eq(
  $$ select user_id, action, resource_type, resource_id, session_id, commit_lsn, ordinal, context - pg_temp.connection() from pg_temp.last() $$,
  $$ values (tap.ann(), 'login', 'session', 's-1', 's-1', null::pg_lsn, null::bigint,
       '{"source": "application", "role": "authenticated"}'::jsonb) $$,
  'it is his, with his session, and says where it comes from');
select is((select xid from pg_temp.last()), pg_current_xact_id()::xid::text::bigint, 'and in which transaction');

select set_config('request.headers', '{"user-agent": "curl/8", "x-forwarded-for": "203.0.113.9, 10.0.0.1"}', true);
select tap.call('authenticated', tap.ann(),
  $$ select public.create_audit_log('export', 'memories', p_old_values => '{"a": 1, "b": 2}', p_new_values => '{"a": 1, "b": 3, "c": 4}',
       p_ip_address => '198.51.100.1', p_session_id => 'forged', p_user_agent => 'forged',
       p_context => '{"rows": 3, "source": "stream", "role": "postgres", "path": "/forged"}') $$);
select results_eq(
  $$ select changed_fields, ip_address, user_agent, session_id, context - pg_temp.connection() from pg_temp.last() $$,
  $$ values (array['b', 'c'], '203.0.113.9'::inet, 'curl/8', 's-1', '{"rows": 3, "source": "application", "role": "authenticated", "x_forwarded_for": "203.0.113.9, 10.0.0.1"}'::jsonb) $$,
  'a client''s own word on address, session and origin does not count');

select set_config('request.headers', '{"x-forwarded-for": "nonsense"}', true);
select lives_ok($$ select tap.call('authenticated', tap.ann(), 'select public.create_audit_log(''x'', ''y'')') $$, 'a header that is no address does no harm');
select is((select ip_address from pg_temp.last()), null, 'and is left out');
select set_config('request.headers', '', true);

select is(tap.attempt('authenticated', tap.ann(), format('select public.create_audit_log(''x'', ''y'', p_user_id => %L)', tap.bob())), '42501', 'nobody speaks for another user');
select is(tap.attempt('authenticated', null, 'select public.create_audit_log(''x'', ''y'')'), '42501', 'nor without being one');
select is(tap.attempt('anon', null, 'select public.create_audit_log(''x'', ''y'')'), '42501', 'nor as anon');
select throws_like(format('select public.create_audit_log(%L, ''public.memories'')', action), '%kept for changes of rows', action || ' is the stream''s word')
from unnest(array['insert', 'update', 'DELETE', 'truncate']) as action;
select throws_like('select public.create_audit_log('''', ''x'')', '%an action and a resource type are needed');
select throws_like('select public.create_audit_log(''x'', null)', '%an action and a resource type are needed');

select tap.call('service_role', null, format(
  $$ select public.create_audit_log('suspend', 'users', 'u', p_user_id => %L, p_ip_address => '198.51.100.1', p_session_id => 'x', p_user_agent => 'y') $$, tap.bob()));
select results_eq('select user_id, ip_address, session_id, user_agent from pg_temp.last()',
  $$ values (tap.bob(), '198.51.100.1'::inet, 'x', 'y') $$, 'the service speaks for others and is believed');
select lives_ok('select public.create_audit_log(''backup'', ''database'')', 'so does the owner, without any claims');
select is((select context - 'connection' from pg_temp.last()),
  jsonb_build_object('source', 'application', 'role', session_user, 'session_user', session_user, 'application_name', current_setting('application_name')), 'and is named');

-- What a request says of itself, and what it gets wrong.
select set_config('request.method', 'POST', true), set_config('request.path', '/rpc/export', true),
  set_config('request.headers', '{"user-agent"', true), set_config('app.audit_ctx', '{"job": 42}', true);
select tap.call('authenticated', tap.ann(), $$ select public.create_audit_log('export', 'memories', p_context => '["no object"]') $$);
select results_eq('select user_agent, context - pg_temp.connection() from pg_temp.last()',
  $$ values (null::text, '{"source": "application", "role": "authenticated", "method": "POST", "path": "/rpc/export", "application": {"job": 42}}'::jsonb) $$,
  'an entry is not lost for headers that are no JSON; it has the request and the application''s context');
select set_config('request.method', '', true), set_config('request.path', '', true), set_config('request.headers', '', true), set_config('app.audit_ctx', '', true);

select is(tap.call('authenticated', tap.bob(), 'select count(*) from public.audit_logs'), '1', 'its subject reads an entry');
select is(tap.call('authenticated', tap.cy(), 'select count(*) from public.audit_logs'), '0', 'nobody else does');

select * from finish();
rollback;
