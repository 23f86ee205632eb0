-- Records what came of attempts, of many at once, and closes endpoints that said 410 Gone.
--
-- Doing it twice changes nothing, so it can be done again when the answer to it was lost: the second
-- time `attempts` has moved on. A success counts even if another dispatcher, whose lease had ended,
-- recorded its own attempt first. A delivery deleted meanwhile is passed over with its attempt.
--
-- $1 json: an array of {id, attempt, status, age_ms, duration_ms, delay_ms, status_code, error,
--          response, gone, version}; gone: the webhook to close if it is still what it was
with result as materialized (
  select r.*, clock_timestamp() - r.age_ms * interval '1 millisecond' as attempted_at
  from json_to_recordset($1::json) as r (
    id bigint, attempt int, status text, age_ms bigint, duration_ms int, delay_ms bigint,
    status_code int, error text, response text, gone uuid, version timestamptz)
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
  where d.id = r.id and d.status = 'pending' and (d.attempts = r.attempt - 1 or r.status = 'delivered')
  returning d.id
),
noted as (
  insert into public.webhook_attempts
    (delivery_id, attempt, attempted_at, duration_ms, status_code, error, response_body)
  select r.id, r.attempt, r.attempted_at, r.duration_ms, r.status_code, r.error, r.response
  from result r
  join moved on moved.id = r.id
  on conflict (delivery_id, attempt) do nothing
)
update public.webhooks w
set is_active = false, disabled_reason = 'the endpoint answered 410 Gone'
from result r
where w.id = r.gone and w.is_active and w.updated_at = r.version
