-- pgherald: set=core
--
-- Audit policies that also hash, and that leave out what did not change. docs/audit-retention.md tells
-- the whole story.

-- ---------------------------------------------------------------- what digests begin with

-- The daemon learns of it with each policy, in the stream, as of the commit that made the policy.
create table if not exists pgherald.audit_secrets (
  name text primary key,
  secret text not null,
  created_at timestamptz not null default now(),
  constraint audit_secrets_secret_check check (length(secret) >= 32)
);
comment on table pgherald.audit_secrets is 'pgherald: what digests of values and of people''s ids begin with; without it they cannot be made';
revoke all on pgherald.audit_secrets from public, anon, authenticated, service_role;
insert into pgherald.audit_secrets (name, secret)
values ('hash', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))
on conflict (name) do nothing;

create or replace function pgherald.audit_hash(value text) returns text
language sql stable strict
set search_path = ''
as $$
  select 'sha256:' || encode(sha256(convert_to(s.secret || value, 'UTF8')), 'hex')
  from pgherald.audit_secrets s
  where s.name = 'hash'
$$;
comment on function pgherald.audit_hash(text) is 'pgherald: what the audit trail shows of a hashed value, to look it up';
revoke all on function pgherald.audit_hash(text) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- what policies say

alter table pgherald.audit_policies
  add column if not exists hash text[] not null default '{}',
  add column if not exists only_if_changed boolean not null default false,
  add column if not exists keep interval,
  add column if not exists hash_secret text;
comment on column pgherald.audit_policies.hash is 'columns shown by a digest: equal values can be recognised, and are not told';
comment on column pgherald.audit_policies.only_if_changed is 'an UPDATE that changes nothing of what is kept makes no entry';
comment on column pgherald.audit_policies.keep is 'how long entries are kept; null: as long as the job audit_retention says';
comment on column pgherald.audit_policies.hash_secret is 'a copy of pgherald.audit_secrets for the daemon, which follows this table; never shown in entries';

do $checks$
begin
  if not exists (
    select 1 from pg_catalog.pg_constraint
    where conrelid = 'pgherald.audit_policies'::regclass and conname = 'audit_policies_hash_check'
  ) then
    alter table pgherald.audit_policies
      add constraint audit_policies_hash_check check (array_position(hash, null) is null),
      add constraint audit_policies_keep_check check (keep > interval '0');
  end if;
end
$checks$;

create or replace function pgherald.set_hash_secret() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.hash_secret := case when new.hash <> '{}' then (select s.secret from pgherald.audit_secrets s where s.name = 'hash') end;
  return new;
end
$$;
comment on function pgherald.set_hash_secret() is 'pgherald: trigger that gives a policy the secret of its digests';
revoke all on function pgherald.set_hash_secret() from public, anon, authenticated, service_role;
create or replace trigger set_hash_secret before insert or update on pgherald.audit_policies
  for each row execute function pgherald.set_hash_secret();
