-- How one delivery of a webhook stands. $1 uuid   $2 bigint
select d.status from public.webhook_deliveries d where d.webhook_id = $1::uuid and d.id = $2::bigint
