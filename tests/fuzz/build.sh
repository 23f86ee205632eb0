# shellcheck shell=bash
# Read by run.sh, merge.sh and replay.sh: builds the program's objects and the fuzz targets.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

targets=()
for source in tests/fuzz/*_fuzz.c; do
  target=$(basename "$source" _fuzz.c)
  targets+=("$target")
done

read -ra package_libs < <(pkg-config --libs libpq jansson libcurl libwebsockets libuv openssl librhonabwy)
read -ra package_flags < <(pkg-config --cflags libpq jansson libcurl libwebsockets libuv openssl librhonabwy |
  sed 's/-I/-isystem /g')

# An archive, so that a target links what it needs and no more.
build_library() { # folder compiler sanitizers [make-arguments...]
  make --no-print-directory -s -j2 BUILD="$1" CC="$2" SAN="$3" "${@:4}" "$1/libpgherald.a"
}

build_target() { # folder compiler sanitizers name further-source...
  local dir=$1 cc=$2 sanitizers=$3 name=$4
  shift 4
  "$cc" -std=c11 -O1 -g -Wall -Wextra -D_GNU_SOURCE -Iinclude -Isrc -I"$dir/gen" -Itests/unit -Itests/fuzz \
    "${package_flags[@]}" "-fsanitize=$sanitizers" -fno-sanitize-recover=all -fno-omit-frame-pointer -pthread \
    -o "$dir/fuzz-$name" "tests/fuzz/${name}_fuzz.c" "$@" "$dir/libpgherald.a" "${package_libs[@]}" -lm
}
