"""What happens in a service, as it is told to whoever listens: notifications, metrics, logs, the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from optimizer.caution import Caution
    from optimizer.execute.apply import Applied
    from optimizer.execute.states import MoveState
    from optimizer.plan import Plan, PlannedMove
    from optimizer.service.record import Cycle
    from optimizer.service.roles import Watched

__all__ = [
    "CycleBegan",
    "CycleEnded",
    "Event",
    "Everybody",
    "FleetRead",
    "LeadChanged",
    "MoveChanged",
    "Notified",
    "PairChanged",
    "PlanMade",
    "PlanWaits",
    "PlanWarned",
    "RunEnded",
    "Seen",
    "Standing",
    "Stopped",
    "Told",
    "Trouble",
]


@dataclass(frozen=True, slots=True)
class CycleBegan:
    """A cycle began."""

    cycle: Cycle


@dataclass(frozen=True, slots=True)
class FleetRead:
    """The fleet was read; `notes` say what is doubtful about it, each in a line."""

    cycle: Cycle
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """The fleet was read and watched."""

    cycle: Cycle
    watched: Watched


@dataclass(frozen=True, slots=True)
class PlanMade:
    """A plan was made; `path` is where it is kept."""

    cycle: Cycle
    plan: Plan
    path: str


@dataclass(frozen=True, slots=True)
class PlanWarned:
    """Something about how a plan was made makes it doubtful, whether it has moves or not."""

    cycle: Cycle
    warnings: tuple[Caution, ...]


@dataclass(frozen=True, slots=True)
class PlanWaits:
    """A plan waits for its approval, from now on."""

    cycle: Cycle
    plan: Plan
    path: str


@dataclass(frozen=True, slots=True)
class MoveChanged:
    """A move of the plan that is being carried out passed into another state."""

    fleet: str
    plan: str
    move: PlannedMove
    state: MoveState
    at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A plan was carried out, or as much of it as could be."""

    cycle: Cycle
    plan: Plan
    applied: Applied


@dataclass(frozen=True, slots=True)
class Stopped:
    """A safety keeps plans from being carried out: the button, a gate, a breaker."""

    cycle: Cycle
    reason: str


@dataclass(frozen=True, slots=True)
class CycleEnded:
    """A cycle ended."""

    cycle: Cycle


@dataclass(frozen=True, slots=True)
class LeadChanged:
    """From now on cycles of the fleet are made here, or are not."""

    fleet: str
    leads: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something beside the cycles went wrong: a notification, the ledger."""

    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class PairChanged:
    """The evidence about a pair came to another state; an empty one: it was not known, or is not any more."""

    fleet: str
    noisy: str
    suffers: str
    kind: str
    before: str
    after: str
    detail: str


@dataclass(frozen=True, slots=True)
class Notified:
    """A receiver was told something, or could not be; `address` is its host alone."""

    receiver: str
    address: str
    delivered: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the fleet stands by the ledger, looked at between cycles.

    Attributes
    ----------
    stopped
        Why nothing may be submitted; empty while it may.
    open_moves
        How many open moves are in each state.
    budget
        What is left of each window budget of the policy: (per what, window in seconds, unit) -> amount.
    waiting
        The id of the plan that waits for its approval.
    """

    fleet: str
    stopped: str
    open_moves: Mapping[str, int]
    budget: Mapping[tuple[str, int, str], float]
    waiting: str = ""


OfCycle = CycleBegan | FleetRead | Seen | CycleEnded
OfPlan = PlanMade | PlanWarned | PlanWaits | MoveChanged | RunEnded | Stopped
Event = OfCycle | OfPlan | LeadChanged | PairChanged | Trouble | Notified | Standing


class Told(Protocol):
    """Whoever wants to know."""

    def tell(self, event: Event) -> None:
        """Take an event in; it may take no time, and raises nothing."""


class Everybody:
    """Tells several."""

    def __init__(self, listeners: Iterable[Told] = ()) -> None:
        self._listeners = list(listeners)

    def add(self, listener: Told) -> None:
        """Tell one more."""
        self._listeners.append(listener)

    def tell(self, event: Event) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.tell(event)
