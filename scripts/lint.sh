#!/bin/bash
# Has the code read by analysers: scripts/lint.sh [cppcheck] [tidy] [scan], all of them by default.
# A finding fails; docs/testing.md tells what to do with one. `scan` takes minutes. The last line is
# "N passed, N failed", counted in analysers.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
. scripts/lib.sh

dir=${BUILD:-build}/lint
jobs=$(nproc)
analysers=("$@")
[ $# -gt 0 ] || analysers=(cppcheck tidy scan)

scripts/bootstrap.sh lint || die "cannot go on without the packages"
mkdir -p "$dir"
built_with=$(make --no-print-directory -s BUILD="${BUILD:-build}" lint-flags) || die "the build has no flags to tell"
read -ra flags <<<"$built_with"
sources=(src/*/*.c)
tests=(tests/unit/*/*_test.c tests/fuzz/*.c tests/property/*.c)

# All have to find something in here, or they did not run as we think.
planted=$dir/planted.c
cat >"$planted" <<'C'
int planted(const int *p);
int planted(const int *p)
{
    if (!p && p == p)
        return *p;
    return 0;
}
C

# Not for style in tests: tables of rows that a macro walks seem unused.
run_cppcheck() { # files...
  local defines=() flag enabled=warning,performance,portability
  for flag in "${flags[@]}"; do
    case $flag in -[ID]*) defines+=("$flag") ;; esac
  done
  case $1 in tests/*) ;; *) enabled+=,style ;; esac
  cppcheck -q -j "$jobs" --std=c11 --error-exitcode=1 --inline-suppr --enable="$enabled" \
    --library=posix --library=gnu --library=scripts/lint/cppcheck.cfg \
    --suppressions-list=scripts/lint/cppcheck.suppressions "${defines[@]}" "$@" 2>&1
}

run_tidy() { # files...
  printf '%s\n' "$@" |
    FLAGS="${flags[*]}" xargs -P "$jobs" -n 8 sh -c 'clang-tidy --quiet "$@" -- $FLAGS' tidy 2>"$dir/tidy.log"
  local code=$?
  grep -vE '^[0-9]* ?warnings? generated\.$' "$dir/tidy.log"
  return "$code"
}

# The compiler in front of the analyser has nothing to do here: make has compiled all of it.
run_scan() { # files...
  local checker enabled=()
  for checker in nullability valist optin.portability.UnixAPI security.FloatLoopCounter \
    security.insecureAPI.{bcmp,bcopy,bzero,rand,strcpy,vfork} alpha.unix.cstring.{BufferOverlap,NotNullTerminated} \
    alpha.core.{BoolAssignment,CastSize,IdenticalExpr,PointerSub,SizeofPtr,TestAfterDivZero}; do
    enabled+=(-enable-checker "$checker")
  done
  printf '%s\n' "$@" | FLAGS="${flags[*]}" JOBS="$jobs" scan-build --use-cc=true --status-bugs -plist-html -o "$dir/scan" \
    "${enabled[@]}" sh -c 'xargs -P "$JOBS" -n 2 sh -c "\"\$CC\" $FLAGS -w -c \"\$@\"" scan' >"$dir/scan.log" 2>&1
  local code=$?
  grep -vE '^scan-build: ' "$dir/scan.log"
  if grep -q '^error: ' "$dir/scan.log"; then code=1; fi # the analyser's own, which scan-build passes over
  return "$code"
}

passed=0
failed=0
for analyser in "${analysers[@]}"; do
  say "==== $analyser"
  if "run_$analyser" "$planted" >"$dir/planted.log"; then
    cat "$dir/planted.log"
    say "$analyser does not see the fault in $planted"
    failed=$((failed + 1))
  else
    code=0
    read -ra flags <<<"$built_with"
    "run_$analyser" "${sources[@]}" || code=1
    if [ "$analyser" != scan ]; then
      flags+=(-D_GNU_SOURCE) # as tests/fuzz/build.sh has it
      "run_$analyser" "${tests[@]}" || code=1
    fi
    passed=$((passed + !code))
    failed=$((failed + code))
  fi
done
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
