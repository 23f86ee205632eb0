#!/bin/bash
# make limits: what happens at the limits, each an experiment; see tests/bench/limits/run.mjs.
#
#   scripts/limits.sh              all, at full size: needs 25 GB of disk and an hour
#   scripts/limits.sh small        all, small
#   scripts/limits.sh rows         only this one; PGHERALD_PLUGIN=pgoutput with the other plugin
#
# PGHERALD_BINARY is the program to try, build/pgherald unless said. Results stay in build/limits.json.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
if [ -z "${PGHERALD_BINARY:-}" ]; then
  scripts/bootstrap.sh bench
  make --no-print-directory all
fi
npm_install tests/e2e
PATH=$PWD/tests/e2e/node_modules/.bin:$PATH
exec node tests/bench/limits/run.mjs "$@"
