-- A database as Supabase hands it out, in what matters to us: the installing role is no
-- superuser, the auth schema is another role's, and default privileges give every new table
-- and function to anon and authenticated. Variable: installer, the installing role.

create role :installer nologin createrole bypassrls;
create role :auth_admin nologin;
select format('create role %I nologin noinherit %s', r, case r when 'service_role' then 'bypassrls' end)
from unnest(array['anon', 'authenticated', 'service_role']) as r
where not exists (select 1 from pg_roles where rolname = r)
\gexec
grant anon, authenticated, service_role to :installer;

select format('alter database %I owner to %I', current_database(), :'installer')
\gexec
create schema extensions;
grant usage on schema extensions to anon, authenticated, service_role;
grant usage, create on schema extensions to :installer;

create schema auth authorization :auth_admin;
grant usage on schema auth to anon, authenticated, service_role, :installer;
set role :auth_admin;
create table auth.users (
  id uuid primary key, email varchar(255), raw_user_meta_data jsonb,
  last_sign_in_at timestamptz, created_at timestamptz default now());
grant all on auth.users to :installer;
create function auth.uid() returns uuid language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
create function auth.role() returns text language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''), nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')::text $$;
create function auth.jwt() returns jsonb language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claim', true), ''), nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$;
comment on function auth.uid() is 'the platform''s own';
-- signed up before we came
insert into auth.users (id, email, raw_user_meta_data) values
  ('dddddddd-0000-4000-8000-000000000004', 'dan@example.test', '{"full_name": "Dan", "avatar_url": "https://example.test/dan.png"}');
reset role;

alter default privileges for role :installer in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role :installer in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges for role :installer in schema public grant all on sequences to anon, authenticated, service_role;
