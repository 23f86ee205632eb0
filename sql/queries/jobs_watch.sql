-- How a run stands that another instance may be working on. $1 uuid
select status in ('pending', 'running') as is_open, status = 'pending' and scheduled_at > now() as is_put_off,
  progress, coalesce(progress_message, '')
from public.job_logs
where id = $1
