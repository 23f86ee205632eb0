#!/bin/bash
# Fuzzes every target, or those that are named, for FUZZ_SECONDS each (default 20), from the corpus.
# Needs clang with libFuzzer (Debian: clang libclang-rt-14-dev). What it finds is written to
# build/fuzz/<target>-crash-*; make a small, readable file of it in tests/fuzz/corpus/<target>/.
set -euo pipefail
# shellcheck source=tests/fuzz/build.sh
. "$(dirname "$0")/build.sh"

dir=${FUZZ_BUILD:-build/fuzz}
seconds=${FUZZ_SECONDS:-20}
if [ $# -gt 0 ]; then targets=("$@"); fi

build_objects "$dir" clang fuzzer-no-link,address,undefined
failed=0
for target in "${targets[@]}"; do
  build_target "$dir" clang fuzzer,address,undefined "$target"
  mkdir -p "$dir/found/$target" # grows from run to run, and is not part of the project
  printf '==== %s for %s s\n' "$target" "$seconds"
  if ! "$dir/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -use_value_profile=1 \
    -print_final_stats=1 -artifact_prefix="$dir/$target-" -verbosity=1 \
    "$dir/found/$target" "tests/fuzz/corpus/$target" >"$dir/$target.log" 2>&1; then
    failed=$((failed + 1))
    grep -vE '^#' "$dir/$target.log" | tail -n 40
  else
    grep -E '^stat::(number_of_executed_units|new_units_added)|^#.*DONE' "$dir/$target.log"
  fi
done
printf '%d passed, %d failed\n' $((${#targets[@]} - failed)) "$failed"
[ "$failed" -eq 0 ]
