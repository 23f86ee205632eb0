#!/bin/bash
# Takes into the corpus what fuzzing has learnt: of every target, or those that are named, the smallest
# inputs that reach code which no input of the corpus reaches. How often they reach it does not matter here,
# so that the corpus stays small; the fuzzers keep what they have in FUZZ_STATE.
set -euo pipefail
# shellcheck source=tests/fuzz/build.sh
. "$(dirname "$0")/build.sh"

state=${FUZZ_STATE:-build/fuzz}
if [ $# -gt 0 ]; then targets=("$@"); fi

for target in "${targets[@]}"; do
  corpus=tests/fuzz/corpus/$target
  found=$state/found/$target
  if [ ! -d "$found" ]; then continue; fi
  before=$(find "$corpus" -type f | wc -l)
  # the first folder's files stay, whatever they reach: they have names, and say what they are about
  "$state/bin/fuzz-$target" -merge=1 -use_counters=0 -max_len=4096 -timeout=25 "$corpus" "$found" >"$state/log/$target.merge" 2>&1 ||
    tail -n 20 "$state/log/$target.merge"
  printf '%-16s %5d files, %5d before\n' "$target" "$(find "$corpus" -type f | wc -l)" "$before"
done
