-- $1 slot: the last transaction whose effects are durable.
select
  commit_lsn::text,
  end_lsn::text,
  commit_time::text,
  updated_at::text,
  extract(epoch from pg_catalog.clock_timestamp() - updated_at)::bigint as age_seconds
from pgherald.checkpoints
where slot_name = $1
