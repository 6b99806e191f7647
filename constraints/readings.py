"""Who stands on which host in a state, each VM once at each of its ends. No rule's meaning stands here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, State

__all__ = ["Reading", "load_of", "members_by_owner", "presence"]


def presence(state: State) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return pairs (VM, host), by ascending host, each pair once."""
    vms, hosts = state.presence
    width = max(len(state.fleet.vms), 1)
    at, who = np.divmod(np.unique(hosts.astype(np.int64) * width + vms), width)
    return who.astype(np.int32), at.astype(np.int32)


def load_of(fleet: Fleet, resource: str, vms: NDArray[np.int32], hosts: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return int64 [H]: what is used of a resource with these VMs there, and host overhead."""
    r = fleet.resource_index.get(resource)
    if r is None:
        return np.zeros(len(fleet.hosts), np.int64)
    load = fleet.unexplained[:, r].copy()
    np.add.at(load, hosts, fleet.vms.demand[vms, r])
    return load


def members_by_owner(owner: NDArray[np.int32]) -> dict[int, NDArray[np.int32]]:
    """Return the VMs of each owner, ascending."""
    known = np.flatnonzero(owner != ABSENT)
    order = known[np.argsort(owner[known], kind="stable")].astype(np.int32)
    owners, first = np.unique(owner[order], return_index=True)
    return dict(zip(owners.tolist(), np.split(order, first[1:]) if len(owners) else [], strict=True))


class Reading:
    """What stands on each host in one state."""

    def __init__(self, state: State) -> None:
        self.fleet = state.fleet
        self._vms, hosts = presence(state)
        self._first: list[int] = np.searchsorted(hosts, np.arange(len(state.fleet.hosts.ids) + 1)).tolist()

    def there(self, host: int) -> NDArray[np.int32]:
        """Return the VMs on a host."""
        return self._vms[self._first[host] : self._first[host + 1]]

    def held(self, host: int, owner: int | None = None) -> int:
        """Return how many VMs (of one owner) are there."""
        vms = self.there(host)
        return len(vms) if owner is None else int((self.fleet.vms.owner[vms] == owner).sum())

    def load(self, host: int, resource: int) -> int:
        """Return how much of a resource is used there."""
        return int(self.fleet.vms.demand[self.there(host), resource].sum() + self.fleet.unexplained[host, resource])
