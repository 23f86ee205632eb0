#!/bin/bash
# Runs the files of the corpus through their targets once more, with one allocation of each run failing:
# see starve.c. Part of make check; the last line is "N passed, N failed".
set -uo pipefail
# shellcheck source=tests/fuzz/build.sh
. "$(dirname "$0")/build.sh"

dir=${STARVE_BUILD:-build}
cc=${CC:-cc}
passed=0
failed=0

if ! make --no-print-directory -s -j2 BUILD="$dir" CC="$cc" "$dir/libpgherald.a"; then
  echo '0 passed, 1 failed'
  exit 1
fi
for target in "${targets[@]}"; do
  case $target in http | response) continue ;; esac # a loop, threads and libraries of their own
  # shellcheck disable=SC2054  # the linker's commas
  if ! "$cc" -std=c11 -O1 -g -Wall -Wextra -D_GNU_SOURCE -Iinclude -Isrc -Itests/unit -Itests/fuzz "${package_flags[@]}" \
    -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup -pthread -o "$dir/starve-$target" \
    "tests/fuzz/${target}_fuzz.c" tests/fuzz/starve.c "$dir/libpgherald.a" "${package_libs[@]}" -lm; then
    failed=$((failed + 1))
    continue
  fi
  # those that people have written: what fuzzing adds reaches other branches, hardly other allocations
  mapfile -t files < <(find "tests/fuzz/corpus/$target" -regextype posix-extended -type f ! -regex '.*/[0-9a-f]{40}' | LC_ALL=C sort)
  read -r good _ bad _ < <("$dir/starve-$target" "${files[@]}" | tail -n 1)
  passed=$((passed + ${good:-0}))
  failed=$((failed + ${bad:-1}))
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
