#!/bin/bash
# Runs every file of the corpus through its target once, under the sanitizers, with any compiler.
# Part of make check; the last line is "N passed, N failed".
set -uo pipefail
# shellcheck source=tests/fuzz/build.sh
. "$(dirname "$0")/build.sh"

dir=${FUZZ_BUILD:-build/fuzz-replay}
cc=${CC:-cc}
passed=0
failed=0

if ! build_objects "$dir" "$cc" address,undefined; then
  echo '0 passed, 1 failed'
  exit 1
fi
for target in "${targets[@]}"; do
  if ! build_target "$dir" "$cc" address,undefined "$target" tests/fuzz/replay.c; then
    failed=$((failed + 1))
    continue
  fi
  for file in tests/fuzz/corpus/"$target"/*; do
    if "$dir/$target" "$file" >"$dir/$target.log" 2>&1; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
      printf '==== %s\n' "$file"
      head -n 40 "$dir/$target.log"
    fi
  done
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
