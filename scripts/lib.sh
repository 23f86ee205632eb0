# shellcheck shell=bash
# What the scripts share; sourced with the project's root as the working directory.

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Whether something listens there. bash connects without any tool.
port_is_taken() { # port
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() { # first candidate
  local port=$1
  while port_is_taken "$port"; do port=$((port + 1)); done
  echo "$port"
}

# What the tests need from npm, unless exactly that is there already.
npm_install() { # folder
  cmp -s "$1/package-lock.json" "$1/node_modules/.installed-lock" && return
  (cd "$1" && npm ci --no-audit --no-fund --loglevel=error) || die "npm could not install what $1 needs"
  cp "$1/package-lock.json" "$1/node_modules/.installed-lock"
}

# PostgreSQL refuses to run as root. Whoever else it may be, in that case:
unprivileged_user() {
  if getent passwd postgres >/dev/null; then echo postgres; else echo nobody; fi
}

# Runs a command as that user when we are root, else as ourselves.
as_unprivileged() {
  if [ "$(id -u)" -ne 0 ]; then "$@"; return; fi
  local user
  user=$(unprivileged_user)
  HOME=/ setpriv --reuid "$user" --regid "$(id -gn "$user")" --clear-groups -- "$@"
}

# The same, in place of this shell, so that a signal reaches the command itself.
exec_unprivileged() {
  if [ "$(id -u)" -ne 0 ]; then exec "$@"; fi
  local user
  user=$(unprivileged_user)
  HOME=/ exec setpriv --reuid "$user" --regid "$(id -gn "$user")" --clear-groups -- "$@"
}
