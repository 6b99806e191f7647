#!/usr/bin/env bash
# Writes the requirements files anew from pyproject.toml (needs uv, which only a maintainer does).
# What is written names no registry: pip takes the wheels from whatever index a machine is set up with, and the
# hashes say that they are the ones meant. A version that is locked stays, unless asked for: tools/lock.sh --upgrade
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=$(mktemp --suffix=.in)
trap 'rm -f "$build"' EXIT
python3 - >"$build" <<'PYTHON'
import tomllib
from pathlib import Path

print("\n".join(tomllib.loads(Path("pyproject.toml").read_text())["build-system"]["requires"]))
PYTHON

lock() { # lock OUTPUT OPTION...
  local output=$1
  shift
  "${UV:-uv}" pip compile pyproject.toml "$build" --universal --fork-strategy fewest --generate-hashes --quiet \
    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --output-file "$output" "$@"
}

lock requirements.txt "$@"
lock requirements-dev.txt --extra dev --extra dask --extra gateway --extra postgres --extra prometheus --extra service --extra sql "$@"

lock=$("${UV:-uv}" pip compile - --generate-hashes --no-binary libvirt-python --quiet --no-emit-index-url \
  --no-emit-find-links --no-header --no-annotate "$@" <<<'libvirt-python>=9.0')
printf '%s\n' "$lock" | grep -v '^--' >requirements-libvirt.txt # compiled where the system's module is for another Python
