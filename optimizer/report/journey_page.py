"""The journey of one VM: where it has been, what is in flight, and what holds it where it is, until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from optimizer.execute.ledger.records import is_simulated
from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count, duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.execute.ledger.records import FlyingMove
    from optimizer.execute.ledger.watch_records import Travel
    from optimizer.fleet import Fleet, PastMove
    from optimizer.problem.rule import Hold, Rule

__all__ = ["Held", "Journey", "Trip", "held_by", "journey_page", "trips_of"]

WORDS = {
    "baby": "too new",
    "unmovable": "failed too often",
    "bouncing": "moved too often",
    "hourly": "moves per hour",
    "cool_down": "cooling down",
    "no_move_until": "not to be moved yet",
}
"""What people call the reasons of the rule `journey`."""

TONES = {"done": Tone.GOOD, "failed": Tone.BAD}


@runtime_checkable
class _Holding(Protocol):
    """A rule that can say what keeps a VM where it is, and until when."""

    def holds(self, fleet: Fleet, vm: int) -> list[Hold]: ...


@dataclass(frozen=True, slots=True)
class Trip:
    """One attempt to move it, whoever made it; plan, move and attempt where the ledger has them."""

    source: str
    target: str
    started_at: datetime
    ended_at: datetime
    outcome: str
    by: str
    plan: str = ""
    move: str = ""
    attempt: int = 0
    driver: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What keeps it where it is: `reason` as the rule calls it, `filter` in words."""

    rule: str
    reason: str
    filter: str
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Journey:
    """The journey of one VM of one fleet.

    Attributes
    ----------
    asked_at
        The snapshot's time; None where no snapshot was given, and `held` says nothing.
    free_at
        When nothing of `held` holds it any more, if nothing happens to it until then.
    """

    fleet: str
    vm: str
    trips: tuple[Trip, ...]
    in_flight: tuple[FlyingMove, ...]
    asked_at: datetime | None
    held: tuple[Held, ...]

    @property
    def free_at(self) -> datetime | None:
        """When nothing holds it any more."""
        return max((one.until for one in self.held), default=None)


def held_by(rules: Iterable[Rule], fleet: Fleet, vm: int) -> tuple[Held, ...]:
    """Return what the rules of a policy say keeps a VM where it is."""
    return tuple(
        Held(one.rule, one.reason, WORDS.get(one.reason, one.reason), _time(one.until), one.text)
        for rule in rules
        if isinstance(rule, _Holding)
        for one in rule.holds(fleet, vm)
    )


def trips_of(ours: Iterable[Travel], others: Iterable[PastMove] = ()) -> tuple[Trip, ...]:
    """Return the trips that the ledger has, and those that only a snapshot's history has, in order."""
    known = [
        Trip(
            t.source, t.target, t.started_at, t.ended_at, t.outcome, t.by, t.plan, t.move, t.attempt, t.driver, t.detail
        )
        for t in ours
    ]
    more = [Trip(m.source, m.target, _time(m.started_at), _time(m.ended_at), m.outcome.value, m.by) for m in others]
    return tuple(sorted([*known, *more], key=lambda t: (t.ended_at, t.started_at)))


def journey_page(journey: Journey) -> Page:
    """Lay it out."""
    page = Page()
    done = sum(trip.outcome == "done" for trip in journey.trips)
    page.line(f"{journey.vm} of fleet {journey.fleet}: {count(len(journey.trips), 'travel')}, {done:,} done")
    table = Table(("ended", "from", "to", "outcome", ">took", "by", "plan", "~detail"))
    for trip in journey.trips:
        seen = trip.by == "other" and not trip.plan
        took = "-" if seen else duration((trip.ended_at - trip.started_at).total_seconds())
        name = f"{trip.plan}/{trip.move}" if trip.plan else "-"
        again = f"attempt {trip.attempt}" if trip.attempt > 1 else ""
        rehearsed = "simulated: not counted for a real fleet" if is_simulated(trip.driver) else ""
        said = "; ".join(part for part in (again, trip.detail, rehearsed) if part)
        tone = TONES.get(trip.outcome, Tone.WARN)
        table.add(_text(trip.ended_at), trip.source, trip.target, trip.outcome, took, trip.by, name, said, tone=tone)
    page.table(table)
    for move in journey.in_flight:
        page.line(f"in flight: {move.source} to {move.target}, {move.state.value} ({move.key})", Tone.WARN)
    _held(page, journey)
    return page


def _held(page: Page, journey: Journey) -> None:
    if journey.asked_at is None:
        page.line("with --snapshot FLEET and --policy: what holds it, and until when", Tone.QUIET)
        return
    free = journey.free_at
    if free is None:
        page.line(f"nothing holds it at {_text(journey.asked_at)}: it may be moved", Tone.GOOD)
        return
    page.line(f"it stays until {_text(free)}, {duration((free - journey.asked_at).total_seconds())} more", Tone.WARN)
    table = Table(("filter", "rule", "until", "~why"))
    for one in journey.held:
        table.add(one.filter, f"{one.rule}/{one.reason}", _text(one.until), one.why, tone=Tone.WARN)
    page.table(table)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
