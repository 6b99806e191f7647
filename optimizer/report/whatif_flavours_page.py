"""How many VMs more of each of several flavours fit, each asked by itself: in data and as a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table, Tone
from optimizer.report.whatif_facts import PROVEN
from optimizer.report.whatif_page import about_line
from optimizer.report.whatif_survive_page import add_broken, not_packed
from optimizer.report.words import count, spoken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.report.whatif_facts import About, FitFacts, Reason, StepFacts, SurvivalFacts

__all__ = ["FlavourFacts", "FlavoursFacts", "flavours_page"]

STOPS = 3
"""That many reasons are named of each flavour."""


@dataclass(frozen=True, slots=True)
class FlavourFacts:
    """The answer for one flavour, as it was written."""

    flavour: str
    fit: FitFacts


@dataclass(frozen=True, slots=True)
class FlavoursFacts:
    """The answers for several flavours, in the order in which they were asked; each as if there were no other."""

    question: str
    about: About
    flavours: tuple[FlavourFacts, ...]


def flavours_page(facts: FlavoursFacts) -> Page:
    """Lay out the flavours, one a row."""
    page, found = Page(), [one.fit for one in facts.flavours]
    first, some = found[0], sum(fit.value > 0 for fit in found)
    tone = Tone.GOOD if some == len(found) else Tone.WARN if some else Tone.BAD
    page.line(
        f"{some:,} of {count(len(found), 'flavour')} still fit without moving anything, each asked by itself", tone
    )
    page.line(about_line(facts.about), Tone.QUIET)
    moves = [f">after {count(first.after_moves[-1].moves, 'move')}"] if first.after_moves else []
    lost = [f">N+{first.survive.k}"] if first.survive is not None else []
    table = Table(("flavour", f">{_counted(first.unit)} more", *moves, *lost, "~what stops the next one"))
    for one in facts.flavours:
        table.add(one.flavour, *_numbers(one.fit), _stops(one.fit))
    page.table(table)
    page.line("a number without a bound beside it is proven: no more can", Tone.QUIET)
    page.line("what one flavour takes is taken from the others: the numbers are not to be added up", Tone.QUIET)
    _survival(page, [fit.survive for fit in found if fit.survive is not None])
    _pools(page, facts)
    if any(fit.status != PROVEN and not fit.capped for fit in found):
        page.line("not all proven: more time may find more, or a smaller bound (--time-limit)", Tone.WARN)
    return page


def _counted(unit: str) -> str:
    """Return what is counted: ``VMs``, ``groups of 3``."""
    head, _, tail = unit.partition(" ")
    return f"{head}s {tail}".rstrip()


def _numbers(fit: FitFacts) -> Iterator[str]:
    yield _bounded(fit, capped=fit.capped)
    if fit.after_moves:
        yield _bounded(fit.after_moves[-1], capped=fit.after_moves[-1].capped)
    if fit.survive is not None:
        yield "-" if fit.survive.tried < fit.survive.sets else _bounded(fit.survive)


def _bounded(found: FitFacts | StepFacts | SurvivalFacts, *, capped: bool = False) -> str:
    if capped:
        return f"{found.value:,} (no more counted)"
    return f"{found.value:,}" if found.value >= found.bound else f"{found.value:,} (at most {found.bound:,})"


def _stops(fit: FitFacts) -> str:
    """Name the reasons that close most hosts, and how many."""
    named = [f"{_named(reason)} ({count(reason.hosts, 'host')})" for reason in fit.stopped_by[:STOPS]]
    rest = len(fit.stopped_by) - STOPS
    return ", ".join(named) + (f" and {rest} more" if rest > 0 else "") if named else "nothing on any single host"


def _named(reason: Reason) -> str:
    """Return the resource that there is too little of, or the rule, with what it is about where its text has it."""
    if (resource := spoken(reason.what)) != reason.what:
        return resource
    about = "" if reason.what in ("", reason.text) else f" of {reason.what}"
    return " ".join(reason.rules) + about


def _survival(page: Page, found: list[SurvivalFacts]) -> None:
    if not found:
        return
    lost = "any host" if found[0].k == 1 else f"any {found[0].k} hosts"
    packed = [one for one in found if one.tried == one.sets]
    if packed:
        checked = min(one.checked for one in packed)
        least = "" if checked == packed[0].sets else "at least "
        said = f"{count(packed[0].sets, 'loss', 'losses')} packed, {least}{checked:,} held against every rule"
        page.line(f"N+{found[0].k}: everything restarts after the loss of {lost}; of each {said}: accepted")
        add_broken(page, packed[0])
    if len(packed) < len(found):
        page.line(not_packed(next(one for one in found if one.tried < one.sets)), Tone.WARN)


def _pools(page: Page, facts: FlavoursFacts) -> None:
    """Lay out the flavours pool by pool, or say what is wrong already where there is one pool."""
    first = facts.flavours[0].fit
    if len(first.pools) == 1:
        if wrong := first.pools[0].violations:
            page.line(f"{count(wrong, 'violation')} now: what is over a limit takes no more", Tone.WARN)
        return
    page.heading(f"Pools by {first.by}")
    table = Table(("pool", ">hosts", ">violations now", "flavour", ">more VMs"))
    for i, pool in enumerate(first.pools):
        for n, one in enumerate(facts.flavours):
            said = (pool.pool, pool.hosts, pool.violations or "-") if n == 0 else ("", "", "")
            tone = Tone.WARN if pool.violations and n == 0 else Tone.PLAIN
            table.add(*said, one.flavour, one.fit.pools[i].vms, tone=tone)
    page.table(table)
