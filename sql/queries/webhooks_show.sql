-- All of one webhook, as a JSON object; but of its secrets only until when each signs, the newest first,
-- and of its headers only the names. See webhooks_list.sql for what the url leaves out.
--
-- $1 uuid
select json_build_object(
  'id', w.id,
  'name', w.name,
  'url', regexp_replace(regexp_replace(w.url, '^([a-z]+://)[^/?#]*@', '\1'), '[?#].*$', '?...'),
  'owner', w.user_id,
  'active', w.is_active,
  'disabled_reason', w.disabled_reason,
  'events', w.events,
  'filter', w.filter,
  'columns', w.columns,
  'payload_format', w.payload_format,
  'signs_with', (
    select json_agg(json_build_object('scheme', case when s.secret like 'whsk\_%' then 'v1a' else 'v1' end,
      'until', to_char(s.valid_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) order by s.created_at desc, s.secret)
    from (
      select w.secret, null::timestamptz as valid_until, 'infinity'::timestamptz as created_at
      union all
      select f.secret, f.valid_until, f.created_at from pgherald.webhook_secrets f
      where f.webhook_id = w.id and (f.valid_until is null or f.valid_until > now())
    ) s),
  'headers', array(select k from jsonb_object_keys(w.headers) as k order by k),
  'ordering', w.ordering,
  'rate_limit_per_second', w.rate_limit_per_second,
  'max_concurrency', w.max_concurrency,
  'retry_schedule', w.retry_schedule,
  'timeout_seconds', w.timeout_seconds,
  'max_retries', w.max_retries,
  'breaker_until', (
    select to_char(h.breaker_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    from pgherald.webhook_health h where h.webhook_id = w.id and h.breaker <> 'closed'),
  'created_at', to_char(w.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'updated_at', to_char(w.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
from public.webhooks w
where w.id = $1::uuid
