-- It has read its settings again. $1 slot, $2 its run, $3 for which time, $4 json: what came of it
select pgherald.note_reload($1, $2::uuid, $3::bigint, $4::jsonb)
