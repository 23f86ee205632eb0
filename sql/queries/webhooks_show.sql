-- All of one webhook but its secret and the values of its headers, as a JSON object. See
-- webhooks_list.sql for what the url leaves out.
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
  'headers', array(select k from jsonb_object_keys(w.headers) as k order by k),
  'ordering', w.ordering,
  'rate_limit_per_second', w.rate_limit_per_second,
  'max_concurrency', w.max_concurrency,
  'retry_schedule', w.retry_schedule,
  'timeout_seconds', w.timeout_seconds,
  'max_retries', w.max_retries,
  'created_at', to_char(w.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'updated_at', to_char(w.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
from public.webhooks w
where w.id = $1::uuid
