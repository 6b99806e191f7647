"""Hosts that count as a whole, emptied or not: what is emptied in part goes home, then one host after the other.

A single move off such a host improves nothing, so no search by single moves finds the way; and one that is left half
empty has spent moves and room that would have emptied another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.repair.ejection_chains import EjectionChains
from optimizer.repair.insertion import Insertion
from optimizer.scope import WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from optimizer.parameters import Parameters
    from optimizer.problem.atoms import Linear
    from optimizer.problem.working_placement import WorkingPlacement

__all__ = ["finish_hosts"]


def finish_hosts(
    work: WorkingPlacement,
    size: NDArray[np.float64],
    stop: Callable[[], bool],
    acceptable: Callable[[NDArray[np.int32]], bool],
    parameters: Parameters,
) -> None:
    """Take back what empties a host only in part, and empty hosts whole with what that leaves of limits and room.

    Parameters
    ----------
    size
        float64 [V]: how hard each VM is to place.
    acceptable
        Whether a placement can be carried out.
    """
    atoms = [t.atom for t in work.tally.linears if t.atom.resource == WAITING]
    if not atoms:
        return
    unfinished = [(atom, host) for atom in atoms for host in _unfinished(work, atom)]
    for atom, host in unfinished:
        _send_home(work, _vms_of(work, atom, host))
    for atom, host in sorted(unfinished, key=lambda u: (_vms_of(work, *u).size, u[1])):
        if stop():
            return
        vms = sorted(_vms_of(work, atom, host).tolist(), key=lambda v: (-float(size[v]), v))
        if _is_paid(work, vms):
            _empty(work, vms, size, stop, acceptable, parameters)


def _vms_of(work: WorkingPlacement, atom: Linear, host: int) -> NDArray[np.int64]:
    """Return the VMs that have to leave a host, wherever they are now."""
    return np.flatnonzero((work.problem.start == host) & (atom.amount > 0))


def _unfinished(work: WorkingPlacement, atom: Linear) -> list[int]:
    here = (work.placement != ABSENT) & (atom.amount > 0)
    return [int(h) for h in np.unique(work.placement[here]) if atom.limit[h] == 0]


def _send_home(work: WorkingPlacement, vms: NDArray[np.int64]) -> None:
    """Send VMs back to where they were at the start, unless others could not bear that now."""
    before, measure = work.placement.copy(), work.measure()
    for vm in vms.tolist():
        work.put(vm, int(work.problem.start[vm]))
    if not work.is_no_worse() or work.measure() > measure:
        work.become(before)


def _is_paid(work: WorkingPlacement, vms: Sequence[int]) -> bool:
    """Whether what is left of the limits pays for moving all that have not moved yet."""
    start = work.problem.start
    still = np.array([v for v in vms if work.placement[v] == start[v]], np.int64)
    for flow, used in zip(work.problem.flows, work.tally.flow_used.tolist(), strict=True):
        if flow.targets is None:
            counted = [v for v in still.tolist() if flow.vms is None or flow.vms[v]]
            counted = [v for v in counted if flow.sources is None or flow.sources[start[v]]]
            if int(flow.cost[np.array(counted, np.int64)].sum()) > flow.limit - used:
                return False
    return True


def _empty(
    work: WorkingPlacement,
    vms: Sequence[int],
    size: NDArray[np.float64],
    stop: Callable[[], bool],
    acceptable: Callable[[NDArray[np.int32]], bool],
    parameters: Parameters,
) -> bool:
    """Move all the VMs off their host, or none; return whether that worked."""
    before, measure = work.placement.copy(), work.measure()
    for tight in (False, True):
        insertion = Insertion(work, tight=tight, near=parameters.repair.near)
        gone = all(_moved(work, vm, insertion, size, stop, parameters) for vm in vms)
        if gone and work.measure() < measure and acceptable(work.placement):
            return True
        work.become(before)
    return False


def _moved(
    work: WorkingPlacement,
    vm: int,
    insertion: Insertion,
    size: NDArray[np.float64],
    stop: Callable[[], bool],
    parameters: Parameters,
) -> bool:
    """Move a VM where there is room, or where others make way; return whether it is off its host."""
    if work.placement[vm] != work.problem.start[vm]:
        return True
    host = insertion.host_for(vm)
    if host is not None:
        work.put(vm, host)
        return True
    given = parameters.chains
    if not given.enabled:
        return False
    chains = EjectionChains(work, size, near=parameters.repair.near, block=given.block)
    return any(not stop() and chains.settle(vm, links, spend) for links, spend in given.host_kinds)
