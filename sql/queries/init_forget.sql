-- $1 slot: a slot that is made anew cannot go on from the old checkpoint, so that and the rules as of
-- then are dropped, and the audit trail gets an entry that says where its gap begins.
with checkpoint as (
  delete from pgherald.checkpoints where slot_name = $1 returning end_lsn, confirmable_lsn, commit_time
), rules as (
  delete from pgherald.rules where slot_name = $1
)
select pgherald.note('pgherald.gap', 'pgherald.slot', $1, pg_catalog.jsonb_build_object(
  'reason', 'slot made anew',
  'after_lsn', nullif(end_lsn, '0/0'),
  'after_time', commit_time))
from checkpoint
-- otherwise nobody ever read that slot
where end_lsn > '0/0' or confirmable_lsn is not null
