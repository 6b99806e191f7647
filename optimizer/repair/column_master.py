"""The master of column generation: one column for each host, so that whoever leaves is taken by somebody.

The linear program says what leaving and receiving each size is worth, and columns that are better at these prices join
it, until there are none. It nearly always has an answer in whole numbers that costs no more than a move or two above;
CP-SAT looks for that among the columns that are good at the last prices.

Gilmore and Gomory, "A linear programming approach to the cutting-stock problem", Operations Research 9 (1961);
Dantzig and Wolfe, "Decomposition principle for linear programs", Operations Research 8 (1960).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer import cp_sat
from optimizer.cp.solving import make_solver, solve_by
from optimizer.left_behind import ends_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.parameters import Columns
    from optimizer.repair.host_columns import Column, HostColumns

__all__ = ["ColumnMaster"]

GRACE_S = 0.5
"""Seconds that a linear program has to end in, once told to; then its thread is left behind."""

PIVOT_WORK = 1e-4
"""What a pivot counts as work."""

TOGETHER = 20
"""VMs of one size that count as another, at most."""


class ColumnMaster:
    """The columns that are known, and what fits together of them.

    Parameters
    ----------
    hosts
        Who can do what.
    """

    def __init__(self, hosts: HostColumns, given: Columns) -> None:
        from ortools.linear_solver import pywraplp

        self.hosts, self.given = hosts, given
        self.columns: list[Column] = []
        self._known: set[Column] = set()
        solver = pywraplp.Solver.CreateSolver("GLOP")
        self._solver: Any = solver
        infinity = solver.infinity()
        self._one = [solver.Constraint(1.0, 1.0) for _ in range(hosts.problem.hosts)]
        self._taken = [solver.Constraint(-infinity, 0.0) for _ in range(len(hosts.size))]
        self._objective = solver.Objective()
        self._objective.SetMinimization()
        self.instead = _instead(hosts.size)
        for row in self._taken:
            self._variable(float(given.homeless), {row: -1.0})
        for smaller, larger in self.instead:
            self._variable(0.0, {self._taken[smaller]: -1.0, self._taken[larger]: 1.0})

    def _variable(self, cost: float, rows: dict[Any, float]) -> None:
        variable = self._solver.NumVar(0.0, self._solver.infinity(), "")
        self._objective.SetCoefficient(variable, cost)
        for row, factor in rows.items():
            row.SetCoefficient(variable, factor)

    def add(self, columns: Iterable[Column]) -> int:
        """Let columns join; return how many are new."""
        new = [c for c in columns if c not in self._known]
        for column in new:
            self._known.add(column)
            self.columns.append(column)
            taken = {self._taken[s]: float(n) for s, n in self._of_size(column).items() if n}
            self._variable(float(len(column.leaving)), {self._one[column.host]: 1.0, **taken})
        return len(new)

    def _of_size(self, column: Column) -> Counter[int]:
        """Return how many of each size leave, less those that come."""
        out = Counter(self.hosts.size_of[list(column.leaving)].tolist())
        out.subtract(dict(column.coming))
        return out

    def solve(self, deadline: Deadline) -> float | None:
        """Solve the linear program; return what it comes to, in moves; None where there was no time, or no answer."""
        ended: list[int] = []
        solver = self._solver
        obeyed = ends_within(lambda: ended.append(solver.Solve()), deadline.over, solver.InterruptSolve, GRACE_S)
        if not obeyed or ended != [solver.OPTIMAL]:
            return None
        deadline.spend(PIVOT_WORK * solver.iterations())
        return float(self._objective.Value())

    def prices(self) -> NDArray[np.float64]:
        """Return float64 [sizes]: what the last linear program pays for taking a VM of each."""
        return np.array([max(0.0, -row.dual_value()) for row in self._taken])

    def dearer(self, columns: Sequence[Column], prices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return float64 [columns]: by how much each is dearer at these prices than the best one of its host."""
        pays = prices[self.hosts.size_of] + 1.0
        cost = np.array(
            [float(pays[list(c.leaving)].sum()) - sum(n * float(prices[s]) for s, n in c.coming) for c in columns]
        )
        host = np.array([c.host for c in columns], np.int64)
        least = np.full(self.hosts.problem.hosts, np.inf)
        np.minimum.at(least, host, cost)
        return np.asarray(cost - least[host])

    def choose(self, columns: Sequence[Column], deadline: Deadline, *, seed: int, workers: int) -> list[Column] | None:
        """Choose a column for each host, with the fewest moves; None where there was no time to find any."""
        model = cp_sat.CpModel()
        taken: list[list[tuple[cp_sat.IntVar, int]]] = [[] for _ in self._taken]
        of_host: dict[int, list[cp_sat.IntVar]] = {}
        chosen = [model.new_bool_var("") for _ in columns]
        for column, variable in zip(columns, chosen, strict=True):
            of_host.setdefault(column.host, []).append(variable)
            for s, n in self._of_size(column).items():
                if n:
                    taken[s].append((variable, n))
        cost = [(v, len(c.leaving)) for v, c in zip(chosen, columns, strict=True) if c.leaving]
        concerned = {s for s, row in enumerate(taken) if row}
        for smaller, larger in self.instead:
            if smaller in concerned or larger in concerned:
                variable = model.new_int_var(0, TOGETHER, "")
                taken[smaller].append((variable, -1))
                taken[larger].append((variable, 1))
        for row in taken:
            if any(n > 0 for _, n in row):
                homeless = model.new_int_var(0, TOGETHER, "")
                cost.append((homeless, self.given.homeless))
                terms = [*row, (homeless, -1)]
                model.add(cp_sat.LinearExpr.weighted_sum([v for v, _ in terms], [n for _, n in terms]) <= 0)
        for variables in of_host.values():
            model.add_exactly_one(variables)
        model.minimize(cp_sat.LinearExpr.weighted_sum([v for v, _ in cost], [n for _, n in cost]))
        solver = make_solver(self.given.choosing_work, deadline, seed, workers)
        if solve_by(deadline, solver, model) not in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
            return None
        return [c for c, v in zip(columns, chosen, strict=True) if solver.boolean_value(v)]


def _instead(sizes: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return pairs: a VM of the first size may have a place of the second, which is the next larger one."""
    ranked = np.lexsort((sizes[:, 1], sizes[:, 0]))
    out: list[tuple[int, int]] = []
    for n, s in enumerate(ranked.tolist()):
        larger = ranked[n + 1 :][sizes[ranked[n + 1 :], 1] >= sizes[s, 1]]
        other = sizes[larger, 1]
        least = np.minimum.accumulate(other)
        first = np.flatnonzero(np.append(True, other[1:] < least[:-1])[: len(larger)])
        out.extend((s, int(t)) for t in larger[first])
    return out
