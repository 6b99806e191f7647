"""What the ledger says, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from optimizer.execute.states import Failure, MoveState, RunState

__all__ = [
    "EVERY_FLEET",
    "Approval",
    "Change",
    "Control",
    "EventRecord",
    "FlyingMove",
    "Key",
    "Lead",
    "MoveRecord",
    "Order",
    "Run",
    "is_simulated",
    "recorded_driver",
]

EVERY_FLEET = ""
"""The fleet of a control that holds for all, also for those that a ledger has not heard of; no fleet is called so."""


class Key(NamedTuple):
    """What a move is known by in the ledger of a fleet."""

    plan: str
    move: str

    def __str__(self) -> str:
        return f"{self.plan}/{self.move}"


@dataclass(frozen=True, slots=True)
class Order:
    """Who asked for something, and why."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lead:
    """The right to act on a fleet: every write of a leader names its epoch, and an older one is refused."""

    fleet: str
    epoch: int
    holder: str


@dataclass(frozen=True, slots=True)
class FlyingMove:
    """A move that the ledger holds to be open: intended or further, and no end was seen."""

    plan: str
    move: str
    vm: str
    source: str
    target: str
    state: MoveState
    copied_mib: int = 0
    attempt: int = 1
    epoch: int = 0
    job: str = ""
    intended_at: datetime | None = None

    @property
    def key(self) -> Key:
        """Plan and move."""
        return Key(self.plan, self.move)

    @property
    def facts(self) -> str:
        """What it asks for, as the chain of events has it."""
        return f"{self.vm}: {self.source} to {self.target}, {self.copied_mib} MiB, attempt {self.attempt}"


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """A move as the ledger has it, open or ended."""

    flying: FlyingMove
    failure: Failure | None
    detail: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A new state of a move, and why."""

    key: Key
    state: MoveState
    detail: str = ""
    failure: Failure | None = None


SIMULATED = "simulated"
"""The driver that moves nothing; what another is called that moves nothing either ends in this."""


def recorded_driver(name: str, *, simulated: bool) -> str:
    """Return what the ledger calls a driver: whether it moved anything has to be seen later, too."""
    return name if not simulated or name == SIMULATED else f"{name}, {SIMULATED}"


def is_simulated(driver: str) -> bool:
    """Whether what the ledger calls a driver so moved nothing."""
    return driver == SIMULATED or driver.endswith(f", {SIMULATED}")


@dataclass(frozen=True, slots=True)
class Run:
    """The execution of a plan; `moves` is how many the plan has, `driver` what carried it out (`recorded_driver`)."""

    fleet: str
    plan: str
    state: RunState
    fleet_digest: str
    policy_digest: str
    driver: str
    moves: int
    ordered_by: str
    reason: str
    approved_by: str
    epoch: int
    started_at: datetime
    ended_at: datetime | None

    @property
    def simulated(self) -> bool:
        """Whether no VM was moved by it."""
        return is_simulated(self.driver)


@dataclass(frozen=True, slots=True)
class Control:
    """What holds for a fleet until it is lifted: the button (`stop`), or a lower number of moves at once (`limit`)."""

    fleet: str
    name: str
    value: str
    at: datetime
    by: str
    reason: str

    @property
    def detail(self) -> str:
        """What its event says."""
        return f"{self.value}: {self.reason}" if self.value else self.reason


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody approved a plan, known by the digest of all that it says."""

    fleet: str
    plan: str
    digest: str
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One entry of a fleet's chain of events; `hash` covers all else and the hash before it."""

    fleet: str
    number: int
    at: str
    plan: str | None
    move: str | None
    state: str
    detail: str
    by: str
    epoch: int
    hash: str
