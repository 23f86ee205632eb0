-- Roles and claims: made where missing, left alone where not, and a clear word when they are
-- missing and may not be made. Roles belong to the cluster: all of this is rolled back.
begin;
select no_plan();
\set foundation `cat sql/migrations/000_foundation.sql`

create function pg_temp.run_as(role text, statement text) returns void language plpgsql as $$
begin
  perform set_config('role', role, true);
  execute statement;
  perform set_config('role', 'none', true);
end
$$;
create function pg_temp.error_of(role text, statement text) returns text[] language plpgsql as $$
declare
  message text;
  hint text;
begin
  perform pg_temp.run_as(role, statement);
  return null;
exception when others then
  get stacked diagnostics message = message_text, hint = pg_exception_hint;
  return array[sqlstate, message, hint];
end
$$;

create role pgherald_test_weak nologin;
select is((pg_temp.error_of('pgherald_test_weak', :'foundation'))[1:2], array['42501', 'pgherald_test_weak is not a member of role anon'], 'not a member, and may not become one');
select matches((pg_temp.error_of('pgherald_test_weak', :'foundation'))[3], 'grant anon, authenticated, service_role to pgherald_test_weak', 'is told the remedy');

alter role anon rename to pgherald_test_was_anon;
alter role authenticated rename to pgherald_test_was_authenticated;
alter role service_role rename to pgherald_test_was_service;
select is((pg_temp.error_of('pgherald_test_weak', :'foundation'))[1:2], array['42501', 'role anon is missing and pgherald_test_weak may not create it'], 'missing, and may not be made');
select matches((pg_temp.error_of('pgherald_test_weak', :'foundation'))[3], 'create role service_role nologin noinherit bypassrls;.*to pgherald_test_weak', 'is told the remedy');
select hasnt_role('anon', 'and nothing was made');
alter role pgherald_test_weak createrole;
select is((pg_temp.error_of('pgherald_test_weak', :'foundation'))[1:2], array['42501', 'role service_role is missing and pgherald_test_weak may not create it'], 'one that passes row level security takes a superuser');
select hasnt_role('anon', 'and again nothing was made');

select lives_ok(:'foundation', 'a superuser makes them');
select results_eq(
  $$ select rolname::text collate "C", rolcanlogin, rolinherit, rolsuper, rolbypassrls, rolcreaterole
     from pg_roles where rolname in ('anon', 'authenticated', 'service_role') order by 1 $$,
  $$ values ('anon' collate "C", false, false, false, false, false), ('authenticated', false, false, false, false, false), ('service_role', false, false, false, true, false) $$,
  'without a login; only service_role passes row level security');
alter role anon login;
select lives_ok(:'foundation', 'a second time');
select is((select rolcanlogin from pg_roles where rolname = 'anon'), true, 'leaves a role as it finds it');

-- ---------------------------------------------------------------- claims

create function pg_temp.claims(claims text, old_sub text default '') returns text language plpgsql as $$
begin
  perform set_config('request.jwt.claims', claims, true);
  perform set_config('request.jwt.claim.sub', old_sub, true);
  return concat_ws(' ', coalesce(auth.uid()::text, '-'), coalesce(auth.role(), '-'), coalesce(auth.jwt() ->> 'aal', '-'));
end
$$;
select is(pg_temp.claims('{"sub": "aaaaaaaa-0000-4000-8000-000000000001", "role": "authenticated", "aal": "aal2"}'), 'aaaaaaaa-0000-4000-8000-000000000001 authenticated aal2', 'auth.uid(), auth.role(), auth.jwt()');
select is(pg_temp.claims(''), '- - -', 'empty, as a setting is after the transaction that set it');
select is(pg_temp.claims('{"role": "anon"}'), '- anon -', 'nobody is signed in');
select is(pg_temp.claims('', 'bbbbbbbb-0000-4000-8000-000000000002'), 'bbbbbbbb-0000-4000-8000-000000000002 - -', 'the old single settings');
select throws_ok($$ select pg_temp.claims('{"sub": "auth0|42"}') $$, '22P02', null, 'a sub that is no UUID is an error, as on Supabase');

-- ---------------------------------------------------------------- who is calling

select is(pgherald.calling_role(), session_user::text, 'a session is its user');
select is(pgherald.caller_is_service(), true, 'a superuser acts for others');
create function pg_temp.who() returns text language sql security definer as $$ select pgherald.calling_role() || ' ' || pgherald.caller_is_service() $$;
select is(tap.call(role, null, 'select pg_temp.who()'), answer, role || ' inside a function of the owner')
from (values ('anon', 'anon false'), ('authenticated', 'authenticated false'), ('service_role', 'service_role true')) as t (role, answer);

-- ---------------------------------------------------------------- other projects' objects

-- Each of our functions and views, were it another's, is found before anything happens.
create function pg_temp.disown(kind text, name text) returns text language plpgsql as $$
begin
  execute format('comment on %s %s is null', kind, name);
  return (pg_temp.error_of('none', current_setting('tap.foundation')))[2];
end
$$;
select set_config('tap.foundation', :'foundation', true) is not null;
select is(pg_temp.disown('function', p.oid::regprocedure::text), 'pgherald cannot be installed: ' || row_number() over () || ' object(s) in schema public use its names', p.proname || ' of another project is refused')
from pg_proc p where p.pronamespace = 'public'::regnamespace and obj_description(p.oid) like 'pgherald:%'
  -- names that came later: their migration asks, below
  and p.proname <> 'rotate_webhook_secret';
select matches(pg_temp.disown('view', c.oid::regclass::text), '^pgherald cannot be installed: ', c.relname || ' of another project is refused')
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'v';

\set wire `cat sql/migrations/018_webhook_wire.sql`
select set_config('tap.foundation', :'wire', true) is not null;
select is(pg_temp.disown('function', 'public.rotate_webhook_secret(uuid, interval, text)'),
  'function rotate_webhook_secret(uuid,interval,text) of schema public uses a name of pgherald', 'one of a later migration too');

select * from finish();
rollback;
