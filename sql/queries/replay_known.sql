-- Deliveries that the webhook has: a change gives the same message_id again. A delivery is stored
-- after its change was committed, which the margin lets a stepping clock be wrong about.
--
-- $1 uuid: the webhook   $2 timestamptz: the first change   $3 boolean: not those that were delivered
insert into pg_temp.pgherald_replay_known (message_id)
select distinct d.message_id
from public.webhook_deliveries d
where d.webhook_id = $1::uuid
  and d.created_at >= $2::timestamptz - interval '1 hour'
  and (d.status = 'pending' or (d.status = 'delivered' and not $3::boolean))
