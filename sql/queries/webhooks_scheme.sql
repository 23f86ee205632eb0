-- The scheme of a webhook's present secret. $1 uuid
select case when w.secret like 'whsk\_%' then 'v1a' else 'v1' end from public.webhooks w where w.id = $1::uuid
