"""The fewest elements whose lifting makes a goal possible, and by how much each has to give way.

A set of elements is a correction if the goal is possible while all others hold, and a minimal one if that is so of no
part of it. They are found in order of size: CP-SAT lifts as few as it can, the found set is excluded with all that
contain it, and so on; where that ends with nothing left, all minimal corrections are known. (They are what MARCO's map
enumerates from its other side: each of them hits every minimal excluding set.)

Liffiton, M. H., Previti, A., Malik, A., Marques-Silva, J. (2016). Fast, flexible MUS enumeration. Constraints 21.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optimizer import cp_sat
from optimizer.cp.exact import proven_bound
from optimizer.cp.solving import solve_within
from optimizer.explain.elements import Given
from optimizer.explain.oracle import new_solver
from optimizer.planning.openings import CHEAPEST_FIRST

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.explain.elements import Element
    from optimizer.explain.examples import Example
    from optimizer.explain.model import ElementModel, Part
    from optimizer.limits import Deadline

__all__ = ["Correction", "Corrections"]

FINE = 1024
"""When amounts of several elements are added up, each counts as a share of the largest that it could be."""


@dataclass(frozen=True)
class Correction:
    """Elements that are lifted, with what each gives, and a placement that reaches the goal then.

    `smallest`: no correction has fewer elements (proven).
    """

    lifted: tuple[Element, ...]
    given: Mapping[Element, tuple[Given, ...]]
    placement: NDArray[np.int32]
    smallest: bool = False
    amounts_least: bool = False


@dataclass
class Corrections:
    """Asks one model for corrections; what was excluded stays excluded."""

    model: ElementModel
    deadline: Deadline
    seed: int = 0
    plain: bool = False
    _blocked: list[frozenset[Element]] = field(default_factory=list)

    def least(self, among: Collection[Element] | None = None) -> Correction | None:
        """Return a correction of the fewest elements (of `among` alone), then cheapest kind, then least amounts.

        None where there is none, or time ended; `exhausted` says which.
        """
        held, cp = self.model.held, self.model.cp
        allowed = set(held if among is None else among)
        cp.proto.assumptions.clear()
        cp.proto.assumptions.extend(sorted(lit.index for e, lit in held.items() if e not in allowed))
        try:
            return self._fewest(sorted(allowed))
        finally:
            cp.proto.assumptions.clear()
            cp.proto.clear_objective()

    exhausted: bool = False

    def exclude(self, lifted: Collection[Element]) -> None:
        """Exclude a set of lifted elements and all that contain it."""
        self.model.cp.add_bool_or([self.model.held[e] for e in sorted(lifted)])

    @staticmethod
    def shown_by(example: Example, placement: NDArray[np.int32]) -> Correction:
        """Return the elements that a known placement breaks, given by as much as it does; it may be done with less."""
        given = {e: [g for g in example.broken[e] if g.amount > 0] for e in example.broken}
        return Correction(tuple(sorted(given)), _positive(given), placement, smallest=len(given) == 1)

    def _fewest(self, allowed: list[Element]) -> Correction | None:
        self.exhausted = False
        if not allowed:
            return None
        held = self.model.held
        ranks = {kind: n for n, kind in enumerate(CHEAPEST_FIRST)}
        step = 1 + len(CHEAPEST_FIRST) * 8
        costs = [step + ranks.get(e.kind, len(ranks)) for e in allowed]
        lifted = cp_sat.LinearExpr.weighted_sum([held[e] for e in allowed], [-c for c in costs])
        solver, status = self._minimize(lifted)
        if status == cp_sat.INFEASIBLE:
            self.exhausted = True
            return None
        if solver is None or status not in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
            return None
        chosen = [e for e in allowed if not solver.boolean_value(held[e])]
        bound = sum(costs) + proven_bound(solver)
        found = self._read(solver, chosen)
        smallest = status == cp_sat.OPTIMAL or -(-bound // (step + len(ranks))) >= len(chosen)
        return self._with_least_amounts(chosen, found, smallest)

    def _with_least_amounts(self, chosen: list[Element], found: Correction, smallest: bool) -> Correction:
        """Lift exactly these, by as little as can be; amounts of several are added up as shares of their largest."""
        parts = [p for e in chosen for p in self.model.parts.get(e, ())]
        assumptions = self.model.cp.proto.assumptions
        assumptions.clear()
        assumptions.extend(sorted(lit.index for e, lit in self.model.held.items() if e not in set(chosen)))
        least = not parts
        if parts:
            weights = [1 if len(parts) == 1 else max(1, FINE * FINE // p.most) for p in parts]
            terms = cp_sat.LinearExpr.weighted_sum([p.excess for p in parts], weights)
            solver, status = self._minimize(terms)
            if solver is not None and status in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
                found, least = self._read(solver, chosen), status == cp_sat.OPTIMAL
        return Correction(found.lifted, found.given, found.placement, smallest, least)

    def _read(self, solver: cp_sat.CpSolver, chosen: list[Element]) -> Correction:
        given = {e: [self._gives(solver, p) for p in self.model.parts.get(e, ())] for e in chosen}
        return Correction(tuple(chosen), _positive(given), self.model.placed(solver))

    @staticmethod
    def _gives(solver: cp_sat.CpSolver, part: Part) -> Given:
        return Given(int(solver.value(part.excess)) - part.allowed, part.allowed, part.instance)

    def _minimize(self, terms: cp_sat.LinearExpr) -> tuple[cp_sat.CpSolver | None, cp_sat.CpSolverStatus]:
        if self.deadline.over():
            return None, cp_sat.UNKNOWN
        self.model.cp.minimize(terms)
        solver = new_solver(self.deadline, self.seed, plain=self.plain)
        status = solve_within(solver, self.model.cp, self.deadline.over)
        self.model.cp.proto.clear_objective()
        if status is None:
            return None, cp_sat.UNKNOWN
        self.deadline.spend(solver.response_proto.deterministic_time)
        return solver, status


def _positive(given: Mapping[Element, Sequence[Given]]) -> dict[Element, tuple[Given, ...]]:
    """Return what each element gives, without the places where that is nothing."""
    return {e: tuple(g for g in gives if g.amount > 0) or (Given(),) for e, gives in given.items()}
