-- $1 uuid   $2 boolean   $3 text: why it is disabled
update public.webhooks
set is_active = $2::boolean,
  disabled_reason = case when not $2::boolean then coalesce($3, 'disabled by an operator') end
where id = $1::uuid
