#!/usr/bin/env bash
# Every linter, every test, the regression check, with all set-up: what a change has to pass. Arguments go to pytest,
# and leave the regression check out.
set -euo pipefail
# shellcheck source=tools/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
set_up dev
cd "$checkout"

site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT

say 'ruff'
"$python" -m ruff format --check .
"$python" -m ruff check .
say 'mypy'
"$python" -m mypy
say 'codespell'
"$python" -m codespell_lib
say 'import-linter'
"$venv/bin/lint-imports"
say 'mkdocs'
"$python" -m mkdocs build --strict --site-dir "$site"
say 'pytest'
"$python" -m pytest -n 2 "$@"
if [[ $# -eq 0 ]]; then # by itself, so that it measures the program and not the other tests
  say 'regression check'
  "$python" cli.py bench --check || "$python" cli.py bench --check # what is slower is slower twice
fi
say 'all is well'
