-- In how many milliseconds the next delivery is due; null if there is none.
--
-- $1 uuid[]: endpoints that are not asked for, since they have no room
select ceil(extract(epoch from min(first.next_attempt_at) - clock_timestamp()) * 1000)::bigint
from public.webhooks w
cross join lateral (
  select d.next_attempt_at
  from public.webhook_deliveries d
  where d.webhook_id = w.id and d.status = 'pending'
  order by d.next_attempt_at
  limit 1
) first
where w.is_active and w.id <> all ($1::uuid[])
