-- The rules as they are after this batch. $1 slot, $2 jsonb array of {kind, id, row}
select pgherald.save_rules($1, $2::jsonb)
