-- Every maintenance job with its last run and its next time, as a JSON array in the order of names.
with utc (form) as (
  values ('YYYY-MM-DD"T"HH24:MI:SS"Z"')
)
select coalesce(json_agg(json_build_object(
    'name', j.name,
    'description', j.description,
    'enabled', j.is_enabled,
    'schedule', 'every ' || j.run_every || coalesce(' at ' || to_char(j.run_at, 'HH24:MI'), ''),
    'settings', j.settings,
    'last_run', to_char(run.created_at at time zone 'UTC', utc.form),
    'status', run.status,
    'progress', run.progress,
    'message', run.progress_message,
    'attempts', run.attempts,
    'max_attempts', run.max_attempts,
    'worker', run.worker,
    'duration_ms', (1000 * extract(epoch from coalesce(run.finished_at,
      case run.status when 'running' then clock_timestamp() end) - run.started_at))::bigint,
    'next_run', to_char(case
        when run.status = 'pending' then run.scheduled_at
        when run.status = 'running' or not j.is_enabled then null
        else pgherald.next_run(j)
      end at time zone 'UTC', utc.form),
    'error', run.error) order by j.name), '[]')
from pgherald.jobs j
cross join utc
left join lateral (
  select * from public.job_logs l
  where l.queue = 'pgherald' and l.job_type = j.name
  order by l.created_at desc
  limit 1
) as run on true
