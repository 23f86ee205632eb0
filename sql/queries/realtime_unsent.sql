-- Which of these subscriptions get nothing, and why: see pgherald.realtime_unsent(). $1 the subscriptions,
-- $2 the configured schemas
select place, reason, published
from pgherald.realtime_unsent($1::jsonb, $2::text[])
