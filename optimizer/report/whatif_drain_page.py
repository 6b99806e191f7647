"""The page of a what-if answer about hosts that are emptied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.plan import StageStatus
from optimizer.problem.problem import Least
from optimizer.report.page import Page, Table, Tone
from optimizer.report.whatif_drain_facts import IMPOSSIBLE, POSSIBLE
from optimizer.report.whatif_page import about_line
from optimizer.report.words import amount, count, duration, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.report.whatif_drain_facts import DrainFacts, MoveFacts

__all__ = ["drain_page", "moves_page"]

SHOWN, BLOCKS = 12, 8


def drain_page(facts: DrainFacts) -> Page:
    """Lay out what it takes to empty hosts."""
    page = Page()
    hosts = count(len(facts.hosts), "host")
    what = f"{hosts} with {count(facts.vms, 'VM')}"
    if facts.status == POSSIBLE:
        page.line(f"{what}: all can leave", Tone.GOOD)
    else:
        left = f"{count(len(facts.left), 'VM')} of {facts.vms:,} {'stays' if len(facts.left) == 1 else 'stay'}"
        proof = "not all can leave, proven" if facts.status == IMPOSSIBLE else "not proven that not all can leave"
        page.line(f"{what}: {left}; {proof}", Tone.BAD)
    page.line(_effort_line(facts))
    page.line(about_line(facts.about), Tone.QUIET)
    if facts.blocks:
        page.heading("What blocks")
        table = Table(("stays", "~would help"))
        for one in facts.blocks[:BLOCKS]:
            table.add(one.subject, one.would_help or one.why)
        page.table(table)
        if len(facts.blocks) > BLOCKS:
            page.line(f"and {len(facts.blocks) - BLOCKS:,} more (--json has all)", Tone.QUIET)
    if facts.moves:
        page.heading("Moves")
        moves_page(page, facts.moves)
    return page


def _effort_line(facts: DrainFacts) -> str:
    if facts.moves_status == StageStatus.OPTIMAL.value:
        proof = "no fewer do, proven" if facts.counted == Least.MOVES.value else f"least {facts.counted}, proven"
    else:
        proof = f"at least {facts.bound:,}" + ("" if facts.counted == Least.MOVES.value else f" ({facts.counted})")
    pushed = f", {facts.pushed:,} of them to make room" if facts.pushed else ""
    return (
        f"{count(len(facts.moves), 'move')}{pushed} ({proof}); {count(facts.batches, 'batch', 'batches')}, "
        f"{duration(facts.seconds)}, {amount('memory_mib', facts.copied_mib)} copied"
    )


def moves_page(page: Page, moves: Sequence[MoveFacts]) -> None:
    """Lay out moves, the first of them."""
    table = Table((">batch", "VM", "from", "to", ">takes"))
    for move in moves[:SHOWN]:
        table.add(move.batch, shortened(move.vm, 40), move.source, move.target, duration(move.seconds))
    page.table(table)
    if len(moves) > SHOWN:
        page.line(f"and {count(len(moves) - SHOWN, 'move')} more (--json has all, -o writes the plan)", Tone.QUIET)
