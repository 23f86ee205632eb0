#!/bin/bash
# From nothing to installed, installed again, extended, refused and uninstalled.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/sql/lib.sh

refused() { # database pattern command...: must fail, and say the pattern
  local pattern=$1; shift
  if "$@" >/tmp/$run.err 2>&1; then
    echo "was not refused"; return 1
  fi
  grep -Eq "$pattern" /tmp/$run.err && return 0
  echo "refused for another reason:"; cat /tmp/$run.err; return 1
}
uninstall() { sql "$1" -1 -f sql/uninstall.sql; }
uninstall_all() { PGOPTIONS='-c pgherald.uninstall_audit=drop' uninstall "$1"; }
fails() { ! "$@"; }
nobody=00000000-0000-4000-8000-000000000000

# ---------------------------------------------------------------- the files themselves

for file in sql/migrations/*.sql; do
  check "$file says in which installs it is" grep -Eqx -- '-- pgherald: set=(core|seed)' <(head -1 "$file")
  check "$file has no psql commands" fails grep -En '^[[:space:]]*\\' "$file"
done
same "numbers are not used twice" "$(ls sql/migrations | cut -c1-3 | sort | uniq -d)" ""

# docs/seed-report.md names files that are there
for name in $(grep -oE '`[A-Za-z0-9_./-]+\.(sql|sh|mjs)`' docs/seed-report.md | tr -d '`' | sort -u); do
  check "docs/seed-report.md: $name" test -e "$name" -o -e "tests/sql/$name" -o -e "tests/e2e/$name" -o -e "sql/migrations/$name"
done

# ---------------------------------------------------------------- twice

db=${run}_twice; create_database $db
migrate $db on; once=$(dump $db)
check "the whole application is there" test "$(sql $db -c "select count(*) from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'")" -ge 23
check "all migrations once more" migrate $db on
same "a second time changes nothing" "$(dump $db | md5sum)" "$(md5sum <<<"$once")"
plain=${run}_plain; create_database $plain
for file in sql/migrations/*.sql; do check "psql -f $file" sql $plain -f "$file"; done
same "plain psql, statement by statement, gives the same" "$(dump $plain | md5sum)" "$(md5sum <<<"$once")"

# ---------------------------------------------------------------- the sidecar alone, then the application

db=${run}_alone; create_database $db
migrate $db off; alone=$(dump $db)
same "no table of the application" "$(sql $db -c "select count(*) from pg_class where relname in ('users', 'memories', 'files', 'user_recent_activity')")" 0
same "no function of the application" "$(sql $db -c "select count(*) from pg_proc where pronamespace = 'public'::regnamespace and proname ~ '^(get_user|match_)'")" 0
check "the sidecar once more" migrate $db off
same "changes nothing" "$(dump $db | md5sum)" "$(md5sum <<<"$alone")"
sql $db -c "insert into public.webhooks (user_id, name, url, events) values (gen_random_uuid(), 'of an unknown user', 'http://a', '{*}')" \
  -c "insert into public.job_logs (user_id, job_type) values (gen_random_uuid(), 'x')"
sql $db -c "update pgherald.jobs set is_enabled = false, run_at = null, run_every = '3 hours', settings = '{}' where name = 'old_job_logs'" \
  -c "delete from pgherald.jobs where name = 'api_key_usage'"
check "the application is added later" migrate $db on
same "what an operator changed of the jobs stays" \
  "$(sql $db -c "select is_enabled, run_at, run_every, settings from pgherald.jobs where name = 'old_job_logs'")" "f||03:00:00|{}"
same "and is the same as from the start" "$(dump $db | md5sum)" "$(md5sum <<<"$once")"
same "rows of users that it does not know stay" "$(sql $db -c "select count(*) from public.webhooks")" 1
check "new ones are held to its users" fails sql $db -c "insert into public.webhooks (user_id, name, url, events) values (gen_random_uuid(), 'x', 'http://a', '{*}')"

# ---------------------------------------------------------------- a project that has tables of these names

db=${run}_foreign; create_database $db
sql $db -c "create table public.notifications (id serial primary key, user_id int, body text)" \
  -c "insert into public.notifications (body) values ('ours')" \
  -c "create table public.users (id serial primary key)"
before=$(dump $db)
check "a project's own notifications: refused, with what it lacks" \
  refused 'table public.notifications lacks: .*dedupe_key text.*user_id uuid' migrate $db off
same "and nothing was changed" "$(dump $db | md5sum)" "$(md5sum <<<"$before")"
same "and nothing lost" "$(sql $db -c 'select body from public.notifications')" ours
check "with the application the users are in the way too" refused 'table public.users lacks: ' migrate $db on
sql $db -c "alter table public.notifications rename to app_notifications"; before=$(dump $db)
check "out of the way, the sidecar fits" migrate $db off
same "and leaves the project's tables as they were" \
  "$(pg_dump -d $db --schema-only -t public.app_notifications -t public.users | grep -Ev '^(\\|--|$)' | md5sum)" \
  "$(grep -Ev '^(\\|--|$)' <<<"$before" | md5sum)"

# a table that made room keeps the names of its indexes
db=${run}_indexes; create_database $db
sql $db -c "create table public.notifications (id int, user_id int, dedupe_key text)" \
  -c "create index notifications_user_idx on public.notifications (user_id)" \
  -c "create index notifications_dedupe_idx on public.notifications (dedupe_key)" \
  -c "alter table public.notifications rename to app_notifications"
check "beside indexes of our names" migrate $db off
check "and again" migrate $db off
same "ours have another name" "$(sql $db -c "select string_agg(indexrelid::regclass::text, ' ' order by indexrelid::regclass::text) from pg_index where indrelid = 'public.notifications'::regclass")" \
  "notifications_expires_idx notifications_pkey notifications_unread_idx pgherald_notifications_dedupe_idx pgherald_notifications_user_idx"
same "and there is dedupe" "$(sql $db -c "select public.create_notification('$nobody', 'x', p_dedupe_key => 'k') = public.create_notification('$nobody', 'x', p_dedupe_key => 'k')")" t

# every table, with a column that no table of ours has; every function and view
db=${run}_taken; create_database $db
names=$(sql ${run}_twice -c "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')")
for name in $names; do sql $db -c "create table public.$name (unknown int)"; done
sql $db -f sql/migrations/000_foundation.sql >/tmp/$run.refusal 2>&1
for name in $names; do check "a foreign table $name is seen" grep -q "table public.$name lacks: " /tmp/$run.refusal; done

db=${run}_kind; create_database $db
sql $db -c "create table public.audit_logs (id bigint, occurred_at timestamptz, commit_lsn pg_lsn, ordinal bigint, xid bigint, user_id uuid,
  action text, resource_type text, resource_id text, old_values jsonb, new_values jsonb, changed_fields text[], ip_address inet,
  session_id text, user_agent text, context jsonb)"
check "an audit_logs without partitions is refused" refused 'has the columns but is not partitioned' migrate $db off

# ---------------------------------------------------------------- a table that fits is shared, and survives

db=${run}_shared; create_database $db
sql $db -c "create table public.notifications (id uuid primary key default gen_random_uuid(), user_id uuid not null, type text, title text not null,
    message text, priority text not null default 'medium', data jsonb not null default '{}', is_read boolean not null default false, read_at timestamptz,
    seen_at timestamptz, archived_at timestamptz, expires_at timestamptz, created_at timestamptz not null default now(), rule_id uuid, dedupe_key text, mine int)" \
  -c "insert into public.notifications (user_id, title, mine) values (gen_random_uuid(), 'ours', 7)"
check "a table with all the columns is used" migrate $db off
same "with its rows" "$(sql $db -c "select title, mine from public.notifications")" "ours|7"
check "and again" migrate $db off
check "uninstall" uninstall $db
same "leaves it, with its rows" "$(sql $db -c "select title, mine from public.notifications")" "ours|7"
check "which can be written as before" sql $db -c "update public.notifications set is_read = true, read_at = now()"

# ---------------------------------------------------------------- uninstall

db=${run}_leave; create_database $db
check "not installed: says so" refused 'pgherald is not installed' uninstall $db
sql $db -c "create table public.todo (id int primary key)"; before=$(dump $db)
migrate $db off
sql $db -c "insert into public.audit_logs (action, resource_type) values ('x', 'y')" \
  -c "select pgherald.refresh_publication('${run}_pub', '{public}')" \
  -c "select pgherald.follow_tables('${run}_pub', '{public}', '{}')" \
  -c "select pgherald.track_all()" >/dev/null
check "uninstall, the audit trail too" uninstall_all $db
# the right to look into schema public is all that stays
same "leaves what was there" "$(dump $db | grep -Ev '^GRANT USAGE ON SCHEMA public TO (anon|authenticated|service_role);$' | md5sum)" "$(md5sum <<<"$before")"

migrate $db off
sql $db -c "insert into public.audit_logs (action, resource_type) values ('x', 'y')" \
  -c "insert into pgherald.checkpoints values ('$run', '0/1', '0/1')" \
  -c "select pg_create_logical_replication_slot('$run', 'test_decoding')" >/dev/null
pg_recvlogical=$(command -v pg_recvlogical || ls -d /usr/lib/postgresql/*/bin/pg_recvlogical 2>/dev/null | tail -1)
if [ -n "$pg_recvlogical" ]; then
  "$pg_recvlogical" -d $db -S $run --start -f /dev/null 2>/dev/null & reader=$!
  for i in $(seq 50); do [ "$(sql $db -c "select active from pg_replication_slots where slot_name = '$run'")" = t ] && break; sleep 0.1; done
  check "not while the daemon reads" refused "replication slot in use: $run" uninstall $db
  kill $reader; wait $reader 2>/dev/null
  for i in $(seq 50); do [ "$(sql $db -c "select active from pg_replication_slots where slot_name = '$run'")" = f ] && break; sleep 0.1; done
