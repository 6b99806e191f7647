"""What is remembered of a cycle, and where: every cycle is accounted for, also one that its process did not survive."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

__all__ = ["BAD", "Cycle", "CycleBook", "Outcome"]


class Outcome(Enum):
    """How a cycle ended.

    ==========  =======================================================================================
    running     it has not ended yet
    watched     it read and watched, and there was no reason to plan
    clean       nothing is violated, or nothing that a move would repair
    remains     something is violated, and no move would repair it
    proposed    a plan was made and kept; carrying it out is left to people
    waiting     a plan waits for its approval
    done        a plan was carried out, every move
    partly      a plan was carried out, and moves failed or never started
    stopped     a safety stopped it: the button, a gate, a stale plan, the end of the service
    no_plan     nothing better than staying was found in time
    error       a stage failed or took too long
    lost        its process ended before it did
    ==========  =======================================================================================
    """

    RUNNING = "running"
    WATCHED = "watched"
    CLEAN = "clean"
    REMAINS = "remains"
    PROPOSED = "proposed"
    WAITING = "waiting"
    DONE = "done"
    PARTLY = "partly"
    STOPPED = "stopped"
    NO_PLAN = "no_plan"
    ERROR = "error"
    LOST = "lost"


BAD = frozenset({Outcome.ERROR, Outcome.LOST, Outcome.NO_PLAN})
"""After one of these the next cycle is tried sooner, and then later and later."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle of a fleet.

    Attributes
    ----------
    number
        From 1, without a gap; 0 where it is not written down yet.
    trigger
        Why it began: ``time``, ``start``, ``SIGHUP``, ``http``, ``approval``, ``imbalance``, ``watch``, ``retry``,
        ``once``.
    counts
        Numbers by name: notes of the reading, violations, imbalances, moves planned and how they ended, and the seconds
        of each stage as ``seconds_read`` and so on.
    detail
        Why it ended so, and then what was doubtful about the reading.
    """

    fleet: str
    number: int
    trigger: str
    by: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: Outcome = Outcome.RUNNING
    plan: str = ""
    counts: Mapping[str, float] = field(default_factory=dict)
    detail: str = ""
    epoch: int = 0


class CycleBook(Protocol):
    """Where cycles are written down."""

    def begin(self, cycle: Cycle) -> int:
        """Write down that a cycle has begun, and return its number; open ones of before are cut off."""

    def end(self, cycle: Cycle) -> None:
        """Write down how it ended."""

    def cycles(self, fleet: str, last: int | None = None) -> Sequence[Cycle]:
        """Return the cycles of a fleet, the latest first."""
