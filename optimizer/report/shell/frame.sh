set -euo pipefail

plain_host() { # plain_host NAME...: a host's name becomes part of an address: anything but a plain one is refused
  local host
  for host in "$@"; do
    if [[ ! $host =~ ^[A-Za-z0-9][A-Za-z0-9.:_-]*$ ]]; then
      printf 'not the plain name of a host: %q (set MIGRATE)\n' "$host" >&2
      return 1
    fi
  done
}

refuse() { # refuse TEXT VM
  printf '%s: %q\n' "$1" "$2" >&2
  return 1
}

wait_for() { # wait_for SECONDS COMMAND...: try until the command succeeds; fail when the time is over
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [[ $SECONDS -lt $end ]] || return 1
    sleep "${POLL_S:-2}"
  done
}
