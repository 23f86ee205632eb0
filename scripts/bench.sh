#!/bin/bash
# make bench: measures, each figure beside its ceiling or peer from the same run.
#
#   scripts/bench.sh                  everything, about two minutes (make bench)
#   LONG=1 scripts/bench.sh           the same with long runs and medians of several (make bench LONG=1)
#   scripts/bench.sh backlog steady   only these; the names are the files of tests/bench
#
# BENCH_<WHAT> sets one size, such as BENCH_CHANGES=500000; each file begins with its sizes.
# Results stay in build/bench.json, a plot of them in build/bench.svg.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
scripts/bootstrap.sh bench
make --no-print-directory all
npm_install tests/e2e
PATH=$PWD/tests/e2e/node_modules/.bin:$PATH
exec node tests/bench/run.mjs "$@"
