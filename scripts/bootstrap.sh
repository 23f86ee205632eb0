#!/bin/bash
# Installs the Debian packages that are missing: scripts/bootstrap.sh build|run|test|lint|bench|all
#
# Nothing is done when everything is there. PostgreSQL's package would make and start a cluster of
# its own; it is told not to.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

build="build-essential pkg-config libpq-dev libjansson-dev libcurl4-openssl-dev libwebsockets-dev
  libwebsockets-evlib-uv libuv1-dev libssl-dev librhonabwy-dev"
run="postgresql-15 postgresql-15-wal2json perl"
test="libcmocka-dev chromium libtap-parser-sourcehandler-pgtap-perl postgresql-15-pgtap curl
  iproute2 clang libclang-rt-14-dev jq ca-certificates"
# Not in Debian 12, but in other sources of packages: installed where apt knows it.
optional="postgresql-15-pgvector"
lint="clang clang-tidy clang-tools cppcheck"
bench="nginx-light libnginx-mod-nchan nghttp2-client"

case ${1:-} in
  build) wanted=$build ;;
  run) wanted="$build $run" ;;
  lint) wanted="$build libcmocka-dev $lint" ;;
  test | all) wanted="$build $run $test $lint" ;;
  bench) wanted="$build $run $test $lint $bench" ;;
  *) die "usage: scripts/bootstrap.sh build|run|test|lint|bench|all" ;;
esac

is_installed() { # package
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Node may come from anywhere; Debian's is taken where there is none.
has_node() {
  local version
  version=$(node --version 2>/dev/null) && command -v npm >/dev/null || return 1
  version=${version#v}
  [ "${version%%.*}" -ge 18 ]
}

missing=
if command -v dpkg-query >/dev/null; then
  for package in $wanted; do
    is_installed "$package" || missing="$missing $package"
  done
elif [ "$1" = build ] && pkg-config --exists libpq jansson libcurl libwebsockets libuv openssl librhonabwy; then
  exit 0
else
  die "this is no Debian, so the packages cannot be installed from here. By Debian's names they are: $wanted"
fi
case $1 in
  test | bench | all)
    has_node || missing="$missing nodejs npm"
    for package in $optional; do
      is_installed "$package" || ! apt-cache show "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    ;;
esac
[ -n "$missing" ] || exit 0

say "installing:$missing"
if [ "$(id -u)" -eq 0 ]; then
  sudo=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  sudo=sudo
elif command -v sudo >/dev/null && [ -t 0 ]; then
  sudo=sudo
else
  die "these packages are missing and only root may install them: apt-get install$missing"
fi

apt() {
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 "$@" ||
    die "apt-get $1 failed; what is missing:$missing"
}

# Before the server's package is unpacked its configuration has to forbid a cluster; afterwards the
# file is as it was.
keep_clusters_away() {
  local file=/etc/postgresql-common/createcluster.conf
  is_installed postgresql-common || apt install --no-install-recommends postgresql-common
  $sudo cp -p "$file" "$file.before-pgherald"
  restore="$sudo mv $file.before-pgherald $file; ${restore-}"
  echo 'create_main_cluster = false' | $sudo tee -a "$file" >/dev/null
}

# nginx's package would start a web server on port 80; the bench only wants the program.
keep_services_down() {
  local file=/usr/sbin/policy-rc.d
  [ -e "$file" ] && return
  printf '#!/bin/sh\nexit 101\n' | $sudo tee "$file" >/dev/null
  $sudo chmod 755 "$file"
  restore="$sudo rm -f $file; ${restore-}"
}

apt update
trap 'eval "${restore-}"' EXIT
case $missing in
  *" postgresql-15"*) keep_clusters_away ;;
esac
case $missing in
  *" nginx"*) keep_services_down ;;
esac
# shellcheck disable=SC2086  # a list of words
apt install --no-install-recommends $missing
