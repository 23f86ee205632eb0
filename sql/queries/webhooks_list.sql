-- Webhooks with what waits for them and how they fare, as a JSON array in the order of names. URLs
-- come without what may be a credential: a user's name, and what stands behind the path.
--
-- `rule` is the row as the daemon reads it. $1 uuid: only this one, null for all
with utc (form) as (
  values ('YYYY-MM-DD"T"HH24:MI:SS"Z"')
),
counted as (
  select d.webhook_id,
    count(*) filter (where d.status = 'pending') as pending,
    count(*) filter (where d.status = 'pending' and d.attempts > 0) as again,
    count(*) filter (where d.status = 'failed') as failed,
    max(d.delivered_at) as last_success
  from public.webhook_deliveries d
  where $1::uuid is null or d.webhook_id = $1::uuid
  group by d.webhook_id
),
listed as (
  select w.id, w.name, w.user_id, w.is_active, w.disabled_reason,
    regexp_replace(regexp_replace(w.url, '^([a-z]+://)[^/?#]*@', '\1'), '[?#].*$', '?...') as url,
    coalesce(c.pending, 0) as pending,
    coalesce(c.failed, 0) as failed,
    greatest(c.last_success, h.last_success_at) as last_success,
    h.breaker, h.failing_since, h.consecutive_failures, to_jsonb(w) - 'secret' as rule,
    case
      when not w.is_active then 'disabled'
      when h.breaker <> 'closed' then 'breaker ' || replace(h.breaker, '_', ' ')
      when h.failing_since is not null or c.again > 0 then 'failing'
      else 'ok'
    end as health
  from public.webhooks w
  left join pgherald.webhook_health h on h.webhook_id = w.id
  left join counted c on c.webhook_id = w.id
  where $1::uuid is null or w.id = $1::uuid
)
select coalesce(json_agg(json_build_object(
    'id', l.id,
    'name', l.name,
    'url', l.url,
    'owner', l.user_id,
    'active', l.is_active,
    'disabled_reason', l.disabled_reason,
    'health', l.health,
    'failing_since', to_char(l.failing_since at time zone 'UTC', utc.form),
    'consecutive_failures', coalesce(l.consecutive_failures, 0),
    'pending', l.pending,
    'failed', l.failed,
    'last_success', to_char(l.last_success at time zone 'UTC', utc.form),
    'rule', l.rule::text) order by l.name, l.id), '[]')
from listed l
cross join utc
