-- Records what came of attempts, of many at once: the deliveries, the attempts, how each endpoint is
-- doing. Lets the next delivery of a row go, and closes endpoints that said 410 Gone or have answered
-- with nothing but failures for too long: those are what it returns. A last row without an id says
-- that rows were let go.
--
-- Doing it twice changes nothing, so it can be done again when the answer to it was lost: the second
-- time `attempts` has moved on. A success counts even if another dispatcher, whose lease had ended,
-- recorded its own attempt first. A delivery deleted meanwhile is passed over with its attempt.
--
-- $1 json: an array of {id, attempt, status, age_ms, duration_ms, delay_ms, status_code, error,
--          response, gone, version, breaker, breaker_ms, breaker_opened}; gone: the webhook to close
--          if it is still what it was; breaker: what the endpoint's breaker is from now on
-- $2 bigint: after how many ms of failures an endpoint is closed
with result as materialized (
  select r.*, clock_timestamp() - r.age_ms * interval '1 millisecond' as attempted_at
  from json_to_recordset($1::json) as r (
    id bigint, attempt int, status text, age_ms bigint, duration_ms int, delay_ms bigint,
    status_code int, error text, response text, gone uuid, version timestamptz,
    breaker text, breaker_ms bigint, breaker_opened int)
),
moved as (
  update public.webhook_deliveries d
  set status = r.status,
    attempts = greatest(d.attempts, r.attempt),
    next_attempt_at = case r.status
      when 'pending' then now() + r.delay_ms * interval '1 millisecond' else d.next_attempt_at end,
    last_status_code = r.status_code,
    last_error = r.error,
    delivered_at = case r.status
      when 'delivered' then r.attempted_at + r.duration_ms * interval '1 millisecond' end
  from result r
  -- not = 'pending': with old figures the planner would go through the index of all that is pending
  where d.id = r.id and d.status not in ('delivered', 'failed') and (d.attempts = r.attempt - 1 or r.status = 'delivered')
  returning d.id, d.webhook_id, d.row_key, d.attempts_before, d.status, r.attempted_at + r.duration_ms * interval '1 millisecond' as ended_at,
    r.breaker, r.breaker_ms, r.breaker_opened
),
noted as (
  insert into public.webhook_attempts
    (delivery_id, attempt, attempted_at, duration_ms, status_code, error, response_body)
  select r.id, moved.attempts_before + r.attempt, r.attempted_at, r.duration_ms, r.status_code, r.error, r.response
  from result r
  join moved on moved.id = r.id
  on conflict (delivery_id, attempt) do nothing
),
news as materialized (
  select e.webhook_id,
    max(e.ended_at) filter (where e.status = 'delivered') as success_at,
    max(e.ended_at) filter (where e.status <> 'delivered') as failure_at,
    min(e.ended_at) filter (where e.is_failing) as failing_since,
    count(*) filter (where e.is_failing) as failures,
    (array_agg(e.breaker order by e.ended_at desc) filter (where e.breaker is not null))[1] as breaker,
    (array_agg(e.breaker_ms order by e.ended_at desc) filter (where e.breaker is not null))[1] as breaker_ms,
    (array_agg(e.breaker_opened order by e.ended_at desc) filter (where e.breaker is not null))[1] as breaker_opened
  from (
    select moved.*,
      moved.status <> 'delivered' and moved.ended_at >= coalesce(
        max(moved.ended_at) filter (where moved.status = 'delivered') over (partition by moved.webhook_id),
        '-infinity') as is_failing
    from moved
  ) e
  -- deleted meanwhile: nothing is to be known of it
  where exists (select from public.webhooks w where w.id = e.webhook_id)
  group by e.webhook_id
),
health as (
  -- in the same order for every dispatcher: none waits for another in a circle
  insert into pgherald.webhook_health as h
    (webhook_id, failing_since, last_success_at, last_failure_at, consecutive_failures, breaker, breaker_until, breaker_opened)
  select n.webhook_id, n.failing_since, n.success_at, n.failure_at, n.failures, coalesce(n.breaker, 'closed'),
    now() + n.breaker_ms * interval '1 millisecond', coalesce(n.breaker_opened, 0)
  from news n
  order by n.webhook_id
  on conflict (webhook_id) do update
  set failing_since = case when excluded.last_success_at is null
      then coalesce(h.failing_since, excluded.failing_since) else excluded.failing_since end,
    last_success_at = greatest(h.last_success_at, excluded.last_success_at),
    last_failure_at = greatest(h.last_failure_at, excluded.last_failure_at),
    consecutive_failures = case when excluded.last_success_at is null then h.consecutive_failures else 0 end
      + excluded.consecutive_failures,
    -- without news of it the breaker stays what it is
    (breaker, breaker_until, breaker_opened) = (
      select case when n.breaker is null then h.breaker else excluded.breaker end,
        case when n.breaker is null then h.breaker_until else excluded.breaker_until end,
        case when n.breaker is null then h.breaker_opened else excluded.breaker_opened end
      from news n
      where n.webhook_id = h.webhook_id),
    updated_at = now()
  returning h.webhook_id, h.failing_since
),
released as (
  select pgherald.release_row_keys(array_agg(m.webhook_id), array_agg(m.row_key))
  from moved m
  where m.row_key is not null and m.status <> 'pending'
  having count(*) > 0
),
closing as (
  select r.gone as id, r.version, 'the endpoint answered 410 Gone' as reason
  from result r
  where r.gone is not null
  union all
  select h.webhook_id, null, format('nothing but failures since %s UTC',
    to_char(h.failing_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI'))
  from health h
  where h.failing_since <= now() - $2::bigint * interval '1 millisecond'
)
select c.id, c.reason
from closing c
where pgherald.disable_webhook(c.id, c.version, c.reason)
union all
select null, null
from released
