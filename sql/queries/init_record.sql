-- $1 name, $2 sha256 of the file, $3 with the seed application.
insert into pgherald.migrations (name, checksum, seed_app)
values ($1, $2, $3)
on conflict (name) do update
set checksum = excluded.checksum, seed_app = excluded.seed_app, applied_at = now()
