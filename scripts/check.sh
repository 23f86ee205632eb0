#!/bin/bash
# Installs what the tests need, runs all of them, and ends with "N passed, N failed" on a line of its
# own. A suite is a program whose last such line counts; one without that line counts as one test,
# by its exit code.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
. scripts/lib.sh

build=${BUILD:-build${SAN:+/san}} # as the Makefile has it
dir=$build/check
PGHERALD_BINARY=$(realpath -m "$build/pgherald")
export PGHERALD_BINARY
passed=0
failed=0
pg_port=

add() { # name passed failed
  passed=$((passed + $2))
  failed=$((failed + $3))
  summary="${summary:-}$(printf '  %-24s %5d passed, %d failed' "$1" "$2" "$3")
"
}

finish() {
  if [ -n "$pg_port" ]; then scripts/cluster.sh stop "$dir" "$pg_port" >/dev/null || true; fi
  printf '\n%s\n' "${summary:-}"
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
  local name=$1 code=0 line
  say "==== $name"
  run_logged "$@" || code=$?
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
  local name=$1 code=0 good bad
  say "==== $name"
  run_logged "$@" || code=$?
  good=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s).*/\1/p' "$dir/$name.log" | awk '{n += $1} END {print n + 0}')
  bad=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s).*/\1/p' "$dir/$name.log" | awk '{n += $1} END {print n + 0}')
  if [ "$code" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi # it did not build, or a program died
  add "$name" "$good" "$bad"
}

scripts/bootstrap.sh test || die "cannot go on without the packages"
mkdir -p "$dir"
trap 'exit 130' INT TERM

say "==== build"
if run_logged build make --no-print-directory -s -j"$(nproc)" WERROR=1 all; then
  add build 1 0
else
  add build 0 1
  finish
fi

unit_suite unit make --no-print-directory -s -j"$(nproc)" WERROR=1 unit
if [ -z "${SAN:-}" ]; then
  unit_suite unit-sanitized make --no-print-directory -s -j"$(nproc)" WERROR=1 SAN=address,undefined BUILD="$build/san" unit
fi

suite fuzz-corpus env FUZZ_BUILD="$build/fuzz-replay" bash tests/fuzz/replay.sh

pg_port=$(free_port $((24000 + RANDOM % 900)))
if scripts/cluster.sh start "$dir" "$pg_port"; then
  suite sql env PGHOST=127.0.0.1 PGPORT="$pg_port" PGUSER=postgres bash tests/sql/run.sh
  if run_logged rls-property-build make --no-print-directory -s -j"$(nproc)" WERROR=1 "$build/tests/rls_property"; then
    suite rls-property env PGHOST=127.0.0.1 PGPORT="$pg_port" PGUSER=postgres RLS_PROPERTY="$build/tests/rls_property" bash tests/property/run.sh
  else
    add rls-property 0 1
  fi
else
  pg_port=
  add sql 0 1
fi
suite e2e bash tests/e2e/run.sh
# with the other output plugin, what depends on how changes are decoded; decoders.test.mjs is above
suite e2e-pgoutput env PGHERALD_PLUGIN=pgoutput bash tests/e2e/run.sh main values rules realtime from_sql exactly_once \
  huge_transaction audit_types audit_context audit_policies

# The daemon itself under the sanitizers. A complaint is an exit code, which the tests look at.
sanitized_suite() { # sanitizers files...
  local sanitizers=$1 name=e2e-${1%%,*}
  shift
  if run_logged "$name-build" make --no-print-directory WERROR=1 SAN="$sanitizers" BUILD="$build/$name" all >/dev/null; then
    suite "$name" env PGHERALD_BINARY="$build/$name/pgherald" bash tests/e2e/run.sh "$@"
  else
    tail -n 20 "$dir/$name-build.log"
    add "$name" 0 1
  fi
}
if [ -z "${SAN:-}" ]; then
  sanitized_suite address,undefined main operation realtime policies rules webhooks
  sanitized_suite thread main realtime policies rules
fi
finish
