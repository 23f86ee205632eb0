#!/bin/bash
# A private PostgreSQL in a folder of its own, for trying things and for tests:
#
#   scripts/cluster.sh start DIR PORT          makes it if need be; fine if it runs already
#   scripts/cluster.sh stop DIR PORT [MODE]    MODE as of pg_ctl: smart, fast (the default), immediate
#   scripts/cluster.sh status DIR PORT         exits 0 if it runs
#
# With PGHERALD_CLUSTER_THROWAWAY=1 nothing is forced to the disk: fine for a test, which takes no power away.
# User postgres, no password, on 127.0.0.1:PORT only. wal_level is logical and wal2json is let in.
# As root it runs as another user, since PostgreSQL refuses root.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

[ $# -ge 3 ] || die "usage: scripts/cluster.sh start|stop|status DIR PORT"
verb=$1 port=$3 mode=${4:-fast} throwaway=${PGHERALD_CLUSTER_THROWAWAY:-}
mkdir -p "$2"
dir=$(cd "$2" && pwd)
place=$dir # where the files are: elsewhere when the user cannot reach the folder

find_programs() {
  local bin
  for bin in /usr/lib/postgresql/15/bin /usr/lib/postgresql/*/bin "$(pg_config --bindir 2>/dev/null || true)"; do
    [ -x "$bin/initdb" ] && { echo "$bin"; return; }
  done
  die "PostgreSQL's server programs are not installed; scripts/bootstrap.sh run installs them"
}
bin=$(find_programs)

# Written down, so that stop finds them again.
remember() { printf '%s\n' "$2" >"$dir/$1"; }
recall() { if [ -f "$dir/$1" ]; then cat "$dir/$1"; fi; }

choose_place() {
  place=$(recall place)
  [ -d "$place" ] || place=
  if [ -z "$place" ] && [ "$(id -u)" -eq 0 ]; then
    chown "$(unprivileged_user)" "$dir"
    if ! as_unprivileged test -x "$dir"; then
      place=$(mktemp -d /var/tmp/pgherald-cluster.XXXXXX)
      chown "$(unprivileged_user)" "$place"
      remember place "$place"
      say "$dir cannot be reached by $(unprivileged_user), so the cluster's files are in $place"
    fi
  fi
  place=${place:-$dir}
}

# A socket's path has at most 107 bytes.
choose_socket() {
  socket=$(recall socket-path)
  if [ -z "$socket" ] || [ ! -d "$socket" ]; then
    socket=$place/socket
    if [ ${#socket} -gt 80 ]; then
      socket=$(mktemp -d /tmp/pgherald.XXXXXX)
      if [ "$(id -u)" -eq 0 ]; then chown "$(unprivileged_user)" "$socket"; fi
    fi
    remember socket-path "$socket"
  fi
  as_unprivileged mkdir -p "$socket"
}

run_in_place() { (cd "$place" && as_unprivileged "$@"); }
is_running() { [ -d "$place/data" ] && run_in_place "$bin/pg_ctl" -D "$place/data" status >/dev/null 2>&1; }
running_port() { sed -n 4p "$place/data/postmaster.pid"; }

make_cluster() {
  local report
  report=$(run_in_place "$bin/initdb" -D "$place/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-instructions ${throwaway:+--no-sync} 2>&1) ||
    { printf '%s\n' "$report" >&2; die "initdb failed in $place/data"; }
  run_in_place sh -c "echo \"include = 'pgherald.conf'\" >>data/postgresql.conf"
}

write_settings() {
  run_in_place tee "$place/data/pgherald.conf" >/dev/null <<SETTINGS
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$socket'
wal_level = logical
max_replication_slots = 40
max_wal_senders = 40
max_connections = 200
fsync = $([ -n "$throwaway" ] && echo off || echo on)
SETTINGS
  # An older server does not know this setting and would not start with it.
  if run_in_place "$bin/postgres" -D "$place/data" -C output_plugin_libraries >/dev/null 2>&1; then
    echo "output_plugin_libraries = 'pgoutput, test_decoding, wal2json'" |
      run_in_place tee -a "$place/data/pgherald.conf" >/dev/null
  fi
}

start() {
  choose_place
  if is_running; then
    [ "$(running_port)" = "$port" ] || die "the cluster in $dir runs already, on port $(running_port)"
    say "PostgreSQL runs already on 127.0.0.1:$port"
    return
  fi
  if port_is_taken "$port"; then
    die "port $port is taken by another program: stop it (ss -ltnp shows it), or choose another port"
  fi
  choose_socket
  [ -f "$place/data/PG_VERSION" ] || make_cluster
  write_settings
  if ! run_in_place "$bin/pg_ctl" -D "$place/data" -l "$place/log" -w -t 60 start >/dev/null; then
    tail -n 20 "$place/log" >&2
    die "PostgreSQL did not start; the end of $place/log is above"
  fi
  say "PostgreSQL runs on 127.0.0.1:$port, its log is $place/log"
}

stop() {
  choose_place
  if is_running; then
    run_in_place "$bin/pg_ctl" -D "$place/data" -w -t 60 -m "$mode" stop >/dev/null ||
      die "PostgreSQL in $place did not stop"
    say "PostgreSQL has stopped"
  fi
  socket=$(recall socket-path)
  case $socket in
    /tmp/pgherald.*) rm -rf "$socket" "$dir/socket-path" ;;
  esac
}

status() {
  choose_place
  if is_running; then
    say "running on 127.0.0.1:$(running_port)"
  else
    say "not running"
    return 3
  fi
}

case $verb in
  start | stop | status) "$verb" ;;
  *) die "usage: scripts/cluster.sh start|stop|status DIR PORT" ;;
esac
