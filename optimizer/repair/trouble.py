"""What is broken in the present placement, instance by instance, and which VMs' moves could repair it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.problem.instance import Instance
    from optimizer.problem.working_placement import Violated, WorkingPlacement

__all__ = ["Trouble", "can_be_paid", "members", "troubles"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A violated instance, with a name that lasts from one placement to the next."""

    name: Instance
    violated: Violated
    must: bool


def troubles(work: WorkingPlacement) -> list[Trouble]:
    """Return the violated musts and shoulds of the present placement, musts first."""
    found = [Trouble(v.instance, v, v.atom.asked.hardness is Hardness.MUST) for v in work.violated()]
    return sorted(found, key=lambda t: (not t.must, t.name))


def members(work: WorkingPlacement, violated: Violated) -> list[int]:
    """Return the VMs whose moves could repair an instance."""
    return [int(v) for v in work.movers(violated)]


def can_be_paid(work: WorkingPlacement, violated: Violated) -> bool:
    """Whether what is left of the budgets of all moves can pay for as much as has to leave to end a violation."""
    problem, need = work.problem, violated.excess
    limits = [
        (flow, used)
        for flow, used in zip(problem.flows, work.tally.flow_used.tolist(), strict=True)
        if flow.vms is None and flow.sources is None and flow.targets is None
    ]
    if not limits:
        return True
    vms = np.array([v for v in members(work, violated) if problem.movable[v]], np.int64)
    if (work.placement[vms] != problem.start[vms]).any():
        return True
    total = problem.demands.sums.get(violated.instance.atom)
    amount = total.amount[vms] if total else np.full(vms.size, need)
    return all(_cheapest_share(amount, flow.cost[vms], need) <= flow.limit - used for flow, used in limits)


def _cheapest_share(amount: NDArray[np.int64], cost: NDArray[np.int64], need: int) -> float:
    """Return the least that VMs cost of which that much has to leave, if they could leave in part."""
    order = np.argsort(cost / np.maximum(amount, 1), kind="stable")
    before = np.concatenate([[0], np.cumsum(amount[order])[:-1]])
    share = np.clip((need - before) / np.maximum(amount[order], 1), 0.0, 1.0)
    return float((share * cost[order]).sum())