fi
sql $db -c "create trigger t before update on public.todo for each row execute function pgherald.set_updated_at()"
check "not while the project uses our functions" refused 'trigger t on todo' uninstall $db
sql $db -c "drop trigger t on public.todo"
check "uninstall" uninstall $db
same "the slot is gone" "$(sql $db -c "select count(*) from pg_replication_slots where slot_name = '$run'")" 0
same "schema pgherald is gone" "$(sql $db -c "select to_regnamespace('pgherald')")" ""
same "the tables are gone" "$(sql $db -c "select string_agg(relname, ' ' order by relname) from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v')")" "audit_logs todo"
same "the functions are gone" "$(sql $db -c "select count(*) from pg_proc where pronamespace = 'public'::regnamespace")" 0
same "the audit trail is there" "$(sql $db -c "select action from public.audit_logs")" x
check "and protected" refused 'the audit trail is append only' sql $db -c "delete from public.audit_logs"
same "schema realtime is gone" "$(sql $db -c "select to_regnamespace('realtime')")" ""
check "install again" migrate $db off
sql $db -c "create policy p on public.todo using (realtime.topic() = 'x')"
check "uninstall beside a policy that asks for the topic" uninstall $db
same "leaves that function" "$(sql $db -c "select string_agg(proname, ' ') from pg_proc where pronamespace = to_regnamespace('realtime')")" topic
check "install again" migrate $db off
same "the trail goes on" "$(sql $db -c "select public.create_audit_log('back', 'again') > 1")" t
# ---------------------------------------------------------------- a platform's schema realtime

