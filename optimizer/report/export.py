"""Plans for carrying out by hand: a table for a spreadsheet, and a shell script to review, sign and run.

The names in a plan come from files and are hostile: in the script every one is quoted where it is a word and escaped
where it stands in a comment, and no name becomes part of a command or of a function's name.
"""

from __future__ import annotations

import csv
import io
import shlex
from typing import TYPE_CHECKING

from optimizer.errors import InputError
from optimizer.report.words import clean, count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.plan import Plan, PlannedMove

__all__ = ["CSV_COLUMNS", "plan_csv", "plan_shell"]

CSV_COLUMNS = ("id", "vm", "from", "to", "after", "batch", "staging", "seconds", "copied_mib", "why")


def plan_csv(plan: Plan) -> str:
    """Return the moves as CSV, one a row, in the plan's order; `after` is a list with spaces between."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for m in plan.moves:
        staging = "yes" if m.staging else "no"
        writer.writerow(
            (m.id, m.vm, m.source, m.target, " ".join(m.after), m.batch, staging, m.seconds, m.copied_mib, clean(m.why))
        )
    return out.getvalue()


HEAD = r"""#!/usr/bin/env bash
# {title}
# {taken}
#
# Review it, then run it:  bash plan.sh
# Moves of one batch run side by side; the next batch begins when all of them have ended. A move that has to follow
# one that failed is not started. Nothing is ever undone.
#
#   YES=1         do not ask before each batch
#   MIGRATE=...   the command that moves one VM, called with VM FROM TO (by default: virsh, below); it has to return
#                 only when the VM is seen on TO and gone from FROM, and to fail otherwise
#   EXPIRED_OK=1  go on although the plan has expired: only if you are sure that nothing has changed
set -euo pipefail

expires={expires} # {expires_text}

migrate() {{ # migrate VM FROM TO
  if [[ -n ${{MIGRATE:-}} ]]; then
    "$MIGRATE" "$1" "$2" "$3"
  elif [[ $2$3 == *[!A-Za-z0-9.:_-]* || $2 == -* || $3 == -* ]]; then
    # part of an address: what is no plain name could give libvirt a command of its own to run
    printf 'no names of hosts that virsh may be given: %q %q (set MIGRATE)\n' "$2" "$3" >&2
    return 1
  else
    virsh --connect "qemu+ssh://$2/system" migrate --live --persistent --undefinesource --auto-converge \
      --copy-storage-all --domain "$1" --desturi "qemu+ssh://$3/system"
  fi
}}

declare -a state=() # of each move, by its number: done, failed, skipped
declare -a process=()
declare -a name=()

begin() {{ # begin NUMBER PREDECESSOR...: start a move unless something that it has to follow did not succeed
  local number=$1 before
  shift
  for before in "$@"; do
    if [[ ${{state[before]:-skipped}} != 'done' ]]; then
      state[number]=skipped
      printf '%s skipped: %s %s\n' "${{name[number]}}" "${{name[before]}}" "${{state[before]:-skipped}}" >&2
      return 0
    fi
  done
  printf '%s started\n' "${{name[number]}}" >&2
  "move_$number" </dev/null &
  process[number]=$!
}}

finish() {{ # wait for every move of the batch
  local number
  for number in "${{!process[@]}}"; do
    if wait "${{process[number]}}"; then state[number]='done'; else state[number]='failed'; fi
    printf '%s %s\n' "${{name[number]}}" "${{state[number]}}" >&2
  done
  process=()
}}

may_go_on() {{ # may_go_on TEXT
  local answer=
  if [[ $(date +%s) -ge $expires && ${{EXPIRED_OK:-}} != 1 ]]; then
    printf 'the plan has expired: take a new snapshot and make a new plan\n' >&2
    exit 4
  fi
  [[ ${{YES:-}} == 1 ]] && return 0
  read -r -p "$1: go on? [y/N] " answer || true
  if [[ $answer != [yY]* ]]; then
    printf 'stopped before %s\n' "$1" >&2
    exit 1
  fi
}}
"""

TAIL = r"""
bad=0
for number in "${!name[@]}"; do
  if [[ ${state[number]:-skipped} != 'done' ]]; then bad=$((bad + 1)); fi
done
printf '%s of %s moves done\n' "$((${#name[@]} - bad))" "${#name[@]}" >&2
[[ $bad -eq 0 ]]
"""


def plan_shell(plan: Plan) -> str:
    """Return a shell script (bash 4.4 or later) that carries the plan out, batch by batch.

    It leaves with 0 if all moves were done, 1 if not, 4 if the plan has expired.

    Raises
    ------
    InputError
        A name holds a NUL character, which no command line can.
    """
    _refuse_nul(plan)
    return "\n".join([*_head(plan), *_functions(plan), *_batches(plan), *TAIL.strip("\n").split("\n"), ""])


def _head(plan: Plan) -> Iterator[str]:
    yield HEAD.format(
        title=clean(f"Plan {plan.id} of fleet {plan.fleet}: {count(len(plan.moves), 'move')}"),
        taken=f"Snapshot of {plan.taken_at.isoformat()}",
        expires=int(plan.expires_at.timestamp()),
        expires_text=plan.expires_at.isoformat(),
    )


def _functions(plan: Plan) -> Iterator[str]:
    for number, move in enumerate(plan.moves, 1):
        after = f", after {', '.join(move.after)}" if move.after else ""
        staging = ", to wait there for its place" if move.staging else ""
        yield f"# {clean(move.why)}" if move.why else "#"
        yield f"move_{number}() {{ # {clean(f'{move.id}: {move.seconds} s, {move.copied_mib} MiB{after}{staging}')}"
        yield f"  migrate {shlex.quote(move.vm)} {shlex.quote(move.source)} {shlex.quote(move.target)}"
        yield "}"
        yield f"name[{number}]={shlex.quote(clean(_title(move)))}"
        yield ""


def _title(move: PlannedMove) -> str:
    return f"{move.id} ({move.vm}: {move.source} to {move.target})"


def _batches(plan: Plan) -> Iterator[str]:
    numbers = {m.id: n for n, m in enumerate(plan.moves, 1)}
    for batch in sorted({m.batch for m in plan.moves}):
        moves = [m for m in plan.moves if m.batch == batch]
        longest = max(m.seconds for m in moves)
        text = f"batch {batch}, {count(len(moves), 'move')}, about {longest:.0f} s"
        yield f"may_go_on {shlex.quote(text)}"
        for move in moves:
            yield " ".join(["begin", str(numbers[move.id]), *(str(numbers[a]) for a in move.after)])
        yield "finish"
        yield ""


def _refuse_nul(plan: Plan) -> None:
    for i, move in enumerate(plan.moves):
        for field, value in (("vm", move.vm), ("from", move.source), ("to", move.target)):
            if "\0" in value:
                raise InputError("plan", f"moves[{i}].{field}", value, "a name without NUL characters", "rename it")
