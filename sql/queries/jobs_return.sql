-- Gives an unfinished run back; the attempt does not count. $1 uuid
select pgherald.return_run($1)
