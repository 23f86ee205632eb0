-- Closes deliveries of webhooks that were deleted while the change was under way: the trigger that
-- clears the outbox could not see them yet. And forgets the secrets whose time is over.
with forgotten as (
  delete from pgherald.webhook_secrets s where s.valid_until <= now()
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
