"""What-if answers about maintenance in waves: in data, and as a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.fleet import ABSENT
from optimizer.report.page import Page, Table, Tone
from optimizer.report.whatif_facts import GAP, PROVEN
from optimizer.report.whatif_page import about_line
from optimizer.report.words import count, duration, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet
    from optimizer.report.whatif_facts import About
    from optimizer.whatif.roll import Rolled

__all__ = ["RollFacts", "WaveFacts", "describe_roll", "roll_page"]

SHOWN, NAMED = 40, 6


@dataclass(frozen=True, slots=True)
class WaveFacts:
    """One wave: what is serviced at once, the moves (VM, from, to) that empty it, and how long these take."""

    units: tuple[str, ...]
    moves: tuple[tuple[str, str, str], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class RollFacts:
    """Maintenance of all units in waves; `bound`: no fewer do. `stuck` units have a VM for which no host was found."""

    question: str
    about: About
    by: str
    value: int
    bound: int
    status: str
    moves: int
    moved_twice: int
    seconds: float
    waves: tuple[WaveFacts, ...]
    stuck: tuple[tuple[str, str], ...]


def describe_roll(fleet: Fleet, names: Sequence[str], by: str, answer: Rolled, about: About) -> RollFacts:
    """Say the waves in names."""
    waves = tuple(
        WaveFacts(
            tuple(names[u] for u in wave.units),
            tuple((fleet.vms.ids[m.vm], fleet.hosts.ids[m.source], fleet.hosts.ids[m.target]) for m in wave.moves),
            round(wave.seconds, 1),
        )
        for wave in answer.waves
    )
    return RollFacts(
        question="roll",
        about=about,
        by=by,
        value=len(waves),
        bound=answer.bound,
        status=PROVEN if answer.proven else GAP,
        moves=sum(len(wave.moves) for wave in waves),
        moved_twice=answer.twice,
        seconds=round(sum(wave.seconds for wave in waves), 1),
        waves=waves,
        stuck=tuple((names[u], "" if vm == ABSENT else fleet.vms.ids[vm]) for u, vm in answer.stuck),
    )


def roll_page(facts: RollFacts) -> Page:
    """Lay out the waves."""
    page = Page()
    units = sum(len(wave.units) for wave in facts.waves)
    proof = "no fewer do, proven" if facts.status == PROVEN else f"at least {facts.bound:,}"
    if units:
        page.line(f"{count(units, facts.by)} in {count(facts.value, 'wave')} ({proof})", Tone.GOOD)
    else:
        page.line(f"no {facts.by} could be emptied", Tone.BAD)
    twice = f", {count(facts.moved_twice, 'VM')} more than once" if facts.moved_twice else ", no VM more than once"
    page.line(f"{count(facts.moves, 'move')}{twice}; moving takes {duration(facts.seconds)}")
    page.line(about_line(facts.about), Tone.QUIET)
    table = Table((">wave", f">{facts.by}s", ">moves", ">moving takes", "~which"))
    for number, wave in enumerate(facts.waves[:SHOWN], 1):
        more = f" and {len(wave.units) - NAMED:,} more" if len(wave.units) > NAMED else ""
        which = ", ".join(shortened(name, 30) for name in wave.units[:NAMED]) + more
        table.add(number, len(wave.units), len(wave.moves), duration(wave.seconds), which)
    page.table(table, empty="nothing can be serviced")
    if len(facts.waves) > SHOWN:
        page.line(f"and {count(len(facts.waves) - SHOWN, 'wave')} more (--json has all)", Tone.QUIET)
    if facts.stuck:
        page.heading("Not emptied: no host was found for all of their VMs")
        table = Table((facts.by, "such as"))
        for name, vm in facts.stuck[:SHOWN]:
            table.add(name, vm or "-")
        page.table(table)
    return page
