"""May this move start now? Asked before each move, of a fresh reading of what it touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.errors import shorten
from optimizer.execute.readings import host_reading, standing, vm_reading
from optimizer.fleet import HostState

if TYPE_CHECKING:
    from optimizer.execute.drivers import Driver, HostReading
    from optimizer.fleet import Fleet
    from optimizer.plan import PlannedMove

__all__ = ["Expected"]

NAMES_SHOWN = 3


class Expected:
    """The snapshot, kept up to date with what this run has done: what a reading has to agree with."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._host: dict[str, str] = {}
        self._on = standing(fleet)

    def begin(self, move: PlannedMove) -> None:
        """Count the VM of a submitted move on both hosts."""
        self._on[self._fleet.host_index[move.target]].add(move.vm)

    def end(self, move: PlannedMove, *, done: bool) -> None:
        """Count the VM of a move that has ended on one host."""
        left = move.source if done else move.target
        self._on[self._fleet.host_index[left]].discard(move.vm)
        if done:
            self._host[move.vm] = move.target

    def change(self, move: PlannedMove, driver: Driver) -> str:
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

    def _change_of_vm(self, move: PlannedMove, driver: Driver) -> str:
        now = driver.read_vm(move.vm)
        if now is None:
            return f"{shorten(move.vm)} is gone"
        vm = self._fleet.vm_index[move.vm]
        at_start = int(self._fleet.vms.host[vm])
        host = self._fleet.host_index[self._host[move.vm]] if move.vm in self._host else at_start
        then = vm_reading(self._fleet, vm, host)
        if now.moving_to is not None:
            return f"{shorten(move.vm)} is being moved to {shorten(now.moving_to)}"
        if now.host != move.source:
            return f"{shorten(move.vm)} is on {shorten(now.host or 'no host')}, not on {shorten(move.source)}"
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
        return _change_of_vms(host, now, then)

    def _gone_down(self, host: str, driver: Driver) -> str:
        now = driver.read_host(host)
        return f"{shorten(host)} is down" if now is None or now.state is HostState.DOWN else ""


def _change_of_vms(host: str, now: HostReading, then: HostReading) -> str:
    come, left = sorted(now.vms - then.vms), sorted(then.vms - now.vms)
    if not come and not left:
        return ""
    parts = [
        f"{shorten(', '.join(names[:NAMES_SHOWN]))}{' and more' * (len(names) > NAMES_SHOWN)} {verb}"
        for names, verb in ((come, "came"), (left, "left"))
        if names
    ]
    return f"others have changed {shorten(host)}: {'; '.join(parts)}"
