#!/bin/bash
# Tests everything in sql/ against the server that PGHOST, PGPORT and PGUSER name (a
# superuser; postgresql-15-pgtap and pg_prove have to be installed). Makes databases of its own,
# drops them again, ends with "N passed, N failed", and exits non-zero when anything failed. With file names as arguments only
# those pgTAP files are run, against the whole application:
#
#   PGHOST=/tmp PGPORT=5432 PGUSER=postgres tests/sql/run.sh [tests/sql/04_notifications.sql ...]
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/sql/lib.sh

command -v pg_prove >/dev/null || { echo "tests/sql: pg_prove is missing: apt-get install libtap-parser-sourcehandler-pgtap-perl" >&2; exit 2; }
[ -n "$(sql postgres -c "select 1 from pg_available_extensions where name = 'pgtap'")" ] ||
  { echo "tests/sql: the server lacks pgtap: apt-get install postgresql-15-pgtap" >&2; exit 2; }

passed=0
wrong=0
report=$(mktemp)
trap 'drop_everything; rm -f "$report"' EXIT

# pg_prove says how many tests there were, and how many of them failed.
prove() { # database files...
  local db=$1 total bad
  shift
  echo "# $db"
  PGOPTIONS='-c search_path=tap,public -c client_min_messages=warning' pg_prove -d "$db" "$@" 2>&1 | tee "$report"
  [ "${PIPESTATUS[0]}" -eq 0 ] || failed=1
  total=$(sed -n 's/^Files=[0-9]*, Tests=\([0-9]*\),.*/\1/p' "$report")
  bad=$(sed -n 's/.* Failed: \([0-9]*\))$/\1/p' "$report" | awk '{n += $1} END {print n + 0}')
  passed=$((passed + ${total:-0} - bad))
  wrong=$((wrong + bad))
}

# A script of its own is a list of "ok" and "not ok".
script() { # file
  bash "$1" 2>&1 | tee "$report"
  [ "${PIPESTATUS[0]}" -eq 0 ] || failed=1
  passed=$((passed + $(grep -c '^ok' "$report")))
  wrong=$((wrong + $(grep -c '^not ok' "$report")))
}

create_database "$app"
migrate "$app" on
sql "$app" -f tests/sql/helpers.sql
if [ $# -gt 0 ]; then
  prove "$app" "$@"
  exit "$failed"
fi
prove "$app" tests/sql/0*.sql tests/sql/10_*.sql tests/sql/11_*.sql tests/sql/12_*.sql tests/sql/13_*.sql tests/sql/15_*.sql tests/sql/16_*.sql tests/sql/21_*.sql tests/sql/22_*.sql tests/sql/23_*.sql tests/sql/25_*.sql tests/sql/26_*.sql tests/sql/27_*.sql tests/sql/30_*.sql tests/sql/34_*.sql

# Where the server has pgvector the application was just tested with it; now without.
if [ -n "$(sql postgres -c "select 1 from pg_available_extensions where name = 'vector'")" ]; then
  create_database "$arrays"
  sql "$arrays" -c "create function public.no_vector() returns event_trigger language plpgsql as
      \$\$ begin raise 'there is no vector here' using errcode = 'feature_not_supported'; end \$\$" \
    -c "create event trigger no_vector on ddl_command_start when tag in ('CREATE EXTENSION') execute function public.no_vector()"
  migrate "$arrays" on
  sql "$arrays" -c "drop function public.no_vector() cascade" -f tests/sql/helpers.sql
  prove "$arrays" tests/sql/01_*.sql tests/sql/09_*.sql
fi

create_database "$sidecar"
migrate "$sidecar" off
sql "$sidecar" -f tests/sql/helpers.sql
prove "$sidecar" tests/sql/0[3-7]_*.sql tests/sql/10_*.sql tests/sql/11_*.sql tests/sql/15_*.sql tests/sql/16_*.sql tests/sql/21_*.sql tests/sql/22_*.sql tests/sql/23_*.sql tests/sql/25_*.sql tests/sql/26_*.sql tests/sql/27_*.sql tests/sql/30_*.sql tests/sql/34_*.sql

create_database "$supabase"
sql "$supabase" -v installer="$installer" -v auth_admin="$installer"_auth -v realtime_admin="$installer"_realtime -f tests/sql/supabase_like.sql >/dev/null
as=$installer migrate "$supabase" on
as=$installer migrate "$supabase" on
sql "$supabase" -f tests/sql/helpers.sql
prove "$supabase" tests/sql/0*.sql tests/sql/10_*.sql tests/sql/11_*.sql tests/sql/14_*.sql tests/sql/15_*.sql tests/sql/16_*.sql tests/sql/21_*.sql tests/sql/22_*.sql tests/sql/23_*.sql tests/sql/25_*.sql tests/sql/26_*.sql

# Default privileges that are bound to no schema give away even more.
create_database "$open"
for kind in tables functions sequences schemas; do
  sql "$open" -c "alter default privileges grant all on $kind to public, anon, authenticated, service_role"
done
migrate "$open" on
sql "$open" -c "alter default privileges revoke all on schemas from public, anon, authenticated, service_role" -f tests/sql/helpers.sql
prove "$open" tests/sql/10_*.sql tests/sql/15_*.sql tests/sql/15_*.sql

echo "# life of an installation"
script tests/sql/lifecycle.sh
echo "# two sessions at a time"
script tests/sql/concurrency.sh

if [ "$failed" -ne 0 ] && [ "$wrong" -eq 0 ]; then wrong=1; fi
echo "$passed passed, $wrong failed"
exit "$failed"
