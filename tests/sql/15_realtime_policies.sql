-- What the daemon judges rows by: the print changes with whatever a verdict rests on, and with nothing
-- else, and the facts are those of PostgreSQL.
begin;
select no_plan();

create role pgherald_test_client nologin;
create role pgherald_test_group nologin;
create role pgherald_test_upper nologin;
grant pgherald_test_client to current_user;
grant usage on schema public to pgherald_test_client;
create type public.pgherald_test_mood as enum ('sad', 'ok');
create table public.pgherald_test (id int primary key, user_id uuid, mood public.pgherald_test_mood, body text);
revoke all on public.pgherald_test from public, anon, authenticated, service_role;
alter table public.pgherald_test enable row level security;
create policy own on public.pgherald_test using (user_id = auth.uid() and mood = 'ok');
create policy others on public.pgherald_test to pgherald_test_group using (true);
grant select on public.pgherald_test to pgherald_test_client;
create table public.pgherald_test_other (id int primary key);

create function pg_temp.print() returns text language sql as $$
  select print from pgherald.realtime_known('public.pgherald_test'::regclass, 'pgherald_test_client', true, '')
$$;
create function pg_temp.facts() returns jsonb language sql as $$
  select facts from pgherald.realtime_known('public.pgherald_test'::regclass, 'pgherald_test_client', true, '')
$$;
create function pg_temp.changes(statement text) returns text language plpgsql as $$
declare
  before constant text := pg_temp.print();
begin
  execute statement;
  return isnt(pg_temp.print(), before, 'a new print: ' || statement);
end
$$;
create function pg_temp.keeps(statement text) returns text language plpgsql as $$
declare
  before constant text := pg_temp.print();
begin
  execute statement;
  return is(pg_temp.print(), before, 'the same print: ' || statement);
end
$$;

