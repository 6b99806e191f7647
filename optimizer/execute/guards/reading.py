"""The fleet as it is now, read through the driver, and what a rule finds there that the plan does not foresee.

What is foreseen is the snapshot with what this run has done since and has in flight: a rule may find as much in a
fresh reading as it finds there, instance by instance, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.fleet import ABSENT, HostState, InFlight, Move, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from optimizer.execute.drivers import Driver, HostReading, VmReading
    from optimizer.fleet import Fleet, Hosts, Vms
    from optimizer.problem.rule import Rule, Violation

__all__ = ["Standing", "read_state", "unforeseen"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a run has made of a snapshot: moves that are done, in order, and those that may be in flight."""

    fleet: Fleet
    done: tuple[Move, ...] = ()
    in_flight: tuple[Move, ...] = ()

    @property
    def foreseen(self) -> State:
        """The state in which the fleet should be."""
        return State.start(self.fleet).finish(self.done).begin(self.in_flight)


def unforeseen(rule: Rule, fresh: State, standing: Standing) -> tuple[Violation, int] | None:
    """Return the first violation that is larger than foreseen, and how much is foreseen; None where there is none."""
    known: dict[Any, int] = {}
    for violation in rule.check(standing.foreseen):
        known[violation.instance] = max(known.get(violation.instance, 0), violation.excess)
    for violation in rule.check(fresh):
        if violation.excess > known.get(violation.instance, 0):
            return violation, known.get(violation.instance, 0)
    return None


def read_state(standing: Standing, driver: Driver, between: Callable[[], None]) -> State:
    """Read every host, and each VM that is not where it should be; `between` is called before each.

    VMs of which the snapshot does not know are there with what the driver reads of them: their demand, and no group
    or owner.

    Raises
    ------
    Unreadable
        The driver cannot tell.
    """
    fleet, foreseen = standing.fleet, standing.foreseen
    hosts: list[HostReading | None] = []
    for name in fleet.hosts.ids:
        between()
        hosts.append(driver.read_host(name))
    where: dict[str, list[int]] = {vm: [] for vm in fleet.vms.ids}
    for h, host in enumerate(hosts):
        for vm in host.vms if host is not None else ():
            where.setdefault(vm, []).append(h)
    placement = foreseen.placement.copy()
    ours = {m.vm: {m.source, m.target} for m in standing.in_flight}
    strangers: list[VmReading] = []
    moved: list[InFlight] = []
    for name, at in where.items():
        v = fleet.vm_index.get(name)
        if v is not None and (at == _there(int(placement[v])) or (v in ours and set(at) <= ours[v] and at)):
            continue
        between()
        now = driver.read_vm(name)
        here, there = (_number(fleet, end) for end in ((now.host, now.moving_to) if now else (None, None)))
        if v is not None:
            placement[v] = here
        elif now is not None:
            v = len(fleet.vms) + len(strangers)
            strangers.append(now)
        if v is not None and there != ABSENT and v not in ours:
            moved.append(InFlight(f"seen-{name}", v, here, there, fleet.now, "others"))
    known = {move.vm for move in moved}
    still = tuple(m for m in fleet.in_flight if m.vm not in known and len(where[fleet.vms.ids[m.vm]]) > 1)
    fresh = replace(
        fleet, hosts=_hosts(fleet, hosts), vms=_with(fleet, strangers), in_flight=(*still, *moved), digest=""
    )
    new = np.array([_number(fleet, vm.host) for vm in strangers], np.int32)
    return State(fresh, np.concatenate([placement, new]), standing.done, standing.in_flight)


def _there(host: int) -> list[int]:
    return [] if host == ABSENT else [host]


def _number(fleet: Fleet, host: str | None) -> int:
    return ABSENT if host is None else fleet.host_index.get(host, ABSENT)


def _hosts(fleet: Fleet, read: Sequence[HostReading | None]) -> Hosts:
    """Return the hosts with the state and the capacity that they have now; one that is gone is down."""
    hosts = fleet.hosts
    state, capacity = hosts.state.copy(), hosts.capacity.copy()
    busy = dict(hosts.busy)
    for h, now in enumerate(read):
        if now is None:
            state[h] = HostState.DOWN
            continue
        state[h] = now.state
        busy[h] = now.busy
        for r, resource in enumerate(fleet.resources):
            capacity[h, r] = now.capacity.get(resource.name, ABSENT)
    return replace(hosts, state=state, capacity=capacity, busy={h: b for h, b in busy.items() if b})


FILLED: Mapping[str, Any] = {"host": ABSENT, "owner": ABSENT, "move_cost_milli": ABSENT, "sensitive": False}


def _with(fleet: Fleet, strangers: Sequence[VmReading]) -> Vms:
    """Return the VMs and behind them those that the snapshot does not know, of which only what is read is known."""
    vms, n = fleet.vms, len(strangers)
    if not n:
        return vms
    more: dict[str, Any] = {}
    for field in fields(vms):
        column = getattr(vms, field.name)
        if isinstance(column, np.ndarray):
            empty = np.nan if column.dtype.kind == "f" else FILLED.get(field.name, 0)
            more[field.name] = np.concatenate([column, np.full((n, *column.shape[1:]), empty, column.dtype)])
    v = len(vms)
    for i, vm in enumerate(strangers):
        more["state"][v + i], more["mobility"][v + i] = vm.state, vm.mobility
        more["demand"][v + i] = [vm.demand.get(resource.name, 0) for resource in fleet.resources]
    return replace(
        vms, ids=(*vms.ids, *(vm.id for vm in strangers)), labels=(*vms.labels, *({} for _ in strangers)), **more
    )
