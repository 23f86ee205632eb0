-- It stops. $1 slot, $2 its run, $3 why, $4 the LSN beyond which it confirms nothing more
select pgherald.note_stop($1, $2::uuid, $3, $4::pg_lsn)
