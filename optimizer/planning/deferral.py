"""What waits for a limit: hosts that are to be emptied, and that the limits no longer pay for in this plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.problem.flow_index import spent_of
from optimizer.scope import WAITING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Move
    from optimizer.problem.atoms import Flow
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Violation

__all__ = ["Deferral"]


class Deferral:
    """What the moves of a plan leave of every limit."""

    def __init__(self, problem: Problem, moves: Sequence[Move]) -> None:
        self._problem = problem
        self._left = [f.limit - spent_of(f, moves) for f in problem.flows]

    def of(self, violation: Violation) -> str:
        """Name the first limit that does not pay for emptying the host that the violation is about; else nothing."""
        if violation.resource != WAITING:
            return ""
        for flow, left in zip(self._problem.flows, self._left, strict=True):
            if flow.targets is None and self._costs(flow, violation.vms) > left:
                return f"{flow.rule}: {flow.subject}"
        return ""

    def _costs(self, flow: Flow, vms: Sequence[int]) -> int:
        start = self._problem.start
        return sum(
            int(flow.cost[v])
            for v in vms
            if (flow.vms is None or flow.vms[v]) and (flow.sources is None or flow.sources[start[v]])
        )
