"""Who does what in a cycle: each is handed in, so that days can be simulated in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from optimizer.execute.apply import Applied
    from optimizer.fleet import Fleet
    from optimizer.monitors.watching import Unjudged
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.problem.rule import Violation
    from optimizer.service.ending import Ending

__all__ = ["Found", "Hands", "Planner", "Reader", "Reading", "Watched", "Watcher"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read; `notes` say what is doubtful about it, `document` is the snapshot, where there is one to keep."""

    fleet: Fleet
    notes: tuple[str, ...] = ()
    document: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An imbalance that is open: which monitor saw it, on what, since when, and by which evidence."""

    id: str
    monitor: str
    subject: str
    since: datetime
    text: str
    place: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Watched:
    """What hurts.

    Attributes
    ----------
    fleet
        The fleet with what the ledger knows of it: moves in flight, journeys.
    imbalances, opened
        Those that are open now, and which of them were not before.
    states
        How many imbalances of each monitor are in each state.
    journeys
        How many VMs each filter of journeys keeps where they are.
    evidence
        Pairs of noisy and suffering VMs: how many are evident, separated, confirmed, refuted.
    again_s
        In how many seconds a look may open what is only pending now; None where nothing is.
    unjudged
        What monitors could not judge, and why: nothing opens or closes by that.
    """

    fleet: Fleet
    violations: tuple[Violation, ...] = ()
    imbalances: tuple[Found, ...] = ()
    opened: tuple[Found, ...] = ()
    states: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    journeys: Mapping[str, int] = field(default_factory=dict)
    evidence: Mapping[str, int] = field(default_factory=dict)
    again_s: float | None = None
    unjudged: tuple[Unjudged, ...] = ()


class Reader(Protocol):
    """Reads the fleet, within its own deadline."""

    def __call__(self) -> Reading:
        """Return the fleet as it is now."""


class Watcher(Protocol):
    """Judges what was read; it may write to the ledger."""

    def __call__(self, reading: Reading, policy: Policy) -> Watched:
        """Return what hurts."""


class Planner(Protocol):
    """Makes a plan within the time that it is given."""

    def __call__(self, fleet: Fleet, policy: Policy, ending: Ending) -> Plan:
        """Return a plan; where `ending` says so, the best so far."""


class Hands(Protocol):
    """Carries plans out."""

    def left_open(self, fleet: str) -> bool:
        """Whether the ledger has moves of before that nobody has seen end."""

    def settle(self, fleet: Fleet, policy: Policy, ending: Ending) -> None:
        """Look at those until it is known what became of them; start nothing."""

    def approved(self, plan: Plan) -> bool:
        """Whether somebody approved this plan, as it is."""

    def carry_out(self, fleet: Fleet, policy: Policy, plan: Plan, ending: Ending) -> Applied:
        """Carry a plan out."""
