"""The hands: what a driver has to be able to do, so that `apply` can carry a plan out with it.

A driver reads and moves; it decides nothing and remembers nothing that the ledger should. One driver a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from optimizer.errors import SafetyStop

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.fleet import Busy, HostState, Mobility, VmState
    from optimizer.plan import PlannedMove

__all__ = ["Driver", "HostReading", "MoveRefused", "Result", "Unreadable", "VmReading"]


class Unreadable(SafetyStop):
    """A driver could not read what it was asked for: what cannot be read stops the run."""


class MoveRefused(Exception):
    """A driver knows for certain that a move did not start; the text says why."""


@dataclass(frozen=True, slots=True)
class VmReading:
    """A VM as it is now; `moving_to` names the other end of a migration that somebody has in flight."""

    id: str
    host: str | None
    state: VmState
    mobility: Mobility
    demand: Mapping[str, int]
    moving_to: str | None = None


@dataclass(frozen=True, slots=True)
class HostReading:
    """A host as it is now; `vms` are all that count on it, those on their way in or out included."""

    id: str
    state: HostState
    capacity: Mapping[str, int]
    busy: tuple[Busy, ...]
    vms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Result:
    """How a submitted move ended; `done` means seen on the target and gone from the source."""

    move: str
    done: bool
    at: datetime
    detail: str = ""


class Driver(Protocol):
    """What carries moves out. `clock` is the time by which it lives, `fleet` the id of what it drives.

    `tests/execute/test_driver_contract.py` has what every driver has to keep to.
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

    def read_vm(self, vm: str) -> VmReading | None:
        """Return the VM as it is now, None where there is none.

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

    def submit(self, move: PlannedMove) -> None:
        """Start a move and return at once.

        Raises
        ------
        MoveRefused
            The move did not start, for certain.
        """

    def poll(self) -> tuple[Result, ...]:
        """Wait until at least one submitted move has ended and return those that have; empty if none is in flight."""
