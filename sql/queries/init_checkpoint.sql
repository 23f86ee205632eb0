-- $1 slot: how far an earlier slot of that name was processed.
select end_lsn::text, commit_time::text
from pgherald.checkpoints
where slot_name = $1
