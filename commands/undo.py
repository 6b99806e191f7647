"""`plan --undo RUN`: which VMs a run has moved, and where they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.ledger_options import peek

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet

__all__ = ["undo_words"]


def undo_words(plan: str, fleet: Fleet, ledger: Path | str) -> tuple[str, ...]:
    """Return ``VM=HOST`` for each VM that the run of a plan has moved and that is still where it took it.

    A VM that is gone, or that somebody has moved since, is named on standard error, and left alone.

    Raises
    ------
    InputError
        The ledger has no run of this plan for this fleet.
    """
    from commands.ledger import run_of
    from optimizer.execute.states import MoveState
    from optimizer.fleet import ABSENT
    from optimizer.report.words import clean

    with peek(ledger) as book:
        run = run_of(book, plan, fleet.id)
        moves = [m.flying for m in sorted(book.moves(run.fleet, run.plan), key=lambda m: m.changed_at)]
    came_from: dict[str, str] = {}
    went_to: dict[str, str] = {}
    for move in moves:
        if move.state is MoveState.DONE:
            came_from.setdefault(move.vm, move.source)
            went_to[move.vm] = move.target
    words = []
    for vm, home in sorted(came_from.items()):
        number = fleet.vm_index.get(vm)
        host = int(fleet.vms.host[number]) if number is not None else ABSENT
        now = fleet.hosts.ids[host] if host != ABSENT else "nowhere"
        if now != went_to[vm] or home not in fleet.host_index:
            click.echo(clean(f"remora: --undo: {vm} was taken to {went_to[vm]} and is on {now}: left alone"), err=True)
        elif home != now:
            words.append(f"{vm}={home}")
    return tuple(words)
