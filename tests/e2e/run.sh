#!/bin/bash
# The end-to-end tests: throwaway clusters for the run, a database of its own for each file.
#
#   tests/e2e/run.sh                     all of them
#   tests/e2e/run.sh realtime webhooks   only these files
#
# PGHERALD_BINARY is the program to try, build/pgherald unless said. PGHERALD_TEST_LANES is how many files
# run side by side, 1 unless said. A file that takes longer than PGHERALD_TEST_LIMIT seconds, 600 unless said,
# has failed. With PGHERALD_TEST_AGAIN=1 a file that failed beside others has a second chance alone, with the
# same seeds; not if a sanitizer complained. Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
. scripts/lib.sh
top=$(pwd)
lanes=${PGHERALD_TEST_LANES:-1}
limit=${PGHERALD_TEST_LIMIT:-600}
most_again=3                                  # more than that is no accident
not_yet=${PGHERALD_TEST_AGAIN:+first attempt: } # before the lines of what may still pass

# Begun first, since they take longest: what begins last should not be what all wait for.
long=(faults bounded memory streaming tokens slot jobs keys operation webhooks_hostile webhooks_order postgres_changes
  audit_history loops page webhooks webhooks_endpoints pgvector presence exactly_once audit_types subscribed listener
  private)
# After all others, one by one: what they measure, other work would change.
alone=(huge_transaction)

PGHERALD_BINARY=$(realpath -m "${PGHERALD_BINARY:-build/pgherald}")
[ -x "$PGHERALD_BINARY" ] || die "$PGHERALD_BINARY is not there; run make first"
export PGHERALD_BINARY
export PGHERALD_CLUSTER_THROWAWAY=1

# Of what is tried at random; each test prints its own.
export STREAMING_SEED=${STREAMING_SEED:-$((RANDOM * 32768 + RANDOM))}
export DECODERS_SEED=${DECODERS_SEED:-$STREAMING_SEED} AUDIT_SEED=${AUDIT_SEED:-$STREAMING_SEED}
export PGHERALD_PROPERTY_SEED=${PGHERALD_PROPERTY_SEED:-$STREAMING_SEED}

npm_install tests/e2e
# The clients want a newer node than Debian 12 has; npm brings one along.
PATH=$top/tests/e2e/node_modules/.bin:$PATH

folder=$(mktemp -d "${TMPDIR:-/tmp}/pgherald-e2e.XXXXXX")
chmod 755 "$folder"
ports=()

# A lane is a cluster of its own, since slots wait for each other's snapshots, and a temporary directory:
# what the tests put there goes with the run.
start_lane() { # number
  mkdir -m 755 "$folder/$1"
  mkdir -m 1777 "$folder/$1/tmp"
  # Another run may be looking for a port at this very moment; those from 32768 on are also lent to clients.
  ports[$1]=$(free_port $((25000 + RANDOM % 5000)))
  scripts/cluster.sh start "$folder/$1" "${ports[$1]}"
}

stop() {
  local lane own
  for lane in $(jobs -p); do kill -- "-$lane" 2>/dev/null; done
  for lane in "${!ports[@]}"; do
    for own in "$folder/$lane" "$folder/$lane"/tmp/pgherald-e2e-*/; do
      [ ! -d "$own" ] || "$top/scripts/cluster.sh" stop "$own" "${ports[lane]}" immediate >/dev/null
    done
  done
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM
for lane in $(seq "$lanes"); do start_lane "$lane" || exit; done

is_one_of() { # name names...
  local name=$1
  shift
  [[ " $* " == *" $name "* ]]
}

wanted=("$@")
if [ ${#wanted[@]} -eq 0 ]; then
  wanted=("${long[@]}")
  for file in tests/e2e/*.test.mjs; do
    name=$(basename "$file" .test.mjs)
    is_one_of "$name" "${long[@]}" || wanted+=("$name")
  done
fi
for name in "${wanted[@]}"; do
  if is_one_of "$name" "${alone[@]}"; then echo "$name" >>"$folder/alone"; else echo "$name" >>"$folder/together"; fi
done
mkdir "$folder/reports"
cd tests/e2e || exit

# The next file that no lane has yet.
take() { # list
  local name
  [ -f "$1" ] || return
  exec 9<"$folder/reports"
  flock 9
  name=$(head -n 1 "$1")
  sed -i 1d "$1"
  exec 9<&-
  [ -n "$name" ] && echo "$name"
}

# Its report is shown whole, also when several run side by side.
run_file() { # lane name
  local report=$folder/reports/$2 code=0 since=$SECONDS mark=
  PGHERALD_TEST_CLUSTER=${ports[$1]} PGHERALD_TEST_PORTS=$((7000 + 3000 * $1)) TMPDIR=$folder/$1/tmp \
    timeout -k 10 "$limit" \
    node --test --test-force-exit --test-concurrency=1 --test-reporter=spec "$2.test.mjs" >"$report" 2>&1 || code=$?
  [ "$code" -ne 124 ] || echo "✖ $2: not done after $limit s" >>"$report"
  echo "$code" >"$report.code"
  if [ "$code" -ne 0 ]; then mark=$not_yet; fi
  { echo "# $2, $((SECONDS - since)) s" && cat "$report"; } | flock "$folder/reports" sed "s/^/$mark/"
}

run_lane() { # lane list
  local name
  while name=$(take "$2"); do run_file "$1" "$name"; done
}

set -m # a lane is a process group, to be ended as a whole
for lane in $(seq "$lanes"); do run_lane "$lane" "$folder/together" & done
wait
run_lane 1 "$folder/alone" &
wait

failed_files() { grep -Lx 0 "$folder"/reports/*.code | xargs -r basename -a -s .code; }

has_another() { # name
  [ "$failed_at_first" -le "$most_again" ] && ! grep -qE 'Sanitizer|runtime error' "$folder/reports/$1"
}

if [ -n "$not_yet" ]; then
  mapfile -t names < <(failed_files)
  failed_at_first=${#names[@]}
  not_yet=
  for name in "${names[@]}"; do
    if has_another "$name"; then
      say "once more, alone: $name"
      mv "$folder/reports/$name" "$folder/reports/$name.code" "$folder/"
      echo "$name" >>"$folder/again"
    else
      cat "$folder/reports/$name"
    fi
  done
  run_lane 1 "$folder/again" &
  wait
fi
set +m

count() { cat "$folder"/reports/* | sed -n "s/^ℹ $1 \([0-9]*\)$/\1/p" | awk '{n += $1} END {print n + 0}'; }
failed=$(($(count fail) + $(count cancelled)))
bad=$(failed_files)
if [ -n "$bad" ]; then
  say "failed in: ${bad//$'\n'/ }"
  [ "$failed" -gt 0 ] || failed=1
fi
echo "$(count pass) passed, $failed failed"
[ "$failed" -eq 0 ]
