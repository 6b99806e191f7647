"""The fleet as it is now, read through the driver, and what a rule finds there that the plan does not foresee.

What is foreseen is the snapshot with what this run has done since and has in flight: a rule may find as much in a
fresh reading as it finds there, instance by instance, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.fleet import ABSENT, HostState, InFlight, Move, State
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from optimizer.execute.drivers import Driver, HostReading, VmReading
    from optimizer.fleet import Fleet, Hosts, Resource, Vms
    from optimizer.problem.rule import Rule, Violation

__all__ = ["Standing", "read_state", "unforeseen"]


BINDING = frozenset({Hardness.MUST, Hardness.GUARD})


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


def unforeseen(rule: Rule, fresh: State, standing: Standing, *, binding: bool = False) -> tuple[Violation, int] | None:
    """Return the first violation that is larger than foreseen, and how much is foreseen; None where there is none.

    `binding`: only of what no plan may make worse.
    """
    known: dict[Any, int] = {}
    for violation in rule.check(standing.foreseen):
        known[violation.instance] = max(known.get(violation.instance, 0), violation.excess)
    for violation in rule.check(fresh):
        if binding and violation.hardness not in BINDING:
            continue
        if violation.excess > known.get(violation.instance, 0):
            return violation, known.get(violation.instance, 0)
    return None


def read_state(standing: Standing, driver: Driver, between: Callable[[], None], closely: Collection[str] = ()) -> State:
    """Read every host, each VM that is not where it should be, and all VMs on the hosts that are read `closely`.

    `between` is called before each reading.

    VMs of which the snapshot does not know are there with what the driver reads of them: their demand, and no group
    or owner.

    Raises
    ------
    Unreadable
        The driver cannot tell.
    """
    fleet = standing.fleet
    hosts: list[HostReading | None] = []
    for name in fleet.hosts.ids:
        between()
        hosts.append(driver.read_host(name))
    where: dict[str, list[int]] = {vm: [] for vm in fleet.vms.ids}
    for h, host in enumerate(hosts):
        for vm in host.vms if host is not None else ():
            where.setdefault(vm, []).append(h)
    near = {fleet.host_index[name] for name in closely if name in fleet.host_index}
    seen = _Seen(standing)
    for name, at in where.items():
        if near.isdisjoint(at) and seen.is_expected(name, at):
            continue
        between()
        seen.take(name, driver.read_vm(name))
    return seen.state(hosts, where)


class _Seen:
    """What is read of VMs, one by one, over what is foreseen."""

    def __init__(self, standing: Standing) -> None:
        self._standing, self._fleet = standing, standing.fleet
        self._placement = standing.foreseen.placement.copy()
        self._demand = standing.fleet.vms.demand.copy()
        self._ours = {m.vm: {m.source, m.target} for m in standing.in_flight}
        self._strangers: list[VmReading] = []
        self._moved: list[InFlight] = []

    def is_expected(self, name: str, at: Sequence[int]) -> bool:
        """Whether a VM is seen on the hosts on which it should be: in flight, on one or both of its ends."""
        v = self._fleet.vm_index.get(name)
        if v is None:
            return False
        return at == _there(int(self._placement[v])) or (bool(at) and set(at) <= self._ours.get(v, set()))

    def take(self, name: str, now: VmReading | None) -> None:
        """Take in what is read of a VM; None where there is none."""
        fleet = self._fleet
        here, there = (_number(fleet, end) for end in ((now.host, now.moving_to) if now else (None, None)))
        v = fleet.vm_index.get(name)
        if v is None:
            if now is None:
                return
            v = len(fleet.vms) + len(self._strangers)
            self._strangers.append(now)
        elif v not in self._ours or {here} - self._ours[v]:
            self._placement[v] = here
        if now is not None and v < len(fleet.vms):
            self._demand[v] = [now.demand.get(resource.name, 0) for resource in fleet.resources]
        if there != ABSENT and v not in self._ours:
            self._moved.append(InFlight(f"seen-{name}", v, here, there, fleet.now, "others"))

    def state(self, hosts: Sequence[HostReading | None], where: Mapping[str, Sequence[int]]) -> State:
        """Return the state that was seen."""
        fleet, standing = self._fleet, self._standing
        known = {move.vm for move in self._moved}
        still = tuple(m for m in fleet.in_flight if m.vm not in known and len(where[fleet.vms.ids[m.vm]]) > 1)
        vms = _with(replace(fleet.vms, demand=self._demand), fleet.resources, self._strangers)
        fresh = replace(fleet, hosts=_hosts(fleet, hosts), vms=vms, in_flight=(*still, *self._moved), digest="")
        new = np.array([_number(fleet, vm.host) for vm in self._strangers], np.int32)
        return State(fresh, np.concatenate([self._placement, new]), standing.done, standing.in_flight)


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


def _with(vms: Vms, resources: Sequence[Resource], strangers: Sequence[VmReading]) -> Vms:
    """Return the VMs and behind them those that the snapshot does not know, of which only what is read is known."""
    n = len(strangers)
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
        more["demand"][v + i] = [vm.demand.get(resource.name, 0) for resource in resources]
    return replace(
        vms, ids=(*vms.ids, *(vm.id for vm in strangers)), labels=(*vms.labels, *({} for _ in strangers)), **more
    )
