"""Whether some elements, held together, exclude the goal: one call of CP-SAT under assumptions."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from optimizer import cp_sat
from optimizer.cp.solving import solve_within

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.explain.elements import Element
    from optimizer.explain.examples import Examples
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
    """Asks one model again and again, each time with other elements held.

    Parameters
    ----------
    by_cores
        Hold elements by assumptions, of which CP-SAT names some that cannot hold together. Otherwise they are fixed,
        which lets presolve and the linear relaxation see them: better where proofs are hard, but nothing is named.
    examples
        Placements that are known to reach the goal: where one breaks none of what is held, the solver is not asked.
    """

    def __init__(
        self,
        model: ElementModel,
        deadline: Deadline,
        seed: int = 0,
        *,
        by_cores: bool = True,
        examples: Examples | None = None,
    ) -> None:
        self.model, self.deadline, self.seed, self.by_cores = model, deadline, seed, by_cores
        self.examples = examples
        self._by_index = {literal.index: element for element, literal in model.held.items()}
        self.calls = 0

    @property
    def elements(self) -> frozenset[Element]:
        """All that can be lifted."""
        return frozenset(self.model.held)

    def ask(self, held: Collection[Element]) -> Answer:
        """Return whether the goal can be reached while these elements hold."""
        if self.examples is not None and (known := self.examples.among(held)) is not None:
            return Answer(Verdict.POSSIBLE, placement=self.examples.placement(known))
        if self.deadline.over():
            return Answer(Verdict.UNKNOWN)
        self.calls += 1
        solver = new_solver(self.deadline, self.seed, plain=not self.by_cores)
        with self._holding(held):
            status = solve_within(solver, self.model.cp, self.deadline.over)
        if status is None:
            self.deadline.spend(LEAST)
            return Answer(Verdict.UNKNOWN)
        response = solver.response_proto
        self.deadline.spend(response.deterministic_time + LEAST)
        if status == cp_sat.INFEASIBLE:
            core = self._core(response.sufficient_assumptions_for_infeasibility) if self.by_cores else frozenset(held)
            return Answer(Verdict.EXCLUDED, core)
        if status in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
            return Answer(Verdict.POSSIBLE, placement=self.model.placed(solver))
        return Answer(Verdict.UNKNOWN)

    @contextmanager
    def _holding(self, held: Collection[Element]) -> Iterator[None]:
        proto = self.model.cp.proto
        if self.by_cores:
            proto.assumptions.extend(sorted(self.model.held[e].index for e in held))
        else:
            self._fix(set(held))
        try:
            yield
        finally:
            proto.assumptions.clear()
            if not self.by_cores:
                self._fix(None)

    def _fix(self, held: set[Element] | None) -> None:
        """Fix the literals of all elements, or free them."""
        variables = self.model.cp.proto.variables
        for element, literal in self.model.held.items():
            domain = variables[literal.index].domain
            domain.clear()
            domain.extend([0, 1] if held is None else [1, 1] if element in held else [0, 0])

    def _core(self, literals: Iterable[int]) -> frozenset[Element]:
        return frozenset(self._by_index[i] for i in literals)


def new_solver(deadline: Deadline, seed: int, *, plain: bool = False) -> cp_sat.CpSolver:
    """Return a solver of one thread, which gives the same answer each time; `plain`: without long preparations."""
    solver = cp_sat.CpSolver()
    p = solver.parameters
    p.max_time_in_seconds = max(deadline.wall(), LEAST)
    p.max_deterministic_time = max(deadline.left(), LEAST)
    if plain:
        p.cp_model_probing_level = p.symmetry_level = 0
    if deadline.memory_mib is not None:
        p.max_memory_in_mb = deadline.memory_mib
    p.random_seed, p.num_workers = seed, 1
    p.catch_sigint_signal = False
    return solver
