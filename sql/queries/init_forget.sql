-- $1 slot: a slot that is made anew cannot go on from the old checkpoint, so that and the rules as of
-- then are dropped, and the audit trail gets an entry that says where its gap begins.
with checkpoint as (
  delete from pgherald.checkpoints where slot_name = $1 returning end_lsn, commit_time
), rules as (
  delete from pgherald.rules where slot_name = $1
)
insert into public.audit_logs (action, resource_type, resource_id, context)
select 'gap', 'pgherald.slot', $1, pg_catalog.jsonb_build_object(
  'reason', 'the replication slot was gone and has been made anew',
  'after_lsn', end_lsn,
  'after_time', commit_time)
from checkpoint
-- 0/0: attached, but nothing was ever stored
where end_lsn > '0/0'
