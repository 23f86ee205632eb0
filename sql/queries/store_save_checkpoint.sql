-- Everything up to here is in this transaction or before it. Touching no row means that somebody
-- else has moved the checkpoint. $1 slot, $2 commit LSN, $3 its end, $4 commit time in microseconds
update pgherald.checkpoints
set commit_lsn = $2::pg_lsn,
    end_lsn = $3::pg_lsn,
    commit_time = to_timestamp($4::bigint / 1000000.0),
    updated_at = now()
where slot_name = $1 and commit_lsn < $2::pg_lsn
