-- Whether a job is run by itself. $1 text: the job   $2 boolean
select pgherald.enable_job($1, $2::boolean)
