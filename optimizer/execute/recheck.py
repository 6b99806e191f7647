"""May this move start now? Asked before each move, of a fresh reading of what it touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from optimizer.errors import shorten
from optimizer.execute.readings import host_reading, standing, vm_reading
from optimizer.execute.states import MoveState
from optimizer.fleet import HostState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.execute.drivers import Driver, HostReading
    from optimizer.fleet import Fleet

__all__ = ["Ends", "Expected"]

NAMES_SHOWN = 3


class Ends(Protocol):
    """A VM and the hosts that it is to leave and to reach."""

    @property
    def vm(self) -> str:
        """The VM."""

    @property
    def source(self) -> str:
        """The host that it is to leave."""

    @property
    def target(self) -> str:
        """The host that it is to reach."""


class Expected:
    """The snapshot, kept up to date with what Remora has done since: what a reading has to agree with.

    A VM of a move in flight may be read at either end or at both: nobody knows when it goes over.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._host: dict[str, str] = {}
        self._on = standing(fleet)
        self._flying: set[str] = set()

    def fly(self, move: Ends) -> None:
        """Count the VM of an intended move on both hosts."""
        self._flying.add(move.vm)
        self._put(move.vm, move.target)

    def land(self, move: Ends, state: MoveState) -> None:
        """Count the VM of a move that has ended where it is: on its target, on its source, or nowhere."""
        self._flying.discard(move.vm)
        for host in (move.source, move.target):
            if host in self._fleet.host_index:
                self._on[self._fleet.host_index[host]].discard(move.vm)
        if state is not MoveState.GONE:
            self._put(move.vm, move.target if state is MoveState.DONE else move.source)
        if state is MoveState.DONE:
            self._host[move.vm] = move.target

    def _put(self, vm: str, host: str) -> None:
        if host in self._fleet.host_index:
            self._on[self._fleet.host_index[host]].add(vm)

    def change(self, move: Ends, driver: Driver) -> str:
        """Say what a fresh reading shows to be other than expected, empty if nothing that the move touches has changed.

        Raises
        ------
        Unreadable
            The driver cannot tell: what cannot be read stops the run.
        """
        return (
            self._change_of_vm(move, driver)
            or self._change_of_host(move.target, driver)
            or self._gone_down(move.source, driver)
        )

    def _change_of_vm(self, move: Ends, driver: Driver) -> str:
        now = driver.read_vm(move.vm)
        if now is None:
            return f"{shorten(move.vm)} is gone"
        vm = self._fleet.vm_index[move.vm]
        at_start = int(self._fleet.vms.host[vm])
        host = self._fleet.host_index[self._host[move.vm]] if move.vm in self._host else at_start
        then = vm_reading(self._fleet, vm, host)
        if now.moving_to is not None:
            return f"{shorten(move.vm)} is being moved to {shorten(now.moving_to)}"
        if now.host != move.source or now.copies:
            places = shorten(", ".join([now.host or "no host", *sorted(now.copies)]))
            return f"{shorten(move.vm)} is on {places}, not on {shorten(move.source)}"
        for what in ("state", "mobility", "demand"):
            if getattr(now, what) != getattr(then, what):
                return f"{what} of {shorten(move.vm)} has changed"
        return ""

    def _change_of_host(self, host: str, driver: Driver) -> str:
        now = driver.read_host(host)
        if now is None:
            return f"{shorten(host)} is gone"
        h = self._fleet.host_index[host]
        then = host_reading(self._fleet, h, self._on[h])
        for what in ("state", "busy", "capacity"):
            if getattr(now, what) != getattr(then, what):
                return f"{what} of {shorten(host)} has changed"
        return self._change_of_vms(host, now, then, driver)

    def _gone_down(self, host: str, driver: Driver) -> str:
        now = driver.read_host(host)
        return f"{shorten(host)} is down" if now is None or now.state is HostState.DOWN else ""

    def _arrived(self, host: str, now: HostReading, driver: Driver) -> set[str]:
        """Return the awaited VMs that have come to where their room is kept, and take no more than that."""
        fleet, arrived = self._fleet, set()
        for name in now.vms & fleet.awaited:
            vm = fleet.vm_index[name]
            kept = vm_reading(fleet, vm, int(fleet.vms.host[vm]))
            came = driver.read_vm(name)
            if kept.host == host and came is not None and _at_most(came.demand, kept.demand):
                arrived.add(name)
        return arrived

    def _change_of_vms(self, host: str, now: HostReading, then: HostReading, driver: Driver) -> str:
        known = self._flying | self._arrived(host, now, driver)
        come, left = sorted(now.vms - then.vms - known), sorted(then.vms - now.vms - known)
        if not come and not left:
            return ""
        parts = [
            f"{shorten(', '.join(names[:NAMES_SHOWN]))}{' and more' * (len(names) > NAMES_SHOWN)} {verb}"
            for names, verb in ((come, "came"), (left, "left"))
            if names
        ]
        return f"others have changed {shorten(host)}: {'; '.join(parts)}"


def _at_most(demand: Mapping[str, int], kept: Mapping[str, int]) -> bool:
    return all(amount <= kept.get(resource, 0) for resource, amount in demand.items())
