-- Lets go of a job. $1 text
select pgherald.end_run($1)
