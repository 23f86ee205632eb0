-- One step of a run. $1 uuid
select is_finished, progress, message from pgherald.run_job_step($1)
