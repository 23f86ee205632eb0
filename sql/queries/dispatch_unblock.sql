-- Lets the first delivery of each row go if it is set aside. The dispatcher does that whenever it
-- records the one before; this is for what others changed or deleted by hand.
update public.webhook_deliveries d
set next_attempt_at = d.created_at
where d.id in (
    select distinct on (f.webhook_id, f.row_key) f.id
    from public.webhook_deliveries f
    where f.status = 'pending' and f.row_key is not null
    order by f.webhook_id, f.row_key, f.id)
  and d.status = 'pending' and d.next_attempt_at = 'infinity'
