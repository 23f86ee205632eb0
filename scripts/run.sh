#!/bin/bash
# The main job on this machine: a private PostgreSQL with the seed application, the daemon, a light
# stream of changes, a receiver of webhooks. Ctrl-C stops everything. Each run starts with a fresh
# database; the files are in build/run.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

build=${BUILD:-build}
dir=$build/run
pg_port=${PGHERALD_RUN_PG_PORT:-54329}
receiver_port=${PGHERALD_RUN_RECEIVER_PORT:-54330}
export PGHERALD_LISTEN=${PGHERALD_LISTEN:-127.0.0.1:4000}
export PGHERALD_ADMIN_LISTEN=${PGHERALD_ADMIN_LISTEN:-127.0.0.1:4001}
export PGHERALD_DATABASE_URL=postgresql://postgres@127.0.0.1:$pg_port/demo
export PGHERALD_SLOT_NAME=demo PGHERALD_WEBHOOK_ALLOW_PRIVATE=on
user=00000000-0000-4000-8000-000000000001

scripts/bootstrap.sh run
make --no-print-directory -s all

for address in "$PGHERALD_LISTEN" "$PGHERALD_ADMIN_LISTEN" "127.0.0.1:$receiver_port"; do
  if port_is_taken "${address##*:}"; then
    die "port ${address##*:} is taken by another program (is another make run at work?): stop it, or choose other
addresses: PGHERALD_LISTEN=127.0.0.1:4100 PGHERALD_ADMIN_LISTEN=127.0.0.1:4101 PGHERALD_RUN_RECEIVER_PORT=54340 make run"
  fi
done

children=
daemon=
# shellcheck disable=SC2317  # called by the trap
stop_everything() {
  local code=$?
  trap '' INT TERM
  trap - EXIT
  if [ -n "$daemon" ]; then
    kill -TERM "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
  fi
  for child in $children; do kill "$child" 2>/dev/null || true; done
  scripts/cluster.sh stop "$dir" "$pg_port" || true
  exit "$code"
}
trap stop_everything EXIT
trap 'exit 0' INT TERM # to be stopped is how a run ends

scripts/cluster.sh start "$dir" "$pg_port"

# The user that the daemon will be may have no way to this folder: then it stays us.
as_daemon() { "$@"; }
exec_daemon() { exec "$@"; }
if as_unprivileged test -x "$build/pgherald" 2>/dev/null; then
  as_daemon() { as_unprivileged "$@"; }
  exec_daemon() { exec_unprivileged "$@"; }
fi

sql() { # database options...
  local database=$1
  shift
  psql -XqAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$pg_port" -U postgres -d "$database" "$@"
}

sql postgres -c "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'demo'" >/dev/null
sql postgres -c "set client_min_messages = warning" -c "drop database if exists demo with (force)"
sql postgres -c "create database demo"

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
PGHERALD_JWT_SECRET=$(random_hex 32)
export PGHERALD_JWT_SECRET
webhook_secret=whsec_$(head -c 24 /dev/urandom | base64)

# An HS256 token of a day, for a role and a user.
token() { # role user
  SECRET=$PGHERALD_JWT_SECRET perl -MDigest::SHA=hmac_sha256 -MMIME::Base64=encode_base64url -e '
    my $head = encode_base64url(q({"alg":"HS256","typ":"JWT"}));
    my $body = encode_base64url(sprintf q({"role":"%s","sub":"%s","exp":%d}), @ARGV, time + 86400);
    print join ".", $head, $body, encode_base64url(hmac_sha256("$head.$body", $ENV{SECRET}));
  ' "$1" "$2"
}

as_daemon "$build/pgherald" init --with-seed-app >"$dir/init.log" || { cat "$dir/init.log"; exit 1; }
sql demo -v receiver="http://127.0.0.1:$receiver_port/" -v secret="$webhook_secret" -f scripts/demo/data.sql

perl scripts/demo/receiver.pl "$receiver_port" "$webhook_secret" >"$dir/receiver.log" 2>&1 &
children="$children $!"

(exec_daemon "$build/pgherald" run) 2>"$dir/pgherald.log" &
daemon=$!

ready=
for _ in $(seq 100); do
  if as_daemon "$build/pgherald" status >/dev/null 2>&1; then ready=yes; break; fi
  kill -0 "$daemon" 2>/dev/null || break
  sleep 0.2
done
if [ -z "$ready" ]; then
  tail -n 20 "$dir/pgherald.log" >&2
  as_daemon "$build/pgherald" status || true
  die "the daemon did not get ready; the end of $dir/pgherald.log is above"
fi

(
  trap 'exit 0' INT TERM
  while sql demo -f scripts/demo/changes.sql >/dev/null 2>>"$dir/changes.log"; do sleep 1; done
) &
children="$children $!"

cat <<MESSAGE

pgherald is at work. Open in a browser, as service_role, which sees every row:

  http://$PGHERALD_LISTEN/#token=$(token service_role "$user")

Ada's token, who sees her own rows only:

  $(token authenticated "$user")

Try, in another terminal:

  psql -h 127.0.0.1 -p $pg_port -U postgres demo
    select occurred_at, action, resource_type, changed_fields from audit_logs order by id desc limit 5;
    select title, message, priority from notifications order by created_at desc limit 5;
    update memories set title = 'seen live' where id = (select id from memories limit 1);
  curl http://$PGHERALD_ADMIN_LISTEN/metrics
  PGHERALD_DATABASE_URL=$PGHERALD_DATABASE_URL PGHERALD_SLOT_NAME=demo PGHERALD_ADMIN_LISTEN=$PGHERALD_ADMIN_LISTEN $build/pgherald status
  tail -f $dir/receiver.log        (webhooks that arrived, with their signatures checked)
  tail -f $dir/pgherald.log

Ctrl-C stops everything.

MESSAGE

code=0
wait "$daemon" || code=$?
daemon=
say "the daemon ended with code $code; its log is $dir/pgherald.log"
exit "$code"
