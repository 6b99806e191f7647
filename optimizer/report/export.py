"""Plans for carrying out by hand: a table for a spreadsheet, and a shell script to review, sign and run.

The names in a plan come from files and are hostile: in the script every one is quoted where it is a word and escaped
where it stands in a comment, and no name becomes part of a command or of a function's name. In the table a cell that a
spreadsheet would take for a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
import io
import shlex
from enum import Enum
from importlib.resources import files
from typing import TYPE_CHECKING

from optimizer.errors import InputError
from optimizer.report.words import clean, count
from optimizer.sources.csv_formulas import defused
from optimizer.sources.libvirt.flags import ALWAYS, BY_HOW, COPIED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from optimizer.fleet import Carrying
    from optimizer.plan import Plan, PlannedMove

__all__ = ["CSV_COLUMNS", "Template", "plan_csv", "plan_shell"]

PLAN_COLUMNS = ("id", "vm", "from", "to", "after", "batch", "staging", "seconds", "copied_mib")
CSV_COLUMNS = (*PLAN_COLUMNS, "state", "mobility", "storage", "why")


class Template(Enum):
    """With what a script migrates."""

    VIRSH = "virsh"
    QM = "qm"
    OPENSTACK = "openstack"


def plan_csv(plan: Plan, carried: Callable[[str], Carrying]) -> str:
    """Return the moves as CSV, one a row, in the plan's order; `after` is a list with spaces between.

    Parameters
    ----------
    carried
        Says of a VM, by its id, how it is migrated.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for m in plan.moves:
        staging, how = "yes" if m.staging else "no", carried(m.vm)
        facts = (how.state.name.lower(), how.mobility.name.lower(), how.storage)
        cells = (m.id, m.vm, m.source, m.target, " ".join(m.after), m.batch, staging, m.seconds, m.copied_mib)
        writer.writerow([defused(str(cell)) for cell in (*cells, *facts, clean(m.why))])
    return out.getvalue()


HEAD = """#!/usr/bin/env bash
# {title}
# Snapshot of {taken}, fleet {fleet_digest}, policy {policy_digest}
# Expires at {expires_text}
#
# Review it, then run it:  bash plan.sh
# Moves of one batch run side by side; the next batch begins when all of them have ended. After the first failure no
# further batch begins. Nothing is ever undone.
#
#   YES=1         do not ask before each batch
#   KEEP_GOING=1  after a failure go on with the moves that do not have to follow it
#   MIGRATE=...   a command that moves one VM instead of {template}, called with VM FROM TO HOW STORAGE (live, paused,
#                 cold, stopped; copied, shared); it has to return only when the VM is seen on TO and gone from FROM,
#                 and to fail otherwise
#   EXPIRED_OK=1  go on although the plan has expired: only if you are sure that nothing has changed
"""


def plan_shell(plan: Plan, carried: Callable[[str], Carrying], template: Template = Template.VIRSH) -> str:
    """Return a shell script (bash 4.4 or later) that carries the plan out, batch by batch.

    It exits with 0 if all moves were done, 1 if not, 4 if the plan has expired.

    Parameters
    ----------
    carried
        Says of a VM, by its id, how it is migrated.

    Raises
    ------
    InputError
        A name holds a NUL character, which no command line can.
    """
    _refuse_nul(plan)
    parts = [
        *_head(plan, template),
        _text("frame"),
        f"expires={int(plan.expires_at.timestamp())} # {plan.expires_at.isoformat()}",
        "",
        *(_virsh_flags() if template is Template.VIRSH else ()),
        _text(template.value),
        _text("run"),
        *_functions(plan, carried),
        *_batches(plan),
        "summary",
    ]
    return "\n".join([*parts, ""])


def _virsh_flags() -> Iterator[str]:
    """Yield the flags of each kind of migration as arrays: the same that the libvirt driver uses."""
    words = {"always": ALWAYS, **{how.value: flags for how, flags in BY_HOW.items()}, "copied": COPIED}
    for name, flags in words.items():
        yield f"flags_{name}=({' '.join(f'--{flag}' for flag in flags)})"
    yield ""


def _text(name: str) -> str:
    return (files("optimizer.report") / "shell" / f"{name}.sh").read_text("utf-8")


def _head(plan: Plan, template: Template) -> Iterator[str]:
    yield HEAD.format(
        title=clean(f"Plan {plan.id} of fleet {plan.fleet}: {count(len(plan.moves), 'move')}"),
        taken=plan.taken_at.isoformat(),
        fleet_digest=clean(plan.fleet_digest),
        policy_digest=clean(plan.policy_digest),
        expires_text=plan.expires_at.isoformat(),
        template=template.value,
    )


def _functions(plan: Plan, carried: Callable[[str], Carrying]) -> Iterator[str]:
    for number, move in enumerate(plan.moves, 1):
        after = f", after {', '.join(move.after)}" if move.after else ""
        staging = ", to wait there for its place" if move.staging else ""
        how = carried(move.vm)
        words = [shlex.quote(word) for word in (move.vm, move.source, move.target)]
        yield f"# {clean(move.why)}" if move.why else "#"
        yield f"move_{number}() {{ # {clean(f'{move.id}: {move.seconds} s, {move.copied_mib} MiB{after}{staging}')}"
        yield f"  carry {' '.join(words)} {how.how.value} {how.storage}"
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
