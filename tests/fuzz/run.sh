#!/bin/bash
# Fuzzes every target, or those that are named, one process at a time and in slices, until each has had
# FUZZ_MINUTES of processor time (user and system, so a busy machine takes longer and is not counted for
# more). What was spent, found and learnt stays in FUZZ_STATE, and the next run goes on from there.
# Needs clang with libFuzzer (Debian: clang libclang-rt-14-dev). See docs/testing.md for what to do with
# a finding; merge.sh takes what was learnt into the corpus.
set -euo pipefail
# shellcheck source=tests/fuzz/build.sh
. "$(dirname "$0")/build.sh"

state=${FUZZ_STATE:-build/fuzz}
minutes=${FUZZ_MINUTES:-20}
slice=${FUZZ_SLICE:-60} # seconds
dir=$state/bin
if [ $# -gt 0 ]; then targets=("$@"); fi

spent() { # target: seconds
  cat "$state/cpu/$1" 2>/dev/null || echo 0
}

# The target that has had the least so far; none: all have had enough.
next_target() {
  for target in "${targets[@]}"; do
    printf '%s %s\n' "$(spent "$target")" "$target"
  done | sort -s -n -k1,1 | awk -v enough=$((minutes * 60)) '$1 < enough {print $2; exit}'
}

run_slice() { # target number
  local target=$1 code=0 used options=(-max_total_time="$slice" -timeout=25 -rss_limit_mb=2048 -max_len=4096)
  if [ -f "tests/fuzz/dict/$target.dict" ]; then options+=(-dict="tests/fuzz/dict/$target.dict"); fi
  if [ $(($2 % 2)) -eq 1 ]; then options+=(-use_value_profile=1); fi
  mkdir -p "$state/found/$target"
  TIMEFORMAT='%U %S'
  used=$({ time "$dir/fuzz-$target" "${options[@]}" -print_final_stats=1 -artifact_prefix="$state/findings/$target-" \
    "$state/found/$target" "tests/fuzz/corpus/$target" >"$state/log/$target" 2>&1; } 2>&1) || code=$?
  awk -v so_far="$(spent "$target")" '{printf "%.1f\n", so_far + $1 + $2}' <<<"$used" >"$state/cpu/$target.new"
  mv "$state/cpu/$target.new" "$state/cpu/$target"
  printf '%-16s %8s s  %s\n' "$target" "$(spent "$target")" "$(grep -E '^#[0-9]+.*cov:' "$state/log/$target" | tail -n 1 | cut -c1-90)"
  if [ "$code" -ne 0 ]; then grep -aE -A 2 'not true|ERROR:|SUMMARY|Test unit' "$state/log/$target"; fi
}

mkdir -p "$dir" "$state/cpu" "$state/log" "$state/findings"
build_library "$dir" clang fuzzer-no-link,address,undefined "OPT=-O1 -g"
for target in "${targets[@]}"; do build_target "$dir" clang fuzzer,address,undefined "$target"; done

number=0
while target=$(next_target) && [ -n "$target" ] && [ ! -e "$state/stop" ]; do
  number=$((number + 1))
  run_slice "$target" $number
done

findings=$(find "$state/findings" -type f | wc -l)
printf '\n%-16s %11s %6s\n' target CPU-minutes learnt
for target in "${targets[@]}"; do
  awk -v t="$target" -v n="$(find "$state/found/$target" -type f 2>/dev/null | wc -l)" \
    '{printf "%-16s %11.1f %6d\n", t, $1 / 60, n}' <<<"$(spent "$target")"
done
find "$state/findings" -type f
echo "$findings findings"
[ "$findings" -eq 0 ]
