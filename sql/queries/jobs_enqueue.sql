-- A run of a job, now; its id. $1 text
select pgherald.enqueue_run($1)
