-- pgherald: set=core

-- A transaction that the server cannot send stops a slot for good. This moves the slot behind it, and
-- says so in the audit trail: what is between the last stored commit and that transaction's is missing.
create or replace function pgherald.skip_transaction(slot text, at_lsn pg_lsn) returns void
language plpgsql
set search_path = ''
as $$
declare
  there record;
  checkpoint pgherald.checkpoints;
begin
  select * into there from pg_catalog.pg_replication_slots s where s.slot_name = slot and s.database = current_database();
  select * into checkpoint from pgherald.checkpoints c where c.slot_name = slot for update;
  if there.slot_name is null or checkpoint.slot_name is null then
    raise exception 'there is no slot % in this database that was ever read', slot;
  elsif there.active then
    raise exception 'slot % is in use', slot
      using hint = 'Stop the daemon (pgherald run), then run this again.';
  elsif at_lsn < there.confirmed_flush_lsn then
    raise exception 'slot % has passed % already: it is at %', slot, at_lsn, there.confirmed_flush_lsn;
  elsif at_lsn >= pg_catalog.pg_current_wal_lsn() then
    raise exception 'no transaction was committed at %: the WAL ends at %', at_lsn, pg_catalog.pg_current_wal_lsn();
  end if;
  perform pgherald.note('pgherald.gap', 'pgherald.slot', slot, jsonb_build_object(
    'reason', 'transaction skipped',
    'after_lsn', nullif(checkpoint.end_lsn, '0/0'),
    'after_time', checkpoint.commit_time,
    'until_lsn', at_lsn));
  -- the first LSN behind the begin of its commit record: no plugin is asked on the way there
  perform pg_catalog.pg_replication_slot_advance(slot, at_lsn + 1);
  update pgherald.checkpoints c set confirmable_lsn = greatest(c.confirmable_lsn, at_lsn + 1) where c.slot_name = slot;
end
$$;
comment on function pgherald.skip_transaction(text, pg_lsn) is 'pgherald: lets a slot go on behind a transaction that the server cannot send';
revoke execute on function pgherald.skip_transaction(text, pg_lsn) from public, anon, authenticated, service_role;
