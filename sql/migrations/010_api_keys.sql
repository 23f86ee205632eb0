-- pgherald: set=core
--
-- API keys on their way to the daemon, and what it counts on its way back.
--
-- A revocation has to hold at once, however far behind the stream is that the daemon reads, so
-- keys do not come by the stream: a trigger notifies, the daemon reads the key again.

create or replace function pgherald.notify_api_key() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'TRUNCATE' then
    perform pg_notify('pgherald_api_keys', '*');
    return null;
  end if;
  -- an id that has changed is a key that is gone and one that is new
  if tg_op <> 'INSERT' then
    perform pg_notify('pgherald_api_keys', old.id::text);
  end if;
  if tg_op <> 'DELETE' then
    perform pg_notify('pgherald_api_keys', new.id::text);
  end if;
  return null;
end
$$;
comment on function pgherald.notify_api_key() is 'pgherald: trigger that tells the daemon which API key to read again';
revoke execute on function pgherald.notify_api_key() from public;

create or replace trigger notify_key after insert or delete on public.api_keys
  for each row execute function pgherald.notify_api_key();
-- What the daemon knows of a key; to be used, or to belong to another service, is no change.
create or replace trigger notify_change after update on public.api_keys
  for each row
  when ((old.id, old.user_id, old.name, old.key_hash, old.scopes, old.rate_limit_per_minute, old.expires_at, old.revoked_at)
    is distinct from (new.id, new.user_id, new.name, new.key_hash, new.scopes, new.rate_limit_per_minute, new.expires_at, new.revoked_at))
  execute function pgherald.notify_api_key();
create or replace trigger notify_truncate after truncate on public.api_keys
  for each statement execute function pgherald.notify_api_key();

-- The keys that work now. `ends` is in seconds since 1970, null for never: a rotated key's grace
-- ends with its revocation.
create or replace view pgherald.live_api_keys as
select k.id, k.user_id, k.name, k.key_hash, k.scopes, k.rate_limit_per_minute, k.created_at,
  case when isfinite(least(k.expires_at, k.revoked_at))
    then floor(extract(epoch from least(k.expires_at, k.revoked_at)))::bigint end as ends
from public.api_keys k
where (k.revoked_at is null or k.revoked_at > now())
  and (k.expires_at is null or k.expires_at > now());
comment on view pgherald.live_api_keys is 'pgherald: the API keys that work, as the daemon wants to know them';
revoke all on pgherald.live_api_keys from public, anon, authenticated, service_role;

-- What was counted in memory: [{"id", "requests", "errors", "used_at"}], one object a key and UTC
-- day. The mark comes first: by it the daemon knows this transaction in the stream, and makes
-- nothing of it, neither audit entries nor webhook calls nor messages to browsers. Only its own role
-- can write the mark, so nobody else can hide what he does. In the order of the ids: two daemons
-- that write at once wait for each other and do not lock each other out.
create or replace function pgherald.flush_api_key_usage(usage jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into pgherald.store_marks as m (slot_name, batches) values ('usage:api_keys', 1)
  on conflict (slot_name) do update set batches = m.batches + 1;

  perform public.log_api_key_usage(u.id, u.requests, u.errors, u.used_at)
  from (
    select x.id, x.requests, x.errors, x.used_at
    from jsonb_to_recordset(usage) as x (id uuid, requests bigint, errors bigint, used_at timestamptz)
    order by x.id, x.used_at
  ) as u;
end
$$;
comment on function pgherald.flush_api_key_usage(jsonb) is 'pgherald: adds up what the daemon has counted of API keys';
revoke execute on function pgherald.flush_api_key_usage(jsonb) from public;
