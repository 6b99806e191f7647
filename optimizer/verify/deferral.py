"""Whether what a plan calls deferred does wait for a limit, and whether it says so of all that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.disruption_rule import DISRUPTION
from optimizer.scope import WAITING
from optimizer.verify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Move
    from optimizer.plan import Plan, Remaining
    from optimizer.problem.atoms import Flow
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Violation

__all__ = ["judge_deferral"]


def judge_deferral(
    problem: Problem, plan: Plan, moves: Sequence[Move], after: Sequence[Violation]
) -> Iterator[Finding]:
    """Compare what the plan says of each host that it does not empty with what the limits leave.

    Parameters
    ----------
    after
        The violations at the plan's end.
    """
    waiting = {(v.rule, v.subject): v.vms for v in after if v.resource == WAITING}
    for r in plan.remaining:
        if r.resource != WAITING:
            yield from _by_budget(problem, moves, r)
            continue
        vms = waiting.get((r.rule, r.subject))
        limits = () if vms is None else tuple(_short(problem, moves, vms))
        if (r.deferred or None) != next(iter(limits), None):
            expected = f"it waits for {limits[0]}" if limits else "no limit makes it wait"
            where = f"remaining[{r.rule} {r.subject}].deferred"
            yield Finding("deferred", where, f"says {r.deferred or 'nothing'}, but {expected}")


def _by_budget(problem: Problem, moves: Sequence[Move], r: Remaining) -> Iterator[Finding]:
    """Whether the budget that a violation is said to wait for is spent, for the VMs of its cause."""
    if not r.deferred:
        return
    names = {name: v for v, name in enumerate(problem.vm_ids)}
    vms = [names.get(name) for name in r.cause.vm.split(", ")] if r.cause is not None else [None]
    held = [v for v in vms if v is not None]
    if len(held) == len(vms) and _keeps(problem, r.deferred, moves, held):
        return
    where = f"remaining[{r.rule} {r.subject}].deferred"
    yield Finding("deferred", where, f"says {r.deferred}, but no such budget keeps the VMs of its cause from moving")


def _keeps(problem: Problem, deferred: str, moves: Sequence[Move], vms: Sequence[int]) -> bool:
    """Whether a budget of this name is spent for the VMs, by the plan or by the moves of others."""
    others = any(
        atom.rule == DISRUPTION and f"{atom.rule}: {atom.reason}" == deferred and bool(np.isin(vms, atom.vms).any())
        for atom in problem.demands.fixed.values()
    )
    return others or any(
        f"{flow.rule}: {flow.subject}" == deferred and _overdrawn(problem, flow, moves, vms) for flow in problem.flows
    )


def _overdrawn(problem: Problem, flow: Flow, moves: Sequence[Move], vms: Sequence[int]) -> bool:
    """Whether the moves leave less of a flow than the VMs would take, if they are counted in it."""
    end = {m.vm: m.target for m in moves}
    spent = [
        m.vm for m in moves if _counts(flow, m.vm, m.source) and (flow.targets is None or bool(flow.targets[m.target]))
    ]
    more = [v for v in vms if _counts(flow, v, end.get(v, int(problem.start[v])))]
    return int(flow.cost[_index(spent)].sum()) + int(flow.cost[_index(more)].sum()) > flow.limit


def _short(problem: Problem, moves: Sequence[Move], vms: Sequence[int]) -> Iterator[str]:
    """Yield the limits that what is still to leave would overdraw."""
    for flow in problem.flows:
        if flow.targets is not None:
            continue
        spent = [m.vm for m in moves if _counts(flow, m.vm, m.source)]
        still = [v for v in vms if _counts(flow, v, int(problem.start[v]))]
        if int(flow.cost[_index(spent)].sum()) + int(flow.cost[_index(still)].sum()) > flow.limit:
            yield f"{flow.rule}: {flow.subject}"


def _counts(flow: Flow, vm: int, source: int) -> bool:
    of_vm = flow.vms is None or bool(flow.vms[vm])
    return of_vm and (flow.sources is None or bool(flow.sources[source]))


def _index(vms: Sequence[int]) -> NDArray[np.int64]:
    return np.array(vms, np.int64)
