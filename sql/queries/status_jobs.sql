-- The maintenance jobs: how many are enabled, how many run now, and those enabled ones that were given
-- up when they ended last. A run that waits or is under way says nothing yet.
select
  count(*) filter (where j.is_enabled) as enabled,
  count(*) filter (where open.status = 'running') as running,
  coalesce(json_agg(json_build_object(
    'name', j.name,
    'attempts', ended.attempts,
    'failed_at', to_char(ended.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'error', ended.error) order by j.name) filter (where j.is_enabled and ended.status = 'failed'), '[]') as failed
from pgherald.jobs j
left join public.job_logs open
  on open.queue = 'pgherald' and open.job_type = j.name and open.status in ('pending', 'running')
left join lateral (
  select l.status, l.attempts, l.finished_at, l.error
  from public.job_logs l
  where l.queue = 'pgherald' and l.job_type = j.name and l.status in ('completed', 'failed')
  order by l.created_at desc
  limit 1
) as ended on true
