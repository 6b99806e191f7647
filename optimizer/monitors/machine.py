"""The state machine of one subject of one monitor: a host and its disk, a VM and its vCPU wait, a group and its hosts.

::

                bad                bad for open_after_s                  well for close_after_s
    (nothing) ───────> PENDING ──────────────────────────> OPEN ───┐  ┌──────────────────────────> CLOSED
        ^                 │                                 ^      │  │
        └─────────────────┘                                 │ well └──v──┐
            not bad (any more)                              └────── CLOSING
                                                            not well (any more)

========  ==========================================================================================
judged    of a reading
========  ==========================================================================================
bad       beyond the level at which an imbalance opens
between   not that bad, and not well: what is open stays open, what is pending comes to nothing
well      within the level at which an imbalance closes
missing   there is no reading, or none that can be trusted: not judged. It opens and closes nothing
gone      the subject is in no snapshot any more: as missing, until it was gone for `forget_after_s`
========  ==========================================================================================

Time counts only between two readings that follow one another within `gap_s` and that are judged alike: what was in a
longer gap, nobody knows, and it neither speaks for nor against. So within any time T an imbalance opens at most
``1 + T / (open_after_s + close_after_s)`` times, whatever the readings are. A reading that is not later than the last
one is left aside, so the same snapshot may be looked at twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

__all__ = ["Change", "Hysteresis", "Judged", "Memory", "Phase", "step"]


class Phase(Enum):
    """How a subject stands; one that never was bad has no memory at all."""

    PENDING = "pending"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Judged(Enum):
    """What a reading says."""

    BAD = "bad"
    BETWEEN = "between"
    WELL = "well"
    MISSING = "missing"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """How long something lasts before it counts, in seconds.

    Attributes
    ----------
    open_after_s, close_after_s
        How long readings are bad until an imbalance opens, and well until it closes; 0: at the first.
    gap_s
        Readings further apart are not joined.
    forget_after_s
        How long a subject is gone until its imbalance closes.
    """

    open_after_s: float
    close_after_s: float
    gap_s: float = 1500.0
    forget_after_s: float = 86400.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What the machine remembers of a subject; times in seconds since 1970.

    Attributes
    ----------
    phase
        How it stands.
    since
        The first bad reading.
    held_s
        How long its readings have spoken for the next phase, gaps left out.
    judged_at
        The last reading that was judged.
    seen_at
        The last look, judged or not.
    unjudged
        Why the last look was not judged; empty where it was.
    """

    phase: Phase
    since: float
    held_s: float
    judged_at: float
    seen_at: float
    unjudged: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A phase that was entered at a time; `before` is None where nothing was known of the subject."""

    before: Phase | None
    after: Phase | None
    at: float


_SPEAKS_FOR_THE_NEXT = {Phase.PENDING: Judged.BAD, Phase.CLOSING: Judged.WELL}


def step(
    memory: Memory | None, judged: Judged, now: float, hysteresis: Hysteresis, why: str = ""
) -> tuple[Memory | None, tuple[Change, ...]]:
    """Take a reading in.

    Parameters
    ----------
    memory
        What is remembered of the subject; None where that is nothing.
    now
        When the reading was taken, seconds since 1970.
    why
        Why it is missing, or that it is gone.

    Returns
    -------
    Memory or None
        What is remembered from now on; None where it is nothing (a pending one came to nothing).
    tuple
        The phases that were entered, in order.
    """
    if memory is None or memory.phase is Phase.CLOSED:
        return _first(judged, now, hysteresis)
    if now <= memory.seen_at:
        return memory, ()
    if judged in (Judged.MISSING, Judged.GONE):
        return _unjudged(memory, judged, now, hysteresis, why)
    before = memory
    memory = replace(_counted(memory, judged, now, hysteresis), judged_at=now, seen_at=now, unjudged="")
    after = _next(memory, judged, hysteresis)
    return after, _changes(before.phase, after, now)


def _first(judged: Judged, now: float, hysteresis: Hysteresis) -> tuple[Memory | None, tuple[Change, ...]]:
    if judged is not Judged.BAD:
        return None, ()
    phase = Phase.PENDING if hysteresis.open_after_s > 0 else Phase.OPEN
    memory = Memory(phase, now, 0.0, now, now)
    return memory, (Change(None, phase, now),)


def _unjudged(
    memory: Memory, judged: Judged, now: float, hysteresis: Hysteresis, why: str
) -> tuple[Memory | None, tuple[Change, ...]]:
    """Nothing opens or closes by what nobody saw, but what is long gone is let go."""
    if judged is Judged.GONE and now - memory.judged_at >= hysteresis.forget_after_s:
        if memory.phase is Phase.PENDING:
            return None, (Change(memory.phase, None, now),)
        after = replace(memory, phase=Phase.CLOSED, seen_at=now, unjudged=why)
        return after, (Change(memory.phase, Phase.CLOSED, now),)
    return replace(memory, seen_at=now, unjudged=why or judged.value), ()


def _counted(memory: Memory, judged: Judged, now: float, hysteresis: Hysteresis) -> Memory:
    """Add the time since the last reading, where both speak for the next phase and nothing is missing in between."""
    passed = now - memory.judged_at
    if judged is not _SPEAKS_FOR_THE_NEXT.get(memory.phase) or passed > hysteresis.gap_s:
        return memory
    return replace(memory, held_s=memory.held_s + passed)


def _next(memory: Memory, judged: Judged, hysteresis: Hysteresis) -> Memory | None:
    """Return how it stands after a reading; `held_s` has counted it already."""
    if memory.phase is Phase.PENDING:
        if judged is not Judged.BAD:
            return None
        opens = memory.held_s >= hysteresis.open_after_s
        return replace(memory, phase=Phase.OPEN, held_s=0.0) if opens else memory
    if judged is not Judged.WELL:
        return replace(memory, phase=Phase.OPEN, held_s=0.0)
    if memory.phase is Phase.OPEN:
        memory = replace(memory, phase=Phase.CLOSING, held_s=0.0)
    return replace(memory, phase=Phase.CLOSED) if memory.held_s >= hysteresis.close_after_s else memory


def _changes(before: Phase, memory: Memory | None, now: float) -> tuple[Change, ...]:
    after = memory.phase if memory is not None else None
    return (Change(before, after, now),) if after is not before else ()
