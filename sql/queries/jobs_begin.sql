-- Takes up a run of any job, whichever waits or has lost its runner. $1 text: the name of this runner
select run_id, name, is_running, attempt, max_attempts, lost_by from pgherald.begin_run($1)
