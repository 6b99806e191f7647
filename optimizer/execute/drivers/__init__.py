"""The hands: what a driver has to be able to do, so that a plan can be carried out with it.

A driver reads and moves; it decides nothing and remembers nothing that the ledger should. One driver a file. It maps
what its platform says of a migration to the states of `optimizer.execute.states`, in a table in its docstring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from optimizer.errors import SafetyStop

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.execute.states import Failure, MoveState
    from optimizer.fleet import Busy, HostState, Mobility, VmState

__all__ = [
    "Driver",
    "HoldsBack",
    "HostReading",
    "JobReading",
    "MoveRefused",
    "NotAborted",
    "ReplyLost",
    "Request",
    "Unreadable",
    "VmReading",
]


class Unreadable(SafetyStop):
    """A driver could not read what it was asked for: what cannot be read stops the run."""


class MoveRefused(Exception):
    """A driver knows for certain that a move did not start; the text says why, `temporary` that it may later."""

    def __init__(self, text: str, *, temporary: bool = False) -> None:
        super().__init__(text)
        self.temporary = temporary


class ReplyLost(Exception):
    """A driver does not know whether a move started: no answer, a time-out, an error half-way."""


class NotAborted(Exception):
    """A driver could not abort a move; it goes on."""


@dataclass(frozen=True, slots=True)
class VmReading:
    """A VM as it is now; `moving_to` names the other end of a migration that somebody has in flight.

    Attributes
    ----------
    host
        Where it runs; None where it is placed nowhere.
    copies
        Further hosts on which it is seen running or defined, other than the ends of a migration in flight.
    """

    id: str
    host: str | None
    state: VmState
    mobility: Mobility
    demand: Mapping[str, int]
    moving_to: str | None = None
    copies: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HostReading:
    """A host as it is now; `vms` are all that count on it, those on their way in or out included."""

    id: str
    state: HostState
    capacity: Mapping[str, int]
    busy: tuple[Busy, ...]
    vms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Request:
    """A move as a driver is asked for it.

    Attributes
    ----------
    attempt
        Which attempt at this move of the plan; `token` names it for good.
    seconds
        How long the plan thinks that it takes.
    epoch
        Of the leader that asks: who remembers the highest may refuse a lower one.
    since
        When the intent was written: a job for it cannot be older.
    job
        The platform's own name for its job, where it gave one.
    """

    plan: str
    move: str
    attempt: int
    vm: str
    source: str
    target: str
    copied_mib: int = 0
    seconds: float = 0.0
    epoch: int = 0
    since: datetime | None = None
    job: str = ""

    @property
    def token(self) -> str:
        """The same for the same attempt, and for no other: what a platform may know an order by."""
        return f"{self.plan}/{self.move}/{self.attempt}"


@dataclass(frozen=True, slots=True)
class JobReading:
    """What the platform says of a job.

    Attributes
    ----------
    state
        accepted, preparing, copying, switching; or done, failed.
    remaining_mib
        What is left to copy; None where the platform does not say.
    ended_at
        When it ended, where the platform says.
    ready
        It is prepared, and waits to be told to copy (`HoldsBack`).
    """

    id: str
    state: MoveState
    remaining_mib: float | None = None
    failure: Failure | None = None
    detail: str = ""
    ended_at: datetime | None = None
    ready: bool = False


@runtime_checkable
class HoldsBack(Protocol):
    """A driver whose `submit` only prepares a move: it copies when it is told to, and until then takes no links.

    For platforms that make a target ready and then wait. One that copies as soon as it was asked is no such driver,
    whatever it calls its first phase.
    """

    @property
    def holds_back(self) -> bool:
        """Whether it does so as it was opened."""

    def proceed(self, request: Request) -> None:
        """Let a move that is ready copy; told so twice, it is as once.

        Raises
        ------
        MoveRefused
            It does not copy, for certain; it stays prepared.
        ReplyLost
            Nobody knows whether it does.
        """


class Driver(Protocol):
    """What carries moves out; everything that it is asked is answered at once (or within its own deadline).

    `tests/execute/driver_contract.py` has what every driver has to keep to.
    """

    @property
    def simulated(self) -> bool:
        """Whether nothing outside this process is moved; `apply` says so on its first line."""

    @property
    def clock(self) -> Clock:
        """The driver's time: a plan expires by it."""

    @property
    def fleet(self) -> str:
        """The id of the fleet that the driver reaches."""

    @property
    def settles_s(self) -> float:
        """Seconds after which a submit whose reply was lost has taken effect or never will, and `read_vm` shows it."""

    def read_vm(self, vm: str) -> VmReading | None:
        """Return the VM as the inventory has it now, None where there is none.

        Raises
        ------
        Unreadable
            The driver cannot tell.
        """

    def read_host(self, host: str) -> HostReading | None:
        """Return the host as it is now, None where there is none.

        Raises
        ------
        Unreadable
            The driver cannot tell.
        """

    def migrating(self) -> frozenset[str]:
        """Return the ids of the VMs that are migrating now, whoever moves them.

        Raises
        ------
        Unreadable
            The driver cannot tell.
        """

    def submit(self, request: Request) -> str:
        """Start a move and return at once, with the platform's name for the job (empty where it gives none).

        Raises
        ------
        MoveRefused
            The move did not start, for certain.
        ReplyLost
            Nobody knows whether it did.
        """

    def observe(self, request: Request) -> JobReading | None:
        """Return what the platform says of the job: found by its name, or by VM, target and time; None if by neither.

        Raises
        ------
        Unreadable
            The driver cannot tell.
        """

    def abort(self, request: Request) -> None:
        """Ask that a move be given up; what became of it is observed.

        Raises
        ------
        NotAborted
            It cannot be, or not any more.
        """
