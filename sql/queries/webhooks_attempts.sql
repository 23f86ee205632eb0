-- The last attempts for one webhook, the newest first, as a JSON array: those of its newest 1,000
-- deliveries, and of 1,000 older ones that are still pending.
--
-- $1 uuid   $2 int: how many
with recent as (
  (select d.id from public.webhook_deliveries d
   where d.webhook_id = $1::uuid
   order by d.created_at desc
   limit 1000)
  union
  (select d.id from public.webhook_deliveries d
   where d.webhook_id = $1::uuid and d.status = 'pending'
   order by d.next_attempt_at
   limit 1000)
),
last as (
  select a.*, d.event_type, d.message_id, d.status
  from recent r
  join public.webhook_deliveries d on d.id = r.id
  join public.webhook_attempts a on a.delivery_id = d.id
  order by a.attempted_at desc, a.attempt desc
  limit $2::int
)
select coalesce(json_agg(json_build_object(
    'time', to_char(l.attempted_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'delivery', l.delivery_id,
    'webhook_id', l.message_id,
    'event', l.event_type,
    'attempt', l.attempt,
    'status_code', l.status_code,
    'duration_ms', l.duration_ms,
    'delivery_status', l.status,
    'error', l.error) order by l.attempted_at desc, l.attempt desc), '[]')
from last l
