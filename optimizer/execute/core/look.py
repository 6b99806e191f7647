"""What becomes of a move in flight by one more look at it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optimizer.execute.core.verdict import AGREED, BLIND, judge
from optimizer.execute.ledger.records import Change
from optimizer.execute.states import ENDED, MoveState

if TYPE_CHECKING:
    from optimizer.execute.core.events import Look
    from optimizer.execute.core.model import Flight, Moment, Settings, State
    from optimizer.execute.core.verdict import Verdict

__all__ = ["ABORTABLE", "ABORTS", "Outcome", "is_hopeless", "look_at", "poll_s"]

APART = 0.9
"""Share of a poll that two looks have to be apart to count as two."""

REFUSALS = 3
"""How often a prepared move may be refused to copy before it is given up."""

LOOKS = 1_000
"""How often a move is looked at while it takes its time, at most."""

ABORTS = 3
"""How often a move is asked to be given up."""

TROUBLE = frozenset({MoveState.UNKNOWN, *ENDED}) - {MoveState.DONE}

ABORTABLE = frozenset({MoveState.ACCEPTED, MoveState.PREPARING, MoveState.COPYING})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The move after a look; `change` is its new state where it has one, `abort` why it is to be given up."""

    flight: Flight
    change: Change | None = None
    abort: str = ""

    @property
    def is_trouble(self) -> bool:
        """Whether it is a reason to go slower."""
        change = self.change
        return bool(self.abort) or (change is not None and change.state in TROUBLE)

    @property
    def has_ended(self) -> bool:
        """Whether it is known how it ended."""
        return self.change is not None and self.change.state in ENDED


def poll_s(state: State) -> float:
    """Return how long to let pass between two looks: longer where even the shortest move takes hours."""
    tasks = [state.tasks.get(key) for key in state.flying]
    shortest = min((0.0 if task is None else task.seconds for task in tasks), default=0.0)
    return max(state.settings.poll_s, shortest / LOOKS)


def is_hopeless(flight: Flight, settings: Settings, now: Moment) -> bool:
    """Whether a move is unknown, or stands still and cannot be given up, for longer than the patience lasts."""
    if flight.unknown_since is not None:
        return now.seconds - flight.unknown_since >= settings.patience_s
    lasting = flight.ready or flight.inherited or flight.aborts >= ABORTS or flight.state is MoveState.SWITCHING
    return lasting and now.seconds - max(flight.improved_at, flight.since) >= settings.patience_s


def look_at(flight: Flight, look: Look, settings: Settings, now: Moment) -> Outcome:
    """Take one look in."""
    if look.blind:
        return _blind(flight, look.blind, now)
    verdict = judge(flight, look)
    apart = flight.looked_at is None or now.seconds - flight.looked_at >= APART * settings.poll_s
    same = verdict.belief == flight.belief
    agreed = flight.agreed + apart if same else 1
    flight = replace(
        flight,
        belief=verdict.belief,
        agreed=agreed,
        belief_since=flight.belief_since if same else now.seconds,
        looked_at=now.seconds if apart or not same else flight.looked_at,
        looks=flight.looks + apart,
        blind=0,
    )
    if verdict.state in ENDED:
        return _ending(flight, verdict, settings, now)
    if verdict.state is MoveState.UNKNOWN:
        return _unknown(flight, verdict.detail, now) if agreed >= AGREED else Outcome(flight)
    return _going_on(flight, look, verdict.state, settings, now)


def _blind(flight: Flight, why: str, now: Moment) -> Outcome:
    flight = replace(flight, blind=flight.blind + 1, agreed=0, belief="")
    return _unknown(flight, why, now) if flight.blind >= BLIND else Outcome(flight)


def _unknown(flight: Flight, why: str, now: Moment) -> Outcome:
    if flight.state is MoveState.UNKNOWN:
        return Outcome(flight)
    flight = replace(flight, state=MoveState.UNKNOWN, unknown_since=now.seconds)
    return Outcome(flight, Change(flight.key, MoveState.UNKNOWN, why))


def _ending(flight: Flight, verdict: Verdict, settings: Settings, now: Moment) -> Outcome:
    settled = not verdict.settled or now.seconds - flight.belief_since >= settings.settles_s
    if flight.agreed >= verdict.needs and settled:
        return Outcome(flight, Change(flight.key, verdict.state, verdict.detail, verdict.failure))
    if flight.agreed >= AGREED:
        return _unknown(flight, f"seems {verdict.state.value}, not confirmed yet", now)
    return Outcome(flight)


def _going_on(flight: Flight, look: Look, state: MoveState, settings: Settings, now: Moment) -> Outcome:
    ready = state is MoveState.PREPARING and look.job is not None and look.job.ready
    left = look.job.remaining_mib if look.job and not ready else None  # what only waits does not get better
    improves = flight.improved_at == 0.0 or (left is not None and (flight.least_mib is None or left < flight.least_mib))
    flight = replace(
        flight,
        ready=ready,
        left_mib=left,
        least_mib=left if improves and left is not None else flight.least_mib,
        improved_at=now.seconds if improves else flight.improved_at,
    )
    change = None
    if state is not flight.state:
        flight = replace(flight, state=state, unknown_since=None, improved_at=now.seconds)
        change = Change(flight.key, state)
    why = _overdue(flight, left, settings, now)
    if why and flight.aborts < ABORTS:
        flight = replace(flight, aborts=flight.aborts + 1, abort_reason=f"aborted: {why}", improved_at=now.seconds)
        return Outcome(flight, change, why)
    return Outcome(flight, change)


def _overdue(flight: Flight, left: float | None, settings: Settings, now: Moment) -> str:
    """Say why a move is to be given up; empty while it is not, or where it cannot be."""
    if flight.ready and flight.refused >= REFUSALS:
        return f"it was prepared, and the platform refused {REFUSALS} times to copy"
    if flight.state not in ABORTABLE or flight.inherited or flight.ready:
        return ""
    if left is not None and now.seconds - flight.improved_at >= settings.stall_s:
        return f"stalled: {left:,.0f} MiB were left for {settings.stall_s:g} s"
    most = max(settings.least_timeout_s, settings.seconds_per_gib * flight.copied_mib / 1024)
    if now.seconds - flight.since >= most * (1 + flight.aborts):
        return f"it took longer than {most:g} s"
    return ""
