"""What is lost with hosts, and the fleet that is left: the VMs that stood there have no host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT, HostState, VmState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet

__all__ = ["Loss", "each_of", "each_to_lose", "left_of", "together", "touches_moves"]


@dataclass(frozen=True, eq=False)
class Loss:
    """Hosts that are lost at once: bool [H]; `level` is 0 for single hosts and for hosts named one by one."""

    name: str
    level: int
    lost: NDArray[np.bool_]


def each_of(fleet: Fleet, level: int) -> list[Loss]:
    """Return the loss of each domain of a level."""
    domain, ids = fleet.hosts.domain[level], fleet.domain_ids[level]
    names = ids if level == 0 else [f"{fleet.levels[level]}:{name}" for name in ids]
    there = np.unique(domain).tolist()
    return [Loss(names[d], level, domain == d) for d in there]


def each_to_lose(fleet: Fleet) -> list[Loss]:
    """Return the loss of each host, and of each domain of the levels between hosts and the highest.

    Of two levels the higher one counts as well: racks of a fleet without zones.
    """
    levels = range(max(len(fleet.levels) - 1, min(len(fleet.levels), 2)))
    return [loss for level in levels for loss in each_of(fleet, level)]


def together(fleet: Fleet, hosts: Sequence[int]) -> Loss:
    """Return the loss of some hosts at once."""
    lost = np.zeros(len(fleet.hosts), np.bool_)
    lost[list(hosts)] = True
    return Loss(" ".join(fleet.hosts.ids[h] for h in np.flatnonzero(lost).tolist()), 0, lost)


def touches_moves(fleet: Fleet, lost: NDArray[np.bool_]) -> bool:
    """Whether somebody is moving a VM off or onto a host that is lost."""
    return any(lost[m.source] or lost[m.target] for m in fleet.in_flight)


def left_of(fleet: Fleet, lost: NDArray[np.bool_], *, stopped: bool = False) -> tuple[Fleet, NDArray[np.int32]]:
    """Return the fleet without what was on the hosts that are lost, and the VMs that have to restart.

    A migration that loses one of its ends is over: the VM is where it came from, and lost with that. The hosts are
    down. VMs keep their indices.

    Parameters
    ----------
    stopped
        Whether VMs that are stopped have to have a host again too.
    """
    at = fleet.vms.host.copy()
    ended = {m.id: m for m in fleet.in_flight if lost[m.source] or lost[m.target]}
    for move in ended.values():
        at[move.vm] = move.source
    gone = (at != ABSENT) & lost[at]
    at[gone] = ABSENT
    state = fleet.hosts.state.copy()
    state[lost] = HostState.DOWN
    rest = replace(
        fleet,
        hosts=replace(fleet.hosts, state=state),
        vms=replace(fleet.vms, host=at),
        in_flight=tuple(m for m in fleet.in_flight if m.id not in ended),
    )
    wanted = gone if stopped else gone & (fleet.vms.state != VmState.STOPPED)
    return rest, np.flatnonzero(wanted).astype(np.int32)
