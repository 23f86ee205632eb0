-- $1 slot: its state, and what lies between it and the end of the WAL.
select
  s.slot_type,
  s.plugin,
  s.database,
  s.database = pg_catalog.current_database() as is_here,
  s.active,
  s.active_pid,
  s.wal_status,
  s.safe_wal_size,
  s.restart_lsn::text,
  s.confirmed_flush_lsn::text,
  pg_catalog.pg_wal_lsn_diff(w.lsn, s.confirmed_flush_lsn)::bigint as lag_bytes,
  pg_catalog.pg_wal_lsn_diff(w.lsn, s.restart_lsn)::bigint as retained_bytes
from pg_catalog.pg_replication_slots s
cross join lateral (
  select case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
    else pg_catalog.pg_current_wal_lsn() end
) as w (lsn)
where s.slot_name = $1
