-- pgherald: set=core
--
-- What an endpoint may ask for (order, rate, concurrency, retries of its own), and what is known of
-- how it is doing: its breaker, and since when nothing but failures came back.

-- ---------------------------------------------------------------- what an endpoint asks for

alter table public.webhooks
  add column if not exists ordering text not null default 'none'
    constraint webhooks_ordering_check check (ordering in ('none', 'key')),
  add column if not exists rate_limit_per_second int
    constraint webhooks_rate_limit_per_second_check check (rate_limit_per_second between 1 and 1000000),
  add column if not exists max_concurrency int
    constraint webhooks_max_concurrency_check check (max_concurrency between 1 and 1000),
  add column if not exists retry_schedule int[]
    constraint webhooks_retry_schedule_check check (
      array_ndims(retry_schedule) = 1 and cardinality(retry_schedule) between 1 and 20
      and array_position(retry_schedule, null) is null
      and 1 <= all (retry_schedule) and 86400 >= all (retry_schedule));
comment on column public.webhooks.ordering is 'none, or key: one delivery of a row at a time, in the order of the changes';
comment on column public.webhooks.rate_limit_per_second is 'requests a second at most; null: as fast as it answers';
comment on column public.webhooks.max_concurrency is 'requests at once at most; null, or more than the daemon''s setting: that setting';
comment on column public.webhooks.retry_schedule is 'seconds between the attempts, the last one repeated up to max_retries; null: the standard one';

grant select (ordering, rate_limit_per_second, max_concurrency, retry_schedule),
  insert (ordering, rate_limit_per_second, max_concurrency, retry_schedule),
  update (ordering, rate_limit_per_second, max_concurrency, retry_schedule)
  on public.webhooks to authenticated;

-- ---------------------------------------------------------------- deliveries in the order of their row

alter table public.webhook_deliveries
  add column if not exists row_key text,
  add column if not exists origin text not null default 'change'
    constraint webhook_deliveries_origin_check check (origin in ('change', 'replay', 'test'));
comment on column public.webhook_deliveries.row_key is 'schema.table:key, if deliveries of this row wait for each other';
comment on column public.webhook_deliveries.origin is 'change, replay (out of the audit trail) or test';

-- Which delivery of a row is the first one. Of those behind it next_attempt_at is infinity: they
-- are set aside, and nobody who looks for what is due passes by them.
create index if not exists webhook_deliveries_row_idx on public.webhook_deliveries (webhook_id, row_key, id)
  where status = 'pending' and row_key is not null;

