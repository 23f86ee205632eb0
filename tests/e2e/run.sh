#!/bin/bash
# The end-to-end tests: one throwaway cluster for the run, a database of its own for each file.
#
#   tests/e2e/run.sh                     all of them
#   tests/e2e/run.sh realtime webhooks   only these files
#
# PGHERALD_BINARY is the program to try, build/pgherald unless said. Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
. scripts/lib.sh
top=$(pwd)

PGHERALD_BINARY=$(realpath -m "${PGHERALD_BINARY:-build/pgherald}")
[ -x "$PGHERALD_BINARY" ] || die "$PGHERALD_BINARY is not there; run make first"
export PGHERALD_BINARY

npm_install tests/e2e
# The clients want a newer node than Debian 12 has; npm brings one along.
PATH=$top/tests/e2e/node_modules/.bin:$PATH

folder=$(mktemp -d "${TMPDIR:-/tmp}/pgherald-e2e.XXXXXX")
chmod 755 "$folder"
# Another run may be looking for a port at this very moment; those from 32768 on are also lent to clients.
port=$(free_port $((25000 + RANDOM % 5000)))
# What the tests put into the temporary directory goes with the run.
export TMPDIR=$folder/tmp
mkdir -m 1777 "$TMPDIR"
stop() {
  local own
  for own in "$folder" "$TMPDIR"/pgherald-e2e-*/; do
    [ ! -d "$own" ] || "$top/scripts/cluster.sh" stop "$own" "$port" immediate >/dev/null
  done
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM
scripts/cluster.sh start "$folder" "$port" || exit
export PGHERALD_TEST_CLUSTER=$port

files=()
for name in "${@:-}"; do
  if [ -n "$name" ]; then files+=("$name.test.mjs"); fi
done
cd tests/e2e || exit
[ ${#files[@]} -gt 0 ] || files=(*.test.mjs)
# One file after another: each wants the machine for itself, and slots wait for each other's snapshots.
node --test --test-force-exit --test-concurrency=1 --test-reporter=spec "${files[@]}" | tee "$folder/report"
code=${PIPESTATUS[0]}
count() { sed -n "s/^ℹ $1 \([0-9]*\)$/\1/p" "$folder/report" | tail -n 1; }
passed=$(count pass)
failed=$(($(count fail) + $(count cancelled)))
if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
echo "${passed:-0} passed, $failed failed"
exit "$code"
