-- The rules as of the checkpoint. $1 slot
select kind, id, row from pgherald.rules where slot_name = $1 order by kind, id
