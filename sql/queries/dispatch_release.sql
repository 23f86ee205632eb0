-- Gives claimed deliveries back that were not sent, or whose sending was broken off.
--
-- $1 bigint[]: deliveries   $2 int[]: how many attempts each had when it was claimed
update public.webhook_deliveries d
set next_attempt_at = now()
from unnest($1::bigint[], $2::int[]) as given (id, attempts)
where d.id = given.id and d.status not in ('delivered', 'failed') and d.attempts = given.attempts
