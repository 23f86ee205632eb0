-- While there is nothing to store the slot is confirmed up to here. $1 slot, $2 LSN
select pgherald.allow_confirm($1, $2::pg_lsn)
