#!/bin/bash
# make bench: measures, each figure beside its ceiling or peer from the same run.
#
#   scripts/bench.sh             everything
#   scripts/bench.sh backlog     only this (the names are the files of tests/bench)
#
# BENCH_CHANGES=500000 sets how large the backlog is, BENCH_CLIENTS=1000 how wide the fan-out,
# BENCH_DELIVERIES=40000 how many webhooks there are. Results stay in build/bench.json.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
scripts/bootstrap.sh bench
make --no-print-directory all
npm_install tests/e2e
PATH=$PWD/tests/e2e/node_modules/.bin:$PATH
exec node tests/bench/run.mjs "$@"
