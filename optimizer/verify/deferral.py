"""Whether what a plan calls deferred does wait for a limit, and whether it says so of all that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.scope import WAITING
from optimizer.verify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Move
    from optimizer.plan import Plan
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
        vms = waiting.get((r.rule, r.subject)) if r.resource == WAITING else None
        limits = () if vms is None else tuple(_short(problem, moves, vms))
        if (r.deferred or None) != next(iter(limits), None):
            expected = f"it waits for {limits[0]}" if limits else "no limit makes it wait"
            where = f"remaining[{r.rule} {r.subject}].deferred"
            yield Finding("deferred", where, f"says {r.deferred or 'nothing'}, but {expected}")


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
