-- pgherald: set=core
--
-- What goes over the wire of a webhook: several secrets at once, so that one can be replaced while
-- the receiver still knows the former; the shape of the body, and which columns are in it.

-- 000 asks for the names of its time; this one came later.
do $preflight$
declare
  foreign_one text;
begin
  select p.oid::regprocedure::text into foreign_one
  from pg_catalog.pg_proc p
  where p.pronamespace = 'public'::regnamespace
    and p.proname = 'rotate_webhook_secret'
    and coalesce(obj_description(p.oid, 'pg_proc'), '') not like 'pgherald:%';
  if found then
    raise exception 'function % of schema public uses a name of pgherald', foreign_one
      using hint = 'Rename it or move it to another schema, then run again.';
  end if;
end
$preflight$;

-- ---------------------------------------------------------------- secrets

-- Beside webhooks.secret, which is the newest: what else signs the deliveries of a webhook until its
-- time is over. Nobody but the daemon reads it, and the stream leaves it out.
create table if not exists pgherald.webhook_secrets (
  webhook_id uuid not null references public.webhooks (id) on delete cascade,
  secret text not null,
  valid_until timestamptz,
  created_at timestamptz not null default now(),
  primary key (webhook_id, secret),
  constraint webhook_secrets_secret_check
    check (secret ~ '^(whsec_[A-Za-z0-9+/]{32,86}={0,2}|whsk_[A-Za-z0-9+/]{43}=|whsk_[A-Za-z0-9+/]{86}==)$')
);
comment on table pgherald.webhook_secrets is 'pgherald: former secrets that still sign, and those that sign side by side';
comment on column pgherald.webhook_secrets.valid_until is 'null: until the webhook is rotated without an overlap';
revoke all on pgherald.webhook_secrets from public, anon, authenticated, service_role;

-- whsec_ and the base64 of 24 to 64 bytes, or whsk_ and that of an ed25519 key: its private half, or
-- both of them.
alter table public.webhooks drop constraint if exists webhooks_secret_check;
alter table public.webhooks add constraint webhooks_secret_check
  check (secret ~ '^(whsec_[A-Za-z0-9+/]{32,86}={0,2}|whsk_[A-Za-z0-9+/]{43}=|whsk_[A-Za-z0-9+/]{86}==)$');
comment on column public.webhooks.secret is 'signs the deliveries, the newest of them; read only by the service role';

-- ---------------------------------------------------------------- bodies

alter table public.webhooks
  add column if not exists payload_format text not null default 'standard'
    constraint webhooks_payload_format_check check (payload_format in ('standard', 'supabase', 'cloudevents')),
  add column if not exists columns text[]
    constraint webhooks_columns_check check (cardinality(columns) > 0 and array_position(columns, null) is null);
comment on column public.webhooks.payload_format is 'standard, supabase (as its database webhooks) or cloudevents (1.0, structured)';
comment on column public.webhooks.columns is 'what of a row it is told; null: all of it';
grant select (payload_format, columns), insert (payload_format, columns), update (payload_format, columns)
  on public.webhooks to authenticated;

-- ---------------------------------------------------------------- addresses

-- Credentials in a URL end up in logs and consoles. The sender refuses them anyway; here whoever writes
-- one learns it at once. What was there is switched off and loses them.
update public.webhooks w
set url = regexp_replace(w.url, '^(https?://)[^/?#]*@', '\1'), is_active = false,
  disabled_reason = 'the URL had credentials in it, which are gone: put them into headers'
where w.url ~ '^https?://[^/?#]*@';
alter table public.webhooks drop constraint if exists webhooks_url_credentials_check;
alter table public.webhooks add constraint webhooks_url_credentials_check check (url !~ '^https?://[^/?#]*@');

-- ---------------------------------------------------------------- rotation