select is(pg_temp.facts() ->> 'judged', 'true', 'policies decide');
select is(jsonb_array_length(pg_temp.facts() -> 'policies'), 1, 'those that hold for the role');
select is(pg_temp.facts() #> '{policies,0,columns}', '[2, 3]', 'they look at these columns');
select matches(pg_temp.facts() #>> '{policies,0,qual}', '^{BOOLEXPR ', 'in parsed form');
select is(pg_temp.facts() #>> '{functions,0,1}', '2950', 'and call a function');
select is(facts, null, 'what is known is not told again')
from pgherald.realtime_known('public.pgherald_test'::regclass, 'pgherald_test_client', true, pg_temp.print());

select pg_temp.keeps('insert into public.pgherald_test (id) values (1)');
select pg_temp.keeps('create policy own on public.pgherald_test_other using (true)');
select pg_temp.keeps('grant select on public.pgherald_test_other to pgherald_test_client');
select pg_temp.keeps('alter policy others on public.pgherald_test using (false)');
select pg_temp.keeps('create role pgherald_test_stranger');
select pg_temp.keeps('create function public.pgherald_test_f() returns int language sql as ''select 1''');

select pg_temp.changes('create policy more on public.pgherald_test using (true)');
select pg_temp.changes('alter policy more on public.pgherald_test using (false)');
select pg_temp.changes('alter policy more on public.pgherald_test to pgherald_test_client');
select pg_temp.changes('drop policy more on public.pgherald_test');
select pg_temp.changes('create policy less on public.pgherald_test as restrictive using (true)');
select pg_temp.changes('alter policy less on public.pgherald_test to pgherald_test_group');
select pg_temp.changes('grant pgherald_test_group to pgherald_test_client');
select is(jsonb_array_length(pg_temp.facts() -> 'policies'), 3, 'a member has the policies of the group');
select pg_temp.changes('grant pgherald_test_upper to pgherald_test_group');
select pg_temp.changes('alter role pgherald_test_group noinherit');
select pg_temp.changes('alter role pgherald_test_client noinherit');
select pg_temp.changes('alter role pgherald_test_client inherit');
select pg_temp.changes('alter role pgherald_test_client bypassrls');
select is(pg_temp.facts() ->> 'judged', 'false', 'no policy holds for those that bypass them');
select pg_temp.changes('alter role pgherald_test_client nobypassrls');
select pg_temp.changes('alter role pgherald_test_client superuser');
select pg_temp.changes('alter role pgherald_test_client nosuperuser');
select pg_temp.changes('revoke pgherald_test_group from pgherald_test_client');

select pg_temp.changes('revoke select on public.pgherald_test from pgherald_test_client');
select is(pg_temp.facts() ->> 'readable', 'false', 'nothing may be read');
select pg_temp.changes('grant select (id, user_id) on public.pgherald_test to pgherald_test_client');
select is(pg_temp.facts() -> 'hidden', '["mood", "body"]', 'of the columns these may not');
select pg_temp.changes('revoke select (user_id) on public.pgherald_test from pgherald_test_client');
select pg_temp.changes('grant select on public.pgherald_test to public');
select pg_temp.changes('revoke usage on schema public from pgherald_test_client, public');
select pg_temp.changes('grant usage on schema public to public');

select pg_temp.changes('alter table public.pgherald_test force row level security');
select pg_temp.changes('alter table public.pgherald_test owner to pgherald_test_client');
select is(pg_temp.facts() ->> 'judged', 'true', 'the owner is not exempt');
select pg_temp.changes('alter table public.pgherald_test no force row level security');
select is(pg_temp.facts() ->> 'judged', 'false', 'the owner is');
select pg_temp.changes('alter table public.pgherald_test owner to current_user');
select pg_temp.changes('alter table public.pgherald_test disable row level security');
select is(pg_temp.facts() ->> 'rls', 'false', 'it is off');
select pg_temp.changes('alter table public.pgherald_test enable row level security');

select pg_temp.changes('alter table public.pgherald_test rename column body to content');
select pg_temp.changes('alter table public.pgherald_test alter column content type varchar(100)');
select pg_temp.changes('alter table public.pgherald_test add column more int');
select pg_temp.changes('alter table public.pgherald_test drop column more');
select pg_temp.changes('alter type public.pgherald_test_mood rename value ''ok'' to ''fine''');
select pg_temp.changes('alter table public.pgherald_test rename to pgherald_test_now');
select pg_temp.changes('alter table public.pgherald_test_now rename to pgherald_test');

select pg_temp.changes('create or replace function auth.uid() returns uuid language sql stable as $f$ select null::uuid $f$');
select pg_temp.changes('alter function auth.uid() set search_path = public');
select is(pg_temp.facts() -> 'functions', 'null', 'a search path of its own may mean anything');
select pg_temp.changes('alter function auth.uid() reset search_path');
select pg_temp.changes('revoke execute on function auth.uid() from public');
select is(pg_temp.facts() -> 'functions', 'null', 'what may not be called is not told');
select pg_temp.changes('grant execute on function auth.uid() to pgherald_test_client');

-- the whole answer
create function pg_temp.answer(known text) returns table (place integer, print text, facts jsonb) language sql as $$
  select * from pgherald.realtime_policies(jsonb_build_array(
    jsonb_build_object('schema', 'public', 'table', 'pgherald_test', 'roles', jsonb_build_array(
      jsonb_build_array('pgherald_test_client', known), jsonb_build_array('pgherald_test_group', null))),
    jsonb_build_object('schema', 'public', 'table', 'pgherald_test_none', 'roles', jsonb_build_array(
      jsonb_build_array('pgherald_test_client', null)))))
$$;
select results_eq($$ select place, facts ->> 'judged' from pg_temp.answer(null) $$,
  $$ values (-1, null), (0, 'true'), (1, 'true'), (2, null) $$, 'all that is not known');
select results_eq($$ select place from pg_temp.answer(pg_temp.print()) $$,
  $$ values (-1), (1), (2) $$, 'without what is known');
select matches(print, '^[0-9]+:[0-9]+:[0-9,]*$', 'the snapshot') from pg_temp.answer(null) where place = -1;
set local request.jwt.claim.sub = 'somebody';
select is(facts ->> 'plain', 'false', 'a setting that auth.uid() would believe') from pg_temp.answer(null) where place = 0;

select * from finish();
rollback;
