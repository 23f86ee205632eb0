-- What a request to a webhook is made of: the secrets as dispatch_claim.sql has them, and the row as
-- a rule. $1 uuid
select w.id, w.name, w.url,
  concat_ws(' ', w.secret, (
    select string_agg(s.secret, ' ' order by s.created_at desc, s.secret)
    from pgherald.webhook_secrets s
    where s.webhook_id = w.id and (s.valid_until is null or s.valid_until > now()))),
  w.headers, w.updated_at, w.timeout_seconds, (to_jsonb(w) - 'secret')::text
from public.webhooks w
where w.id = $1::uuid
