"""What stops it, and what would help: facts for machines, and the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.explain.elements import gathered
from optimizer.explain.stops import Proven
from optimizer.explain.words import correction_text, item_text
from optimizer.report.page import Page, Tone
from optimizer.report.words import count

if TYPE_CHECKING:
    from optimizer.explain.elements import Element
    from optimizer.explain.minimal_set import MinimalSet
    from optimizer.explain.stops import Help, Stops
    from optimizer.fleet import Fleet
    from optimizer.problem.problem import Problem

__all__ = ["ElementFacts", "HelpFacts", "ItemFacts", "StopsFacts", "stops_facts", "stops_page"]


@dataclass(frozen=True, slots=True)
class ElementFacts:
    """One element; `amount` is by how much it gives way where it is lifted, null where it has no degrees."""

    subject: str
    kind: str
    rule: str
    about: str
    resource: str
    level: str
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """Elements that say the same of different subjects."""

    text: str
    elements: tuple[ElementFacts, ...]


@dataclass(frozen=True, slots=True)
class HelpFacts:
    """What would help: `verified` where it was applied and a plan found, of that many moves."""

    text: str
    elements: tuple[ElementFacts, ...]
    smallest: bool
    verified: bool
    moves: int | None


@dataclass(frozen=True, slots=True)
class StopsFacts:
    """The answer to what stops something.

    `minimal`: without any one element it is possible; `items_minimal`: without any one item. `whole_model`: the model
    was the whole fleet, and not a smaller one whose proofs hold for the whole. `all_helps`: there are no others.
    `others` are further sets of items, each of which stops it by itself.
    """

    fleet: str
    fleet_digest: str
    policy: str
    question: str
    verdict: Proven
    items: tuple[ItemFacts, ...]
    others: tuple[tuple[ItemFacts, ...], ...]
    minimal: bool
    items_minimal: bool
    whole_model: bool
    helps: tuple[HelpFacts, ...]
    all_helps: bool
    moves: int | None
    first_seconds: float
    seconds: float


def stops_facts(fleet: Fleet, policy: str, problem: Problem, stops: Stops) -> StopsFacts:
    """Return the answer as a document says it."""
    found = stops.found
    return StopsFacts(
        fleet=fleet.id,
        fleet_digest=fleet.digest,
        policy=policy,
        question=f"what stops {stops.goal.text}",
        verdict=stops.verdict,
        items=_items(problem, stops, found),
        others=tuple(_items(problem, stops, other) for other in stops.others),
        minimal=bool(found and found.minimal),
        items_minimal=bool(found and found.items_minimal),
        whole_model=stops.whole,
        helps=tuple(_help(problem, one) for one in stops.helps),
        all_helps=stops.complete,
        moves=stops.planned.moves if stops.planned else None,
        first_seconds=round(stops.first_s, 3),
        seconds=round(stops.seconds, 3),
    )


def _items(problem: Problem, stops: Stops, found: MinimalSet | None) -> tuple[ItemFacts, ...]:
    items = gathered(found.elements) if found else {}
    return tuple(
        ItemFacts(item_text(problem, stops.goal, item, members), tuple(_element(e) for e in members))
        for item, members in items.items()
    )


def _element(e: Element, amount: int | None = None) -> ElementFacts:
    item = e.item
    return ElementFacts(e.subject, item.kind, item.rule, item.subject, item.resource, item.level, amount)


def _help(problem: Problem, one: Help) -> HelpFacts:
    given = one.correction.given
    elements = []
    for e in one.correction.lifted:
        amounts = [g.amount for g in given[e] if g.allowed is not None]
        elements.append(_element(e, max(amounts) if amounts else None))
    return HelpFacts(
        text=correction_text(problem, one.correction),
        elements=tuple(elements),
        smallest=one.correction.smallest,
        verified=one.planned is not None,
        moves=one.planned.moves if one.planned else None,
    )


WHOLE = "(moves are those of a whole plan, which repairs what else it can; --max-moves asks for fewer)"


def stops_page(facts: StopsFacts) -> Page:
    """Lay out what stops something."""
    page = Page()
    page.heading(f"{facts.question[0].upper()}{facts.question[1:]}?")
    if facts.verdict is Proven.STOPPED:
        _proof(page, facts)
        _helps(page, facts)
    else:
        _no_proof(page, facts)
    return page


def _no_proof(page: Page, facts: StopsFacts) -> None:
    if facts.verdict is Proven.POSSIBLE:
        page.line(f"nothing: {count(facts.moves or 0, 'move')} would do it, with nothing else worse", Tone.GOOD)
        page.line(WHOLE, Tone.QUIET)
    elif facts.verdict is Proven.NO_ORDER:
        page.line("nothing at its end: a placement is possible, but no safe order of moves to it was found", Tone.WARN)
    else:
        page.line("not known: nothing was proven within the time (--time-limit)", Tone.WARN)


def _proof(page: Page, facts: StopsFacts) -> None:
    if not facts.items:
        page.line("no placement does it, even if every rule and limit gave way", Tone.BAD)
        return
    number = len(facts.items)
    together = "this" if number == 1 else f"these {number} together"
    page.line(f"{together} ({_how_small(facts)}):", Tone.BAD)
    for n, item in enumerate(facts.items, 1):
        page.line(f"  {n}. {item.text}")
    for other in facts.others:
        page.line("and, independently of that, this:" if len(other) == 1 else "and, independently, these together:")
        for item in other:
            page.line(f"  - {item.text}")


def _how_small(facts: StopsFacts) -> str:
    """Say how small the set is known to be, and of what model."""
    if not facts.items_minimal:
        return "proven; not yet minimal: the time ended"
    each = "it" if len(facts.items) == 1 else "any one of them"
    if not facts.whole_model:
        return f"proven; a smaller model of the fleet needs {each}"
    return f"proven; without {each} it is possible" + ("" if facts.minimal else "; which subjects: not yet minimal")


def _helps(page: Page, facts: StopsFacts) -> None:
    if not facts.helps:
        if facts.items:
            page.line("what would help was not found within the time (--time-limit)", Tone.QUIET)
        return
    verified = [one for one in facts.helps if one.verified]
    where = "" if facts.whole_model else " in the model that was searched"
    if verified:
        page.heading("What would help: any one of these")
    for one in verified:
        size = f"; no smaller change does{where}" if one.smallest and one is facts.helps[0] else ""
        page.line(f"  {one.text} (planned again: {count(one.moves or 0, 'move')}{size})")
    if any(one.moves for one in verified):
        page.line(WHOLE, Tone.QUIET)
    if len(verified) < len(facts.helps):
        page.heading("What may help: VMs could stand so, but no safe order of moves was found")
    for one in facts.helps:
        if not one.verified:
            page.line(f"  {one.text}", Tone.QUIET)
    if facts.all_helps:
        page.line("whatever else would help contains one of these", Tone.QUIET)
