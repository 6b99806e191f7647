"""Readings as a snapshot gives them: what a driver is expected to find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.execute.drivers import HostReading, VmReading
from optimizer.fleet import ABSENT, HostState, Mobility, VmState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.fleet import Fleet

__all__ = ["host_reading", "standing", "vm_reading"]


def vm_reading(fleet: Fleet, vm: int, host: int, moving_to: int = ABSENT) -> VmReading:
    """Return the reading of a VM that stands on `host` and has not changed since the snapshot otherwise."""
    vms, hosts = fleet.vms, fleet.hosts.ids
    return VmReading(
        id=vms.ids[vm],
        host=hosts[host] if host != ABSENT else None,
        state=VmState(vms.state[vm]),
        mobility=Mobility(vms.mobility[vm]),
        demand={r.name: int(d) for r, d in zip(fleet.resources, vms.demand[vm], strict=True)},
        moving_to=hosts[moving_to] if moving_to != ABSENT else None,
    )


def host_reading(fleet: Fleet, host: int, vms: Iterable[str]) -> HostReading:
    """Return the reading of a host that carries `vms` and has not changed since the snapshot otherwise."""
    hosts = fleet.hosts
    named = zip(fleet.resources, hosts.capacity[host], strict=True)
    return HostReading(
        id=hosts.ids[host],
        state=HostState(hosts.state[host]),
        capacity={r.name: int(c) for r, c in named if c != ABSENT},
        busy=tuple(hosts.busy.get(host, ())),
        vms=frozenset(vms),
    )


def standing(fleet: Fleet) -> list[set[str]]:
    """Return, for each host, the ids of the VMs that count on it: placed there, or moved from or to it by others.

    VMs that are only awaited are on no host.
    """
    out: list[set[str]] = [set() for _ in fleet.hosts.ids]
    for where in (fleet.vms.host, fleet.also_at):
        for vm, host in enumerate(where.tolist()):
            if host != ABSENT and fleet.vms.ids[vm] not in fleet.awaited:
                out[host].add(fleet.vms.ids[vm])
    return out
