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

# Which of a target's files it is that fails shows when each has a process of its own.
one_by_one() { # target file...
  local target=$1 bad=0
  shift
  for file in "$@"; do
    if "$dir/fuzz-$target" "$file" >"$dir/fuzz-$target.log" 2>&1; then continue; fi
    bad=$((bad + 1))
    printf '==== %s\n' "$file"
    head -n 40 "$dir/fuzz-$target.log"
  done
  if [ "$bad" -eq 0 ]; then # only one behind the other they do
    bad=1
    printf '==== all of %s\n' "$target"
    "$dir/fuzz-$target" "$@" 2>&1 | head -n 40
  fi
  failed=$((failed + bad))
  passed=$((passed + $# - bad))
}

if ! build_library "$dir" "$cc" address,undefined; then
  echo '0 passed, 1 failed'
  exit 1
fi
for target in "${targets[@]}"; do
  if ! build_target "$dir" "$cc" address,undefined "$target" tests/fuzz/replay.c; then
    failed=$((failed + 1))
    continue
  fi
  files=(tests/fuzz/corpus/"$target"/*)
  if "$dir/fuzz-$target" "${files[@]}" >"$dir/fuzz-$target.log" 2>&1; then
    passed=$((passed + ${#files[@]}))
  else
    one_by_one "$target" "${files[@]}"
  fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
