-- Makes deliveries that were given up pending again, due now, with all attempts of the schedule
-- before them. Their ids on the wire stay what they were, and so do the attempts that were made.
--
-- $1 uuid: the webhook   $2 bigint: this delivery alone, or null   $3 timestamptz: only those made
-- since, or null
with revived as (
  update public.webhook_deliveries d
  set status = 'pending',
    attempts_before = d.attempts_before + d.attempts,
    attempts = 0,
    next_attempt_at = now()
  where d.webhook_id = $1::uuid and d.status = 'failed'
    and ($2::bigint is null or d.id = $2::bigint)
    and ($3::timestamptz is null or d.created_at >= $3::timestamptz)
  returning d.id
)
select count(*) from revived
