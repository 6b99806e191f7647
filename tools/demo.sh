#!/usr/bin/env bash
# The main job on the fleet that ships with the project, with all set-up: what is wrong, the plan, and its proof.
# Another fleet may be named: tools/demo.sh FLEET
set -euo pipefail
# shellcheck source=tools/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
set_up runtime

fleet=${1:-$checkout/docs/examples/quickstart.json}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

remora() { # a command that says on its last line how it ended; 1 means that something needs attention
  printf '\n$ remora %s\n' "$*"
  "$python" "$checkout/cli.py" "$@"
}

remora check "$fleet" || [[ $? -eq 1 ]]
remora plan "$fleet" -o "$work/plan.json"
remora verify "$fleet" "$work/plan.json"
