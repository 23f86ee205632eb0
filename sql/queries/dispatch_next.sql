-- In how many milliseconds the next delivery is due, null if there is none; and how many breakers
-- are not closed. What is set aside behind another delivery of its row is due with that one.
--
-- $1 uuid[]: endpoints that are not asked for, since they have no room
select
  (select ceil(extract(epoch from min(greatest(first.next_attempt_at, h.breaker_until)) - clock_timestamp()) * 1000)::bigint
   from public.webhooks w
   cross join lateral (
     select d.next_attempt_at
     from public.webhook_deliveries d
     where d.webhook_id = w.id and d.status = 'pending' and d.next_attempt_at < 'infinity'
     order by d.next_attempt_at
     limit 1
   ) first
   left join pgherald.webhook_health h on h.webhook_id = w.id and h.breaker <> 'closed'
   where w.is_active and w.id <> all ($1::uuid[])) as due_in_ms,
  (select count(*) from pgherald.webhook_health h where h.breaker <> 'closed') as breakers
