-- Closes deliveries of webhooks that were deleted while the change was under way: the trigger that
-- clears the outbox could not see them yet. And forgets the secrets whose time is over, and the health
-- of what was deleted while an attempt was recorded: an open breaker of it would be counted for ever.
with forgotten as (
  delete from pgherald.webhook_secrets s where s.valid_until <= now()
),
gone as (
  delete from pgherald.webhook_health h
  where not exists (select from public.webhooks w where w.id = h.webhook_id)
)
update public.webhook_deliveries d
set status = 'failed', last_error = 'the webhook was deleted'
where d.id in (
  select orphan.id
  from public.webhook_deliveries orphan
  where orphan.status = 'pending'
    and not exists (select from public.webhooks w where w.id = orphan.webhook_id)
  limit 10000
  for update skip locked
)
