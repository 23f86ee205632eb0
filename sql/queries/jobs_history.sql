-- Runs of the maintenance jobs, the newest first, as a JSON array.
-- $1 text: of this job only, null for all   $2 int: at most so many   $3 uuid: this one only, or null
select coalesce(json_agg(json_build_object(
    'run', l.id,
    'name', l.job_type,
    'status', l.status,
    'progress', l.progress,
    'message', l.progress_message,
    'result', l.result,
    'attempts', l.attempts,
    'max_attempts', l.max_attempts,
    'worker', l.worker,
    'enqueued_at', to_char(l.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'scheduled_at', to_char(l.scheduled_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'started_at', to_char(l.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'finished_at', to_char(l.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'duration_ms', (1000 * extract(epoch from l.finished_at - l.started_at))::bigint,
    'error', l.error) order by l.created_at desc), '[]')
from (
  select * from public.job_logs l
  where l.queue = 'pgherald'
    and ($1::text is null or l.job_type = $1)
    and ($3::uuid is null or l.id = $3)
  order by l.created_at desc
  limit $2::int
) as l
