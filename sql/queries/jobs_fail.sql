-- An attempt of a run failed. $1 uuid   $2 text: why
select pgherald.fail_run($1, $2)
