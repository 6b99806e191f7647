"""How much of a resource the hosts of a scope use together: load at the start over what they may allocate.

Hosts that are out of service are in no scope. VMs on hosts that are being emptied will have to stand elsewhere,
so their load counts in the mean of their scope, and the host's own does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from constraints.capacity import Capacity, Overcommit
from constraints.common import host_load, labelled
from optimizer.fleet import ABSENT, HostState, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet

__all__ = ["NO_SCOPE", "MeanUse", "Scoping", "load_of_hosts"]

NO_SCOPE = -1
"""Stands for the scope of a host that is not judged."""

EMPTIED = ("in_service.draining", "in_service.maintenance")


class MeanUse(NamedTuple):
    """The scopes of a fleet and their means, as they are at the start.

    Attributes
    ----------
    of
        int64 [H]: the number of each host's scope, `NO_SCOPE` where it has none.
    names
        What each scope is called.
    load, allocatable
        int64 [scopes]: the sums; their quotient is the mean.
    host_allocatable
        int64 [H]; 0 where a host does not name the resource.
    """

    of: NDArray[np.int64]
    names: list[str]
    load: NDArray[np.int64]
    allocatable: NDArray[np.int64]
    host_allocatable: NDArray[np.int64]


@dataclass(frozen=True)
class Scoping:
    """Which hosts are judged together: all, those of one domain of `level`, or those with one value of `label`.

    Parameters
    ----------
    labels
        Only hosts with all of these.
    overcommit
        As a policy says it for capacity.
    """

    resource: str
    level: str | None = None
    label: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    overcommit: tuple[Overcommit, ...] = ()
    _known: WeakKeyDictionary[Fleet, MeanUse | None] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    def mean_use(self, fleet: Fleet) -> MeanUse | None:
        """Return the scopes and their means; None where the fleet does not know the resource.

        Kept as long as the fleet is there: thousands of violations of one fleet are explained by it.
        """
        if fleet not in self._known:
            self._known[fleet] = self._mean_use(fleet)
        return self._known[fleet]

    def _mean_use(self, fleet: Fleet) -> MeanUse | None:
        r = fleet.resource_index.get(self.resource)
        if r is None:
            return None
        of, names = self._who_with_whom(fleet)
        of = np.where(self._chosen(fleet), of, NO_SCOPE)
        emptied = of.copy()
        for what, mask in self.left_out(fleet):
            of[mask] = NO_SCOPE
            if what not in EMPTIED:
                emptied[mask] = NO_SCOPE
        emptied[of != NO_SCOPE] = NO_SCOPE
        start, demand = State.start(fleet), fleet.vms.demand[:, r]
        allocatable = self._allocatable(fleet, r)
        load = _sums(of, load_of_hosts(start, r), len(names)) + _sums(emptied, host_load(start, demand), len(names))
        return MeanUse(of, names, load, _sums(of, allocatable, len(names)), allocatable)

    def left_out(self, fleet: Fleet) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield why hosts are in no scope, and bool [H]: which; a host is named once."""
        left = ~self._chosen(fleet)
        for what, mask in self._reasons(fleet, fleet.resource_index[self.resource]):
            new = mask & ~left
            left |= new
            yield what, new

    def _chosen(self, fleet: Fleet) -> NDArray[np.bool_]:
        return labelled(fleet.hosts.labels, self.labels) if self.labels else np.ones(len(fleet.hosts), np.bool_)

    def _reasons(self, fleet: Fleet, r: int) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        hosts = fleet.hosts
        yield f"capacity.{self.resource}", hosts.capacity[:, r] == ABSENT
        for state in (HostState.DOWN, HostState.DISABLED, HostState.DRAINING):
            yield f"in_service.{state.name.lower()}", hosts.state == state
        now = [h for h, windows in hosts.maintenance.items() if any(w.start <= fleet.now < w.end for w in windows)]
        yield "in_service.maintenance", np.isin(np.arange(len(hosts)), now)
        yield f"allocatable.{self.resource}", self._allocatable(fleet, r) <= 0
        if self.level is not None and self.level not in fleet.level_index:
            yield f"levels.{self.level}", np.ones(len(hosts), np.bool_)
        if self.label is not None:
            yield f"labels.{self.label}", np.array([self.label not in have for have in hosts.labels], np.bool_)

    def _allocatable(self, fleet: Fleet, r: int) -> NDArray[np.int64]:
        return np.asarray(Capacity(overcommit=self.overcommit).limits(fleet)[:, r])

    def _who_with_whom(self, fleet: Fleet) -> tuple[NDArray[np.int64], list[str]]:
        """Return int64 [H], the scope of each host were it in service; and the names of the scopes."""
        if self.label is not None:
            have = [labels.get(self.label) for labels in fleet.hosts.labels]
            number = {value: i for i, value in enumerate(sorted({value for value in have if value is not None}))}
            of = [NO_SCOPE if value is None else number[value] for value in have]
            return np.array(of, np.int64), [f"{self.label}={value}" for value in number]
        if self.level is None:
            return np.zeros(len(fleet.hosts), np.int64), ["all hosts"]
        level = fleet.level_index.get(self.level)
        if level is None:
            return np.full(len(fleet.hosts), NO_SCOPE, np.int64), []
        return fleet.hosts.domain[level].astype(np.int64), [f"{self.level}:{d}" for d in fleet.domain_ids[level]]


def load_of_hosts(state: State, r: int) -> NDArray[np.int64]:
    """Return int64 [H]: the load of each host, with what it reports in use beyond its VMs."""
    return state.fleet.unexplained[:, r] + host_load(state, state.fleet.vms.demand[:, r])


def _sums(of: NDArray[np.int64], amounts: NDArray[np.int64], scopes: int) -> NDArray[np.int64]:
    out = np.zeros(scopes, np.int64)
    inside = of != NO_SCOPE
    np.add.at(out, of[inside], amounts[inside])
    return out
