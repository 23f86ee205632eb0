#!/bin/bash
# Installs what the tests need, runs all of them, and ends with "N passed, N failed" on a line of its
# own. A suite is a program whose last such line counts; one without that line counts as one test,
# by its exit code.
#
# FULL=1 tries every pair of an output plugin and a build of the daemon, not only each of them.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
. scripts/lib.sh

build=${BUILD:-build${SAN:+/san}} # as the Makefile has it
dir=$build/check
PGHERALD_BINARY=$(realpath -m "$build/pgherald")
export PGHERALD_BINARY PGHERALD_CLUSTER_THROWAWAY=1
# Files of the end-to-end tests side by side: most of their time they wait.
export PGHERALD_TEST_LANES=${PGHERALD_TEST_LANES:-3}
# Nothing here is timed, and the machine may have other work.
export PGHERALD_TEST_PATIENCE=${PGHERALD_TEST_PATIENCE:-3} PGHERALD_TEST_AGAIN=1
pg_port=
suite_limit=2400 # seconds: four times what the longest takes

# Kept in a file, since suites may run side by side.
add() { # name passed failed
  printf '%s %d %d %d\n' "$@" $((SECONDS - since)) >>"$dir/results"
}

finish() {
  local passed failed
  if [ -n "$pg_port" ]; then scripts/cluster.sh stop "$dir" "$pg_port" >/dev/null || true; fi
  say
  awk '{printf "%s%s %d s", (NR > 1 ? ", " : "took: "), $1, $4} END {print ""}' "$dir/results"
  awk '{printf "  %-24s %5d passed, %d failed\n", $1, $2, $3}' "$dir/results"
  say
  read -r passed failed < <(awk '{good += $2; bad += $3} END {print good + 0, bad + 0}' "$dir/results")
  say "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
  exit
}

# Runs a command, shows what it says, keeps it in a file.
run_logged() { # name command...
  local log=$dir/$1.log
  shift
  "$@" 2>&1 | tee "$log"
  return "${PIPESTATUS[0]}"
}

suite() { # name command...
  local name=$1 code=0 line since=$SECONDS
  shift
  say "==== $name"
  run_logged "$name" timeout --foreground -k 30 "$suite_limit" "$@" || code=$?
  [ "$code" -ne 124 ] || say "$name: not done after $suite_limit s"
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$dir/$name.log" | tail -n 1)
  if [ -n "$line" ]; then
    # shellcheck disable=SC2086  # two words
    set -- ${line//[a-z,]/}
  else
    set -- $((code == 0)) $((code != 0))
  fi
  if [ "$code" -ne 0 ] && [ "$2" -eq 0 ]; then set -- "$1" 1; fi # it failed without saying where
  add "$name" "$1" "$2"
}

# cmocka counts for itself, once a program.
unit_suite() { # name make-arguments...
  local name=$1 code=0 good bad since=$SECONDS
  say "==== $name"
  run_logged "$@" || code=$?
  good=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s).*/\1/p' "$dir/$name.log" | awk '{n += $1} END {print n + 0}')
  bad=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s).*/\1/p' "$dir/$name.log" | awk '{n += $1} END {print n + 0}')
  if [ "$code" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi # it did not build, or a program died
  add "$name" "$good" "$bad"
}

build_all() {
  local since=$SECONDS
  say "==== build"
  if run_logged build make --no-print-directory -s -j"$(nproc)" WERROR=1 all "$build/tests/rls_property"; then
    add build 1 0
  else
    add build 0 1
    finish
  fi
}

make_sanitized() { # sanitizers folder targets...
  make --no-print-directory -s -j"$(nproc)" WERROR=1 SAN="$1" BUILD="$build/$2" "${@:3}"
}

# What wants the compiler: the daemon under the sanitizers is made here for later.
on_code() {
  unit_suite unit make --no-print-directory -s -j"$(nproc)" WERROR=1 unit
  if [ -z "${SAN:-}" ]; then
    unit_suite unit-sanitized make_sanitized address,undefined san unit
    make_sanitized address,undefined san all
    make_sanitized thread tsan all
  fi
  suite lint env BUILD="$build" bash scripts/lint.sh cppcheck tidy
  # with the objects of the sanitized unit tests, where there are such
  suite fuzz-corpus env FUZZ_BUILD="$build/${SAN:+fuzz-}san" bash tests/fuzz/replay.sh
  [ -n "${SAN:-}" ] || suite out-of-memory env STARVE_BUILD="$build" bash tests/fuzz/starve.sh
}

# What mostly keeps one PostgreSQL process busy.
on_sql() {
  suite sql bash tests/sql/run.sh
  suite rls-property env RLS_PROPERTY="$build/tests/rls_property" bash tests/property/run.sh
}

end_to_end() { # name plugin files...
  suite "$1" env PGHERALD_PLUGIN="$2" bash tests/e2e/run.sh "${@:3}"
}

# The daemon itself under the sanitizers. A complaint is an exit code, which the tests look at.
sanitized() { # name folder plugin files...
  TZ=UTC PGHERALD_BINARY=$build/$2/pgherald end_to_end "$1" "$3" "${@:4}"
}

scripts/bootstrap.sh test || die "cannot go on without the packages"
mkdir -p "$dir"
: >"$dir/results"
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM
build_all

pg_port=$(free_port $((24000 + RANDOM % 900)))
if scripts/cluster.sh start "$dir" "$pg_port"; then
  export PGHOST=127.0.0.1 PGPORT=$pg_port PGUSER=postgres
  on_sql >"$dir/on_sql.log" 2>&1 &
  on_code
  wait
  cat "$dir/on_sql.log"
  unset PGHOST PGPORT PGUSER
else
  pg_port=
  since=$SECONDS add sql 0 1
  on_code
fi

end_to_end e2e wal2json
if [ -n "${SAN:-}" ]; then
  end_to_end e2e-pgoutput pgoutput
  finish
fi
if [ -z "${FULL:-}" ]; then
  # the other plugin and the sanitizers of memory at once; what needs the ordinary malloc() without them
  sanitized e2e-pgoutput san pgoutput
  end_to_end e2e-memory pgoutput memory huge_transaction
  # each loop of the daemon once: all of it takes as long as all the rest
  sanitized e2e-thread tsan wal2json main operation realtime policies rules loops webhooks jobs http keys
else
  end_to_end e2e-pgoutput pgoutput
  for plugin in wal2json pgoutput; do
    sanitized "e2e-address-$plugin" san "$plugin"
    sanitized "e2e-thread-$plugin" tsan "$plugin"
  done
fi
finish
