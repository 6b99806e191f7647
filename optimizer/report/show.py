"""Is this my fleet? The facts by which an operator recognizes a fleet, and its gaps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT, HostState
from optimizer.problem.rounding import MILLION, capacity_limit
from optimizer.report.coverage import Coverage, coverage

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet

__all__ = ["FleetFacts", "HostUse", "Kind", "ResourceUse", "UndeclaredGroup", "describe_fleet"]

HIGHEST = 3
"""That many of the fullest hosts are named for each resource."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Hosts of one capacity and one set of labels; `vms` stand on all of them together."""

    hosts: int
    example: str
    capacity: dict[str, int]
    labels: dict[str, str]
    vms: int


@dataclass(frozen=True, slots=True)
class HostUse:
    """How much of a resource one host carries: the VMs' demand and host overhead, of what it may allocate."""

    host: str
    load: int
    sellable: int


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """One resource over the fleet.

    `physical` and `allocatable` ((capacity - reserved) x the host's own overcommit) are over the `hosts` that name it;
    `measured` over the `measured_hosts` that report it; `unexplained` is what `unexplained_hosts` report beyond
    their VMs.
    """

    resource: str
    copied: bool
    hosts: int
    physical: int
    sellable: int
    demand: int
    measured: int
    measured_hosts: int
    unexplained: int
    unexplained_hosts: int
    highest: tuple[HostUse, ...]


@dataclass(frozen=True, slots=True)
class UndeclaredGroup:
    """A group that only VMs name: anti-affine on hosts, at most 1, must."""

    group: str
    vms: int


@dataclass(frozen=True, slots=True)
class FleetFacts:
    """Everything that `show` shows."""

    fleet: str
    taken_at: datetime
    digest: str
    hosts: int
    host_states: dict[str, int]
    vms: int
    not_placed: int
    owners: int
    levels: dict[str, int]
    move_within: str | None
    kinds: tuple[Kind, ...]
    resources: tuple[ResourceUse, ...]
    declared_groups: int
    group_rules: dict[str, int]
    undeclared_groups: tuple[UndeclaredGroup, ...]
    interference: int
    in_flight: int
    in_flight_by: dict[str, int]
    history: int
    history_outcomes: dict[str, int]
    history_since: float
    coverage: tuple[Coverage, ...]


def describe_fleet(fleet: Fleet) -> FleetFacts:
    """Gather the facts of a fleet."""
    placed = fleet.vms.host != ABSENT
    states = Counter(HostState(s).name.lower() for s in fleet.hosts.state.tolist())
    return FleetFacts(
        fleet=fleet.id,
        taken_at=fleet.taken_at,
        digest=fleet.digest,
        hosts=len(fleet.hosts),
        host_states=dict(sorted(states.items())),
        vms=len(fleet.vms),
        not_placed=int((~placed).sum()),
        owners=len(fleet.vms.owner_ids),
        levels={name: len(ids) for name, ids in zip(fleet.levels, fleet.domain_ids, strict=True)},
        move_within=None if fleet.move_within is None else fleet.levels[fleet.move_within],
        kinds=_kinds(fleet),
        resources=tuple(_use(fleet, r) for r in range(len(fleet.resources))),
        declared_groups=sum(g.declared for g in fleet.groups),
        group_rules=dict(sorted(Counter(r.rule for g in fleet.groups if g.declared for r in g.rules).items())),
        undeclared_groups=tuple(UndeclaredGroup(g.id, len(g.members)) for g in fleet.groups if not g.declared),
        interference=len(fleet.interference),
        in_flight=len(fleet.in_flight),
        in_flight_by=dict(sorted(Counter(m.by for m in fleet.in_flight).items())),
        history=len(fleet.history),
        history_outcomes=dict(sorted(Counter(m.outcome.value for m in fleet.history).items())),
        history_since=fleet.history_since,
        coverage=coverage(fleet),
    )


def _kinds(fleet: Fleet) -> tuple[Kind, ...]:
    """Hosts grouped by capacity and labels, the most numerous kind first."""
    per_host = np.bincount(fleet.vms.host[fleet.vms.host != ABSENT], minlength=len(fleet.hosts))
    members: dict[tuple[tuple[int, ...], tuple[tuple[str, str], ...]], list[int]] = {}
    for h, labels in enumerate(fleet.hosts.labels):
        key = (tuple(fleet.hosts.capacity[h].tolist()), tuple(sorted(labels.items())))
        members.setdefault(key, []).append(h)
    kinds = [
        Kind(
            hosts=len(hosts),
            example=fleet.hosts.ids[hosts[0]],
            capacity={r.name: c for r, c in zip(fleet.resources, capacity, strict=True) if c != ABSENT},
            labels=dict(labels),
            vms=int(per_host[hosts].sum()),
        )
        for (capacity, labels), hosts in members.items()
    ]
    return tuple(sorted(kinds, key=lambda k: (-k.hosts, k.example)))


def _use(fleet: Fleet, r: int) -> ResourceUse:
    hosts, resource = fleet.hosts, fleet.resources[r]
    named = hosts.capacity[:, r] != ABSENT
    sellable = _sellable(fleet, r)
    placed = np.flatnonzero(fleet.vms.host != ABSENT)
    demand = np.zeros(len(hosts), np.int64)
    np.add.at(demand, fleet.vms.host[placed], fleet.vms.demand[placed, r])
    unexplained = fleet.unexplained[:, r]
    measured = hosts.measured[:, r]
    return ResourceUse(
        resource=resource.name,
        copied=resource.copied,
        hosts=int(named.sum()),
        physical=int(hosts.capacity[named, r].sum()),
        sellable=int(sellable[named].sum()),
        demand=int(fleet.vms.demand[:, r].sum()),
        measured=int(measured[measured != ABSENT].sum()),
        measured_hosts=int((measured != ABSENT).sum()),
        unexplained=int(unexplained.sum()),
        unexplained_hosts=int((unexplained > 0).sum()),
        highest=_highest(fleet, np.flatnonzero(named), demand + unexplained, sellable),
    )


def _sellable(fleet: Fleet, r: int) -> NDArray[np.int64]:
    """Return int64 [H]: what each host may sell of a resource, by its own overcommit (a policy may say more)."""
    hosts = fleet.hosts
    ratios = np.where(hosts.overcommit_millionths[:, r] == ABSENT, MILLION, hosts.overcommit_millionths[:, r])
    triples = zip(hosts.capacity[:, r].tolist(), hosts.reserved[:, r].tolist(), ratios.tolist(), strict=True)
    return np.array([0 if c == ABSENT else capacity_limit(c, reserved, o) for c, reserved, o in triples], np.int64)


def _highest(
    fleet: Fleet, named: NDArray[np.intp], load: NDArray[np.int64], sellable: NDArray[np.int64]
) -> tuple[HostUse, ...]:
    share = {h: load[h] / sellable[h] if sellable[h] else float(load[h] > 0) for h in named.tolist()}
    fullest = sorted(share, key=lambda h: (-share[h], h))[:HIGHEST]
    return tuple(HostUse(fleet.hosts.ids[h], int(load[h]), int(sellable[h])) for h in fullest)
