-- $1 slot: how much WAL the server keeps for it, and how much more it will.
select
  s.wal_status,
  pg_catalog.pg_wal_lsn_diff(w.lsn, s.restart_lsn)::bigint as retained_bytes,
  -- null: without a limit
  case when s.safe_wal_size < 0 then 0 else s.safe_wal_size end as safe_bytes
from pg_catalog.pg_replication_slots s
cross join lateral (
  select case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
    else pg_catalog.pg_current_wal_lsn() end
) as w (lsn)
where s.slot_name = $1