-- Puts a secret in the place of the present one, which goes on signing for the overlap: null without
-- an end, '0' not at all, and then none of those before it either. Returns until when. Asks nobody
-- for rights: it is for rotate_webhook_secret() and for the program, as owner of the tables.
create or replace function pgherald.replace_webhook_secret(webhook uuid, new_secret text, overlap interval)
returns timestamptz
language plpgsql
set search_path = ''
as $$
declare
  -- four signatures a delivery are what receivers are made to read, and the program to write
  most constant int := 4;
  former text;
  former_until constant timestamptz := now() + overlap;
begin
  if overlap < interval '0' then
    raise exception 'webhook %: an overlap of % makes no sense', webhook, overlap using errcode = 'invalid_parameter_value';
  end if;
  select w.secret into former from public.webhooks w where w.id = webhook for update;
  if not found then
    raise exception 'there is no webhook %', webhook using errcode = 'no_data_found';
  end if;
  if former = new_secret then
    raise exception 'webhook %: the new secret is the present one', webhook using errcode = 'invalid_parameter_value';
  end if;

  delete from pgherald.webhook_secrets s
  where s.webhook_id = webhook
    and (overlap = interval '0' or s.valid_until <= now() or s.secret in (former, new_secret));
  if overlap is distinct from interval '0' then
    insert into pgherald.webhook_secrets (webhook_id, secret, valid_until) values (webhook, former, former_until);
    if (select count(*) from pgherald.webhook_secrets s where s.webhook_id = webhook) >= most then
      raise exception 'webhook % has % secrets already, which is the most', webhook, most
        using errcode = 'program_limit_exceeded',
          hint = 'Wait until an earlier one ends, or rotate with an overlap of 0: then the new one alone is left.';
    end if;
  end if;
  update public.webhooks w set secret = new_secret where w.id = webhook;
  return case when overlap = interval '0' then now() else former_until end;
end
$$;
comment on function pgherald.replace_webhook_secret(uuid, text, interval) is 'pgherald: a new secret for a webhook, with an overlap';
revoke execute on function pgherald.replace_webhook_secret(uuid, text, interval) from public, anon, authenticated, service_role;

-- A new secret of the scheme (by default that of the present one), shown this once; and until when
-- the present one goes on signing too, null for "without an end". Makes secrets of v1: an ed25519
-- key is no work for SQL.
create or replace function public.rotate_webhook_secret(
  webhook uuid,
  overlap interval default '24 hours',
  scheme text default null
) returns table (secret text, former_valid_until timestamptz)
language plpgsql
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  present public.webhooks;
  wanted text;
begin
  select * into present
  from public.webhooks w
  where w.id = rotate_webhook_secret.webhook
    and (w.user_id = auth.uid() or pgherald.caller_is_service());
  if not found then
    raise exception 'rotate_webhook_secret: no webhook % that is yours', webhook using errcode = 'no_data_found';
  end if;
  wanted := coalesce(scheme, case when present.secret like 'whsk\_%' then 'v1a' else 'v1' end);
  if wanted = 'v1a' then
    raise exception 'rotate_webhook_secret: a secret of v1a cannot be made in SQL' using errcode = 'feature_not_supported',
      hint = format('pgherald webhooks rotate %s --scheme v1a makes one. For a shared secret: scheme => ''v1''.', webhook);
  elsif wanted <> 'v1' then
    raise exception 'rotate_webhook_secret: scheme % is neither v1 nor v1a', quote_literal(scheme)
      using errcode = 'invalid_parameter_value';
  end if;
  -- 32 bytes, as webhooks.secret has them by default
  secret := 'whsec_' || encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64');
  former_valid_until := pgherald.replace_webhook_secret(webhook, secret, overlap);
  return next;
end
$$;
comment on function public.rotate_webhook_secret(uuid, interval, text)
  is 'pgherald: replaces a webhook''s secret and returns the new one, this once';
revoke execute on function public.rotate_webhook_secret(uuid, interval, text) from public, anon, authenticated, service_role;
grant execute on function public.rotate_webhook_secret(uuid, interval, text) to authenticated, service_role;
