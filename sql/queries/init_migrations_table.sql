-- Made in the transaction of the first migration, behind it: if that one finds something in the way,
-- the database stays as it was. 005_state.sql has the same statement.
create table if not exists pgherald.migrations (
  name text primary key,
  checksum text not null,
  seed_app boolean not null,
  applied_at timestamptz not null default now()
)
