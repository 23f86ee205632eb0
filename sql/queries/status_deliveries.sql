-- The outbox by status. What is pending and due waits for the dispatcher.
select
  count(*) filter (where status = 'pending') as pending,
  count(*) filter (where status = 'pending' and next_attempt_at <= now()) as due,
  count(*) filter (where status = 'delivered') as delivered,
  count(*) filter (where status = 'failed') as failed,
  coalesce(extract(epoch from now() - min(created_at) filter (where status = 'pending')), 0)::bigint
    as oldest_pending_seconds
from public.webhook_deliveries
