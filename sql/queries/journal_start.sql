-- A process begins to read a slot. $1 slot, $2 its run, $3 json: who it is, $4 json: facts, $5 json: settings
select pgherald.note_start($1, $2::uuid, $3::jsonb, $4::jsonb, $5::jsonb)
