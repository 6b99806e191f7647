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
    from collections.abc import Callable, Iterator, Sequence

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
    unfinished = [(host, leaving) for atom in atoms for host, leaving in _unfinished(work, atom)]
    for _, leaving in unfinished:
        _send_home(work, leaving)
    for _, leaving in sorted(unfinished, key=lambda u: (u[1].size, u[0])):
        if stop():
            return
        vms = sorted(leaving.tolist(), key=lambda v: (-float(size[v]), v))
        if _is_paid(work, vms):
            _empty(work, vms, size, stop, acceptable, parameters)


def _unfinished(work: WorkingPlacement, atom: Linear) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield the hosts that are not empty and should be, and the VMs that have to leave each, wherever they are now."""
    counted = np.flatnonzero(atom.amount > 0)
    here = work.placement[counted]
    by_home = counted[np.argsort(work.problem.start[counted], kind="stable")]
    homes = work.problem.start[by_home]
    for host in np.unique(here[here != ABSENT]).tolist():
        if atom.limit[host] == 0:
            first, beyond = np.searchsorted(homes, [host, host + 1])
            yield host, by_home[first:beyond]


def _send_home(work: WorkingPlacement, vms: NDArray[np.int64]) -> None:
    """Send VMs back to where they were at the start, unless others could not bear that now."""
    gone = vms[work.placement[vms] != work.problem.start[vms]]
    if not gone.size:
        return
    before, measure = work.placement.copy(), work.measure()
    for vm in gone.tolist():
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
