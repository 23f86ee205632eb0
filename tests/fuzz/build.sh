# shellcheck shell=bash
# Read by run.sh and replay.sh: builds the objects that fuzz targets need, with make, in a folder of
# their own.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

targets=()
for source in tests/fuzz/*_fuzz.c; do
  target=$(basename "$source" _fuzz.c)
  targets+=("$target")
done

# The folders that targets reach into: pure code, so neither a server nor a loop is needed.
sources=(src/base/*.c src/row/*.c src/policy/*.c src/config/*.c src/decode/*.c src/stream/protocol.c
  src/realtime/phoenix.c src/realtime/phoenix_binary.c src/token/*.c src/vault/*.c
  src/replay/entry.c src/replay/text.c src/cli/oauth_grant.c src/pg/copy.c src/daemon/attribution.c)

read -ra package_libs < <(pkg-config --libs jansson librhonabwy openssl)

build_objects() { # folder compiler sanitizers
  objects=()
  for source in "${sources[@]}"; do
    object=${source#src/}
    objects+=("$1/obj/${object%.c}.o")
  done
  make --no-print-directory -s -j2 BUILD="$1" CC="$2" SAN="$3" OPT='-O1 -g' "${objects[@]}"
}

build_target() { # folder compiler sanitizers name further-source...
  local dir=$1 cc=$2 sanitizers=$3 name=$4
  shift 4
  "$cc" -std=c11 -O1 -g -Wall -Wextra -D_DEFAULT_SOURCE -D_POSIX_C_SOURCE=200809L \
    -Iinclude -Isrc -Itests/unit -Itests/fuzz "-fsanitize=$sanitizers" -fno-sanitize-recover=all \
    -fno-omit-frame-pointer -pthread \
    -o "$dir/$name" "tests/fuzz/${name}_fuzz.c" "$@" "${objects[@]}" "${package_libs[@]}" -lm
}
