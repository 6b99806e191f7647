"""Whether some elements, held together, exclude the goal: one call of CP-SAT under assumptions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from optimizer import cp_sat
from optimizer.cp.solving import solve_within

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.explain.elements import Element
    from optimizer.explain.model import ElementModel
    from optimizer.limits import Deadline

__all__ = ["Answer", "Oracle", "Verdict", "new_solver"]

LEAST = 1e-3
"""Least work that a call counts as."""


class Verdict(Enum):
    """What a call came to; a time-out is neither."""

    POSSIBLE = "possible"
    EXCLUDED = "excluded"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """A placement that reaches the goal, or elements that exclude it (not always the fewest)."""

    verdict: Verdict
    core: frozenset[Element] = frozenset()
    placement: NDArray[np.int32] | None = None


class Oracle:
    """Asks one model again and again, each time with other elements held."""

    def __init__(self, model: ElementModel, deadline: Deadline, seed: int = 0) -> None:
        self.model, self.deadline, self.seed = model, deadline, seed
        self._by_index = {literal.index: element for element, literal in model.held.items()}
        self.calls = 0

    @property
    def elements(self) -> frozenset[Element]:
        """All that can be lifted."""
        return frozenset(self.model.held)

    def ask(self, held: Collection[Element], deadline: Deadline | None = None) -> Answer:
        """Return whether the goal can be reached while these elements hold."""
        deadline = deadline or self.deadline
        if deadline.over():
            return Answer(Verdict.UNKNOWN)
        self.calls += 1
        proto = self.model.cp.proto
        proto.assumptions.clear()
        proto.assumptions.extend(sorted(self.model.held[e].index for e in held))
        solver = new_solver(deadline, self.seed)
        status = solve_within(solver, self.model.cp, deadline.over)
        proto.assumptions.clear()
        if status is None:
            deadline.spend(LEAST)
            return Answer(Verdict.UNKNOWN)
        deadline.spend(solver.response_proto.deterministic_time + LEAST)
        if status == cp_sat.INFEASIBLE:
            return Answer(Verdict.EXCLUDED, self._core(solver.response_proto.sufficient_assumptions_for_infeasibility))
        if status in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
            return Answer(Verdict.POSSIBLE, placement=self.model.placed(solver))
        return Answer(Verdict.UNKNOWN)

    def _core(self, literals: Iterable[int]) -> frozenset[Element]:
        return frozenset(self._by_index[i] for i in literals)


def new_solver(deadline: Deadline, seed: int) -> cp_sat.CpSolver:
    """Return a solver of one thread, which gives the same answer each time."""
    solver = cp_sat.CpSolver()
    p = solver.parameters
    p.max_time_in_seconds = max(deadline.wall(), LEAST)
    p.max_deterministic_time = max(deadline.left(), LEAST)
    if deadline.memory_mib is not None:
        p.max_memory_in_mb = deadline.memory_mib
    p.random_seed, p.num_workers = seed, 1
    p.catch_sigint_signal = False
    return solver
