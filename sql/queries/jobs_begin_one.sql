-- Takes up the run of one job. $1 text: the name of this runner   $2 text: the job
select run_id, name, is_running, attempt, max_attempts, lost_by from pgherald.begin_run($1, $2)
