-- The notifications of a batch; one that says again what its dedupe key has said is left out.
-- $1 jsonb array of {user_id, rule_id, type, title, message, priority, data, expires_in, dedupe_key}
insert into public.notifications
  (user_id, rule_id, type, title, message, priority, data, expires_at, dedupe_key)
select n.user_id, n.rule_id, n.type, n.title, n.message, n.priority, n.data,
       now() + n.expires_in::interval, n.dedupe_key
from jsonb_to_recordset($1::jsonb) as n
  (user_id uuid, rule_id uuid, type text, title text, message text, priority text, data jsonb,
   expires_in text, dedupe_key text)
on conflict do nothing
