"""What-if answers about hosts that can be emptied: in data, and as a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.report.page import Page, Tone
from optimizer.report.whatif_drain_facts import MoveFacts, move_facts
from optimizer.report.whatif_drain_page import moves_page
from optimizer.report.whatif_facts import GAP, PROVEN
from optimizer.report.whatif_page import about_line
from optimizer.report.words import count, duration, percent, shortened

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.report.whatif_facts import About
    from optimizer.whatif.empty import Emptied

__all__ = ["EmptyFacts", "describe_empty", "empty_page"]

NAMED = 12


@dataclass(frozen=True, slots=True)
class EmptyFacts:
    """Hosts in use that can be emptied: `value` (`hosts` names them), at most `bound`; `unused` have no VM now."""

    question: str
    about: About
    used: int
    unused: int
    value: int
    bound: int
    gap: float
    status: str
    hosts: tuple[str, ...]
    moves: tuple[MoveFacts, ...]
    batches: int
    seconds: float


def describe_empty(fleet: Fleet, answer: Emptied, about: About) -> EmptyFacts:
    """Say which hosts can be emptied, by which moves."""
    drained = answer.drained
    value = len(answer.hosts)
    return EmptyFacts(
        question="empty",
        about=about,
        used=answer.used,
        unused=answer.unused,
        value=value,
        bound=answer.bound,
        gap=round((answer.bound - value) / answer.bound, 4) if answer.bound else 0.0,
        status=PROVEN if answer.proven else GAP,
        hosts=tuple(fleet.hosts.ids[h] for h in answer.hosts),
        moves=() if drained is None else move_facts(drained.plan),
        batches=0 if drained is None else len(drained.plan.batches),
        seconds=0.0 if drained is None else round(drained.seconds, 1),
    )


def empty_page(facts: EmptyFacts) -> Page:
    """Lay out which hosts can be emptied."""
    page = Page()
    proof = (
        "no more can, proven" if facts.status == PROVEN else f"at most {facts.bound:,} can, gap {percent(facts.gap, 1)}"
    )
    tone = Tone.GOOD if facts.value else Tone.PLAIN
    page.line(f"{facts.value:,} of {count(facts.used, 'host')} in use can be emptied; {proof}", tone)
    if facts.moves:
        moves = count(len(facts.moves), "move")
        page.line(f"{moves} in {count(facts.batches, 'batch', 'batches')}, {duration(facts.seconds)}")
    if facts.unused:
        page.line(
            f"{count(facts.unused, 'host')} without VMs {'stays' if facts.unused == 1 else 'stay'} so", Tone.QUIET
        )
    page.line(about_line(facts.about), Tone.QUIET)
    if facts.hosts:
        more = f" and {len(facts.hosts) - NAMED:,} more" if len(facts.hosts) > NAMED else ""
        page.line("emptied: " + ", ".join(shortened(name, 30) for name in facts.hosts[:NAMED]) + more)
        page.heading("Moves")
        moves_page(page, facts.moves)
    return page
