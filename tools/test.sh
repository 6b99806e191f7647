#!/usr/bin/env bash
# Every linter, the tests, the regression check, with all set-up: what a change has to pass.
#
#   tools/test.sh              what CI runs: another share of the oracle and the fuzzers each day
#   tools/test.sh --quick      linters and the quick tests, before each commit
#   tools/test.sh --all        every test there is, all shares, and every figure by its command (hours)
#   tools/test.sh --coverage   what CI runs, and which lines no test reached
#
# Other arguments go to pytest, which then runs alone, without the regression check.
set -euo pipefail
# shellcheck source=tools/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
unset PYTHONDONTWRITEBYTECODE # hundreds of processes load the program: what one has compiled the next ones take

tier=ci
options=()
rest=()
for argument in "$@"; do
  case $argument in
    --quick | --all) tier=${argument#--} ;;
    --coverage) options+=(--cov --cov-report=term) ;;
    *) rest+=("$argument") ;;
  esac
done

site=$(mktemp -d)
leave() { # whatever ends it, from the set-up on: nothing that runs beside it, as a group of processes, is left behind
  local job
  for job in "${environment:-}" "${linters:-}"; do
    # not TERM: a child that bash has forked and that has not called exec yet loses it; waited for: else bash says "Killed"
    [[ -z $job ]] || { kill -KILL -- "-$job" && wait "$job"; } 2>/dev/null || true
  done
  rm -rf "$site"
}
trap leave EXIT

if [[ $tier != quick ]]; then
  need_venv "$(find_python)" # apt does one thing at a time
  set -m
  set_up dev &
  set +m
  environment=$!
  have postgres need_postgres
  have prometheus need_prometheus
  have chromium need_chromium
  made=0
  wait "$environment" || made=$?
  unset environment # its number may be another's by the end
  ((made == 0)) || exit "$made"
  have lab need_lab
else
  set_up dev
fi
cd "$checkout"

lint() {
  say 'ruff'
  "$python" -m ruff format --check .
  "$python" -m ruff check .
  say 'mypy'
  "$python" -m mypy
  say 'codespell'
  "$python" -m codespell_lib
  say 'import-linter'
  "$venv/bin/lint-imports"
  if [[ $tier != quick ]]; then
    say 'mkdocs'
    "$python" -m mkdocs build --strict --site-dir "$site/pages"
  fi
}

set -m
lint >"$site/linters" 2>&1 & # beside the tests: many of them wait for other processes
set +m
linters=$!
if [[ ! -d tests/__pycache__ ]]; then # a fresh checkout: what else each of the four processes would compile for itself
  say 'compiling'
  "$python" -m pytest -p no:cacheprovider -m compiles || true # what fails here fails below as well
fi
say "pytest, tier $tier"
failed=0
# four processes for two cores: tests wait for what other processes do
"$python" -m pytest -n 4 --dist worksteal --tier "$tier" "${options[@]}" "${rest[@]}" || failed=$?
wait "$linters" || failed=$?
unset linters
cat "$site/linters"
((failed == 0)) || exit "$failed"
if [[ $tier != quick && ${#rest[@]} -eq 0 && ${#options[@]} -eq 0 ]]; then # by itself, so that it measures the program alone
  say 'regression check'
  "$python" cli.py bench --check || "$python" cli.py bench --check # what is slower is slower twice
fi
if [[ $tier == all && ${#rest[@]} -eq 0 && ${#options[@]} -eq 0 ]]; then
  say 'figures'
  "$python" -m tests.figures
fi
say 'all is well'
