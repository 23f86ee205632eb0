-- A database as Supabase hands it out, in what matters to us: the installing role is no
-- superuser, the auth schema is another role's, and default privileges give every new table
-- and function to anon and authenticated. Variables: installer, the installing role; auth_admin and
-- realtime_admin, whose the schemas auth and realtime are.

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

-- schema realtime is the Realtime service's: the installer looks in and may not create
create role :realtime_admin nologin;
create schema realtime;
grant usage on schema realtime to anon, authenticated, service_role, :installer;
grant all on schema realtime to :realtime_admin;
set role :realtime_admin;
create table realtime.messages (
  topic text not null, extension text not null, payload jsonb, event text, private boolean default false,
  updated_at timestamp not null default now(), inserted_at timestamp not null default now(),
  id uuid not null default gen_random_uuid(), binary_payload bytea, primary key (id, inserted_at)
) partition by range (inserted_at);
select format('create table realtime.%I partition of realtime.messages for values from (%L) to (%L)',
  'messages_' || to_char(d, 'YYYY_MM_DD'), d, d + interval '1 day')
from generate_series(current_date - interval '1 day', current_date + interval '3 days', '1 day') as d
\gexec
alter table realtime.messages enable row level security;
grant select, insert, update on realtime.messages to anon, authenticated, service_role, :installer;
create table realtime.subscription (id bigint generated always as identity primary key, subscription_id uuid);
create function realtime.topic() returns text language sql stable as
  $$ select nullif(current_setting('realtime.topic', true), '')::text $$;
comment on function realtime.topic() is 'the platform''s own';
create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void language plpgsql as
  $$ begin insert into realtime.messages (payload, event, topic, private, extension) values (payload, event, topic, private, 'broadcast'); end $$;
create function realtime.broadcast_changes(topic_name text, event_name text, operation text, table_name text, table_schema text,
  new record, old record, level text default 'ROW') returns void language plpgsql as
  $$ begin perform realtime.send(jsonb_build_object('record', new), event_name, topic_name); end $$;
reset role;
