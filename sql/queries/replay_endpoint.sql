-- The webhook as a rule, without its secret, and as if it were active: what it would have got.
--
-- $1 uuid
select (to_jsonb(w) - 'secret' || '{"is_active": true}')::text
from public.webhooks w
where w.id = $1::uuid
