-- Beside Supabase (see supabase_like.sql): users are a mirror of auth.users, and what the
-- platform has is used, not replaced.
begin;
select no_plan();

select isnt((select relowner::regrole::text from pg_class where oid = 'public.memories'::regclass), 'postgres', 'installed by a role that is no superuser');
select is((select rolsuper from pg_roles r join pg_class c on c.relowner = r.oid where c.oid = 'public.memories'::regclass), false, 'indeed');
select is(obj_description('auth.uid()'::regprocedure), 'the platform''s own', 'auth.uid() is the platform''s still');
select is(obj_description('auth'::regnamespace), null, 'and the schema');
select fk_ok('public', 'users', 'id', 'auth', 'users', 'id');

select results_eq($$ select email, full_name, avatar_url from public.users where id = 'dddddddd-0000-4000-8000-000000000004' $$,
  $$ values ('dan@example.test', 'Dan', 'https://example.test/dan.png') $$, 'who was there before is mirrored');

insert into auth.users (id, email, raw_user_meta_data) values (tap.ann(), 'ann@example.test', '{"full_name": "Ann"}'), (tap.bob(), null, null);
select results_eq($$ select id, email, full_name from public.users where id in (tap.ann(), tap.bob()) order by id $$,
  $$ values (tap.ann(), 'ann@example.test', 'Ann'), (tap.bob(), null, null) $$, 'a sign-up is mirrored, also one by phone');
update public.users set full_name = 'Ann B.' where id = tap.ann();
update auth.users set email = 'ann@new.test', last_sign_in_at = now() where id = tap.ann();
select results_eq($$ select email, full_name, last_sign_in_at from public.users where id = tap.ann() $$,
  $$ values ('ann@new.test', 'Ann B.', now()) $$, 'a new address and a sign-in too; the profile stays the user''s');

insert into auth.users (id, email) values (tap.cy(), 'ANN@new.test');
select is((select email from public.users where id = tap.cy()), null, 'an address that is taken does not stop a sign-up');
insert into auth.users (id, email) values ('eeeeeeee-0000-4000-8000-000000000005', 'no address');
select is((select count(*) from public.users where id = 'eeeeeeee-0000-4000-8000-000000000005'), 1::bigint, 'nor does one that is none');

create function pg_temp.refuse() returns trigger language plpgsql as $$ begin raise 'a trigger of the project''s'; end $$;
create trigger refuse before insert on public.users for each row execute function pg_temp.refuse();
select lives_ok($$ insert into auth.users (id, email) values ('eeeeeeee-0000-4000-8000-000000000006', 'x@example.test') $$, 'whatever users says, the sign-up goes on');
drop trigger refuse on public.users;
update auth.users set last_sign_in_at = now() where id = 'eeeeeeee-0000-4000-8000-000000000006';
select is((select email from public.users where id = 'eeeeeeee-0000-4000-8000-000000000006'), 'x@example.test', 'and the next sign-in makes up for it');

insert into public.memories (user_id, content) values (tap.ann(), 'x');
delete from auth.users where id = tap.ann();
select is((select count(*) from public.memories), 0::bigint, 'who leaves takes his rows along');
select throws_ok($$ insert into public.users (id) values (gen_random_uuid()) $$, '23503', null, 'no user but those who signed up');

select * from finish();
rollback;
