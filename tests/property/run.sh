#!/bin/bash
# Random policies, rows and claims against the server that PGHOST, PGPORT and PGUSER name (a
# superuser; its ICU collations are used). Makes a database of its own and drops it again; roles
# prop_* stay. Ends with "N passed, N failed".
#
#   PGHOST=127.0.0.1 PGPORT=5432 PGUSER=postgres tests/property/run.sh [TABLES]
#
# PGHERALD_PROPERTY_SEED repeats a run. RLS_PROPERTY is the program, build/tests/rls_property unless
# said (make build/tests/rls_property).
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib.sh

program=${RLS_PROPERTY:-build/tests/rls_property}
[ -x "$program" ] || die "$program is not there; run make $program first"
db=rls_property_$$
url="postgresql://$PGUSER@$PGHOST:$PGPORT/$db"

psql -qX -d postgres -c "create database $db"
trap 'psql -qX -d postgres -c "drop database if exists $db with (force)"' EXIT
for migration in sql/migrations/*.sql; do
  PGOPTIONS='-c client_min_messages=error -c pgherald.seed_app=off' psql -qX -d "$db" -v ON_ERROR_STOP=1 -1 -f "$migration" >/dev/null
done
"$program" "$url" "${1:-40}"
