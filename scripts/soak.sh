#!/bin/bash
# make soak MINUTES=30: everything at once for that long, with restarts and new rules, and then whether
# anything was lost, came twice, or grew. Results stay in build/soak.json and build/soak.svg.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
scripts/bootstrap.sh test
make --no-print-directory all
npm_install tests/e2e
PATH=$PWD/tests/e2e/node_modules/.bin:$PATH
exec node tests/bench/soak.mjs