db=${run}_platform; create_database $db
sql $db -v installer=${run}_plain -v auth_admin=${run}_plain_auth -v realtime_admin=${run}_plain_realtime -f tests/sql/supabase_like.sql >/dev/null
platform() { pg_dump --schema-only -n realtime -d $db | grep -Ev '^(\\restrict|\\unrestrict|--|$)' | md5sum; }
before=$(platform)
as=${run}_plain check "beside it" migrate $db off
same "is as it was" "$(platform)" "$before"
check "uninstall" uninstall_all $db
same "leaves it" "$(platform)" "$before"
sql $db -c "drop table realtime.messages"
as=${run}_plain check "an older one without messages does not stop the rest" migrate $db off
check "but is told" grep -q "schema realtime has no table messages, and ${run}_plain may not make one" \
  <(PGOPTIONS="-c role=${run}_plain" sql $db -f sql/migrations/015_realtime_messages.sql 2>&1)
same "nobody is let in" "$(sql $db -c "select read_broadcast, problem from pgherald.realtime_authorize('[{\"session\": 0, \"topic\": \"t\"}]', '[{\"role\": \"service_role\", \"claims\": \"{}\"}]')")" \
  "f|42P01 there is no table realtime.messages"
sql $db -c "revoke usage on schema realtime from ${run}_plain"
as=${run}_plain check "nor does one that it may not look into" migrate $db off
check "uninstall as who may not look either" env PGOPTIONS="-c role=${run}_plain" psql -XqAt -v ON_ERROR_STOP=1 -d $db -1 -f sql/uninstall.sql

# ---------------------------------------------------------------- the end

check "the whole application is not taken out" refused 'the whole seed application' uninstall ${run}_twice

rm -f /tmp/$run.*
echo "1..$n"
exit $failed
