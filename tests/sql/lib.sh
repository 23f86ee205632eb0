# What the shell tests share; sourced with the project's root as the working directory.

run=pgherald_sqltest_$$
app=${run}_app
sidecar=${run}_sidecar
supabase=${run}_supabase
open=${run}_open
arrays=${run}_arrays
installer=${run}_installer
failed=0
export PGHOST PGPORT PGUSER PGDATABASE=postgres

sql() { # database psql-options...
  local db=$1; shift
  PGOPTIONS="-c client_min_messages=warning ${PGOPTIONS:-}" psql -XqAt -v ON_ERROR_STOP=1 -d "$db" "$@"
}

create_database() { sql postgres -c "create database $1"; }

# The migrations in order, each in a transaction, as `pgherald init` runs them. $as is the
# role to be, if not the session's own. Sidecar only: off.
migrate() { # database on|off
  local file
  for file in sql/migrations/*.sql; do
    if [ "$2" = off ] && head -1 "$file" | grep -q 'set=seed'; then continue; fi
    PGOPTIONS="-c pgherald.seed_app=$2 ${as:+-c role=$as}" sql "$1" -1 -f "$file" >/dev/null || return 1
  done
}

# What a database consists of. The tokens that newer pg_dumps print differ from run to run.
dump() { pg_dump --schema-only -d "$1" | grep -Ev '^(\\restrict|\\unrestrict|--|$)'; }

drop_everything() {
  local db
  for db in $(sql postgres -c "select datname from pg_database where datname like '${run}\_%'"); do
    sql postgres -c "drop database $db with (force)"
  done
  for db in $(sql postgres -c "select rolname from pg_roles where rolname like '${run}\_%'"); do
    sql postgres -c "revoke anon, authenticated, service_role from $db" -c "drop role $db" 2>/dev/null ||
      sql postgres -c "drop role $db"
  done
}
trap drop_everything EXIT

n=0
check() { # description command...: the command must succeed
  local what=$1; shift
  n=$((n + 1))
  if "$@" >/tmp/$run.out 2>&1; then
    echo "ok $n - $what"
  else
    echo "not ok $n - $what"
    sed 's/^/# /' /tmp/$run.out
    failed=1
  fi
  rm -f /tmp/$run.out
}
same() { # description have want
  check "$1" test "$2" = "$3"
  [ "$2" = "$3" ] || printf '# have: %s\n# want: %s\n' "$2" "$3"
}
