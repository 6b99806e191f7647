# Sourced by the other tools: makes .venv and sets `python` to its interpreter. Call: set_up runtime | dev
#
# Needs nothing but Python 3.11 or later; where Python comes without venv (Debian splits it off) apt installs it.
# .venv/remora-stamp says what is installed; while it agrees with the locked files nothing is touched and no network
# is used. The stamp is written last, so a half-made environment has none and is made again.
# shellcheck shell=bash
set -euo pipefail

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$checkout/.venv
python=$venv/bin/python

say() {
  printf '\n== %s\n' "$*" >&2
}

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3.13 python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die 'no Python 3.11 or later found; on Debian: apt-get install python3'
}

as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this needs root, and there is no sudo; run as root: $*"
  fi
}

need_venv() { # need_venv PYTHON
  if "$1" -c 'import ensurepip, venv' 2>/dev/null; then
    return
  fi
  command -v apt-get >/dev/null || die "$1 has no venv module, and there is no apt-get to install it with"
  local version
  version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  say "$1 comes without venv: installing python$version-venv"
  as_root apt-get update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "python$version-venv"
  "$1" -c 'import ensurepip, venv' || die "$1 still has no venv module"
}

have() { # have WHAT FUNCTION: what could not be installed is said here, and by each test that is skipped for it
  local status
  set +e # not `|| ...`, under which a failure in the middle of the function would pass
  (set -e; "$2")
  status=$?
  set -e
  if ((status)); then
    say "$1 could not be set up: the tests that want it are skipped"
    export REMORA_WITHOUT="${REMORA_WITHOUT:-} $1"
  fi
}

need_postgres() { # in CI the ledger is also tried in a real PostgreSQL; elsewhere the tests say that there is none
  if [[ ${CI:-} != true ]] || command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
    return
  fi
  command -v apt-get >/dev/null || die 'CI needs PostgreSQL, and there is no apt-get to install it with'
  say 'installing PostgreSQL for the tests of the ledger'
  as_root apt-get update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
}

need_prometheus() { # in CI signals are read from a real Prometheus, and its promtool judges the rules that ship
  if [[ ${CI:-} != true ]] || command -v promtool >/dev/null; then
    return
  fi
  command -v apt-get >/dev/null || die 'CI needs Prometheus, and there is no apt-get to install it with'
  say 'installing Prometheus'
  as_root apt-get update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prometheus
}

need_chromium() { # in CI the live page is tried in a real browser; elsewhere the tests say that there is none
  if [[ ${CI:-} != true ]] || command -v chromium >/dev/null; then
    return
  fi
  command -v apt-get >/dev/null || die 'CI needs Chromium, and there is no apt-get to install it with'
  say 'installing Chromium for the tests of the live page'
  as_root apt-get update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium
}

need_lab() { # in CI the libvirt driver is also tried on real hosts in namespaces; elsewhere the tests say what is missing
  [[ ${CI:-} == true ]] || return 0
  local packages=(libvirt-daemon-system qemu-system-x86 iproute2 python3-libvirt)
  if ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
    command -v apt-get >/dev/null || die 'CI needs libvirt and QEMU, and there is no apt-get to install them with'
    say 'installing libvirt and QEMU for the tests on real hosts'
    as_root apt-get update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"
  fi
  "$python" -c 'import libvirt' 2>/dev/null || link_libvirt
}

link_libvirt() { # there is no wheel of libvirt-python: the system's own is made visible, where it is for this Python
  local site file
  site=$(purelib)
  for file in /usr/lib/python3/dist-packages/libvirt.py /usr/lib/python3/dist-packages/libvirtmod.*.so; do
    ln -sf "$file" "$site/"
  done
  if ! "$python" -c 'import libvirt' 2>/dev/null; then
    say "the system's libvirt module is for another Python than $("$python" --version): compiling one"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libvirt-dev pkg-config gcc python3-dev
    rm -f "$site"/libvirt.py "$site"/libvirtmod.*.so
    install --require-hashes --no-deps --no-binary :all: --no-build-isolation -r "$checkout/requirements-libvirt.txt"
  fi
}

stamp_of() { # stamp_of KIND: changes whenever the environment has to be made anew
  (cd "$checkout" && printf '%s %s\n' "$1" "$checkout" && sha256sum pyproject.toml "$(locked "$1")")
}

locked() { # locked KIND
  if [[ $1 == dev ]]; then echo requirements-dev.txt; else echo requirements.txt; fi
}

is_ready() { # is_ready KIND; what dev installs is enough for runtime too
  local stamp
  [[ -f $venv/remora-stamp ]] && "$python" -c '' 2>/dev/null || return 1
  stamp=$(<"$venv/remora-stamp")
  [[ $stamp == "$(stamp_of "$1")" || $stamp == "$(stamp_of dev)" ]]
}

set_up() { # set_up KIND
  exec 9<"$checkout/pyproject.toml"
  flock 9 # two tools started at once make one environment, one after the other
  if ! is_ready "$1"; then
    make_environment "$1"
  fi
  exec 9<&-
}

make_environment() { # make_environment KIND
  local base
  base=$(find_python)
  need_venv "$base"
  say "making .venv with $("$base" --version), packages as locked in $(locked "$1")"
  rm -rf "$venv"
  "$base" -m venv "$venv"
  install --require-hashes --only-binary :all: --no-compile -r "$checkout/$(locked "$1")"
  install --no-deps --no-build-isolation --editable "$checkout"
  # else the first start does it; on all cores, which pip does not; some packages ship files for other Pythons
  "$python" -m compileall -qq -j 0 "$(purelib)" || true
  (cd "$checkout" && "$python" -m compileall -q cli.py commands constraints optimizer remora)
  compile_searches
  stamp_of "$1" >"$venv/remora-stamp"
}

compile_searches() { # else plans with a short time limit do without, and say so: so where it fails, nothing is lost but these
  say 'compiling what plans use'
  "$python" "$checkout/cli.py" compile >&2 || say 'plans do without what could not be compiled, or compile it themselves'
}

purelib() { # where the environment's packages are
  "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
}

install() {
  "$python" -m pip install --quiet --disable-pip-version-check --no-input "$@"
}