-- The first delivery of these rows is no longer behind another one. To be called in the transaction
-- that ended or deleted the one before, after it did: who sets a delivery aside holds the lock of the
-- one before, so a new snapshot sees all that were. That is why this is plpgsql and volatile.
--
-- It is written so that it is fast also where the planner's figures of the queue are old: the first
-- of a row by a single comparison (with two equalities it may take the order from the primary key,
-- and pass by all that is done), its own row by the id alone.
create or replace function pgherald.release_row_keys(webhook_ids uuid[], row_keys text[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.webhook_deliveries d
  set next_attempt_at = d.created_at
  from (select distinct k.webhook_id, k.row_key
        from unnest(webhook_ids, row_keys) as k (webhook_id, row_key)
        where k.row_key is not null) k
  cross join lateral (
    select f.id, f.webhook_id, f.row_key from public.webhook_deliveries f
    where (f.webhook_id, f.row_key, f.id) >= (k.webhook_id, k.row_key, 0)
      and f.status = 'pending' and f.row_key is not null
    order by f.webhook_id, f.row_key, f.id
    limit 1) first
  where first.webhook_id = k.webhook_id and first.row_key = k.row_key
    and d.id = first.id and d.status not in ('delivered', 'failed') and not isfinite(d.next_attempt_at);
end
$$;
comment on function pgherald.release_row_keys(uuid[], text[]) is 'pgherald: lets the next delivery of each row go';
revoke execute on function pgherald.release_row_keys(uuid[], text[]) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- how an endpoint is doing

-- Not in public.webhooks: that is a table of rules, so an update of it for each attempt would pass
-- through the stream. No foreign key, for the reason of the deliveries.
create table if not exists pgherald.webhook_health (
  webhook_id uuid primary key,
  failing_since timestamptz,
  last_success_at timestamptz,
  last_failure_at timestamptz,
  consecutive_failures bigint not null default 0,
  breaker text not null default 'closed',
  breaker_until timestamptz,
  breaker_opened int not null default 0,
  updated_at timestamptz not null default now(),
  constraint webhook_health_breaker_check check (breaker in ('closed', 'open', 'half_open')),
  constraint webhook_health_breaker_until_check check (breaker = 'closed' or breaker_until is not null),
  constraint webhook_health_consecutive_failures_check check (consecutive_failures >= 0)
);
comment on table pgherald.webhook_health is 'pgherald: what came of the last attempts of each webhook';
comment on column pgherald.webhook_health.failing_since is 'the first failure since the last success';
comment on column pgherald.webhook_health.breaker_until is 'open: when a probe may be made; half_open: when the probe counts as lost';
comment on column pgherald.webhook_health.breaker_opened is 'how often in a row it opened';
alter table pgherald.webhook_health set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index if not exists webhook_health_open_idx on pgherald.webhook_health (breaker_until) where breaker <> 'closed';
revoke all on pgherald.webhook_health from public, anon, authenticated, service_role;

-- Switches a webhook off, tells its owner and the audit trail. False if there was nothing to switch
-- off: it is off, was changed since `version` (null: whatever it is now), or is being changed.
create or replace function pgherald.disable_webhook(p_id uuid, p_version timestamptz, p_reason text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  hook record;
begin
  select w.id, w.user_id, w.name into hook
  from public.webhooks w
  where w.id = p_id and w.is_active and (p_version is null or w.updated_at = p_version)
  for no key update skip locked;
  if not found then
    return false;
  end if;
  update public.webhooks set is_active = false, disabled_reason = p_reason where id = p_id;
  perform public.create_audit_log('webhook.disabled', 'public.webhooks', p_id::text,
    '{"is_active": true}', jsonb_build_object('is_active', false, 'disabled_reason', p_reason),
    p_user_id => hook.user_id, p_user_agent => 'pgherald', p_context => jsonb_build_object('name', hook.name));
  if hook.user_id is not null then
    begin
      perform public.create_notification(hook.user_id, 'Webhook disabled', format('%s: %s', hook.name, p_reason),
        'webhook_disabled', 'high', jsonb_build_object('webhook_id', p_id, 'reason', p_reason));
    exception when others then
      -- an inbox that takes no more, or is the project's own, must not undo the rest
      raise warning 'the owner of webhook % is not told that it is disabled: %', p_id, sqlerrm;
    end;
  end if;
  return true;
end
$$;
comment on function pgherald.disable_webhook(uuid, timestamptz, text) is 'pgherald: switches a failing webhook off and tells who has to know';
revoke execute on function pgherald.disable_webhook(uuid, timestamptz, text) from public, anon, authenticated, service_role;

-- Switched on again, or sent elsewhere, it starts anew: no reason, no failures, a closed breaker.
create or replace function pgherald.clear_disabled_reason() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.disabled_reason := null;
  return new;
end
$$;
comment on function pgherald.clear_disabled_reason() is 'pgherald: trigger: what is switched on has no reason to be off';
revoke execute on function pgherald.clear_disabled_reason() from public, anon, authenticated, service_role;
create or replace trigger clear_disabled_reason before update on public.webhooks
  for each row when (new.is_active and new.disabled_reason is not null)
  execute function pgherald.clear_disabled_reason();

-- SECURITY DEFINER: the owner of the webhook has no right in schema pgherald.
create or replace function pgherald.reset_webhook_health() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from pgherald.webhook_health where webhook_id = old.id;
  return null;
end
$$;
comment on function pgherald.reset_webhook_health() is 'pgherald: trigger that forgets how a webhook was doing';
revoke execute on function pgherald.reset_webhook_health() from public, anon, authenticated, service_role;
create or replace trigger reset_health after update on public.webhooks
  for each row when (new.is_active and (not old.is_active or new.url is distinct from old.url))
  execute function pgherald.reset_webhook_health();
create or replace trigger forget_health after delete on public.webhooks
  for each row execute function pgherald.reset_webhook_health();

-- ---------------------------------------------------------------- retention of a backlog

-- As in 011, and what waits for a webhook that is off is kept no longer than what failed: without
-- an end its backlog would grow for ever.
create or replace function pgherald.job_webhook_deliveries(
  settings jsonb, chunk int, inout figures jsonb, out message text, out is_finished boolean)
language plpgsql
set search_path = ''
as $$
declare
  delivered_before constant timestamptz := now() - pgherald.job_interval(settings, 'keep_delivered');
  failed_before constant timestamptz := now() - pgherald.job_interval(settings, 'keep_failed');
  deleted bigint;
  abandoned bigint;
  webhook_ids uuid[];
  row_keys text[];
begin
  figures := coalesce(figures, jsonb_build_object('total',
    (select count(*) from public.webhook_deliveries d
     where d.status <> 'pending' and d.created_at < greatest(delivered_before, failed_before)
       and d.created_at < case d.status when 'delivered' then delivered_before else failed_before end)
    + (select count(*) from public.webhooks w
       join public.webhook_deliveries d on d.webhook_id = w.id
       where not w.is_active and d.status = 'pending' and d.created_at < failed_before)));
  -- the attempts go with their delivery
  delete from public.webhook_deliveries
  where id = any (array(
    select d.id from public.webhook_deliveries d
    where d.status <> 'pending' and d.created_at < greatest(delivered_before, failed_before)
      and d.created_at < case d.status when 'delivered' then delivered_before else failed_before end
    order by d.created_at
    limit chunk
    for update skip locked));
  get diagnostics deleted = row_count;
  with gone as (
    delete from public.webhook_deliveries
    where id = any (array(
      select due.id
      from public.webhooks w
      cross join lateral (
        select d.id from public.webhook_deliveries d
        where d.webhook_id = w.id and d.status = 'pending' and d.created_at < failed_before
        order by d.created_at
        limit chunk
        for update skip locked) due
      where not w.is_active
      limit chunk - deleted))
    returning webhook_id, row_key
  )
  select count(*), array_agg(g.webhook_id), array_agg(g.row_key) into abandoned, webhook_ids, row_keys from gone g;
  perform pgherald.release_row_keys(webhook_ids, row_keys);
  deleted := deleted + abandoned;
  figures := pgherald.add_done(figures, deleted);
  message := format('%s of %s old deliveries deleted', figures ->> 'done', figures ->> 'total');
  is_finished := deleted < chunk;
end
$$;
comment on function pgherald.job_webhook_deliveries(jsonb, int, jsonb) is 'pgherald: a step of the job webhook_deliveries';
revoke execute on function pgherald.job_webhook_deliveries(jsonb, int, jsonb) from public, anon, authenticated, service_role;
