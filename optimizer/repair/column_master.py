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
from optimizer.cp.solving import solve_within
from optimizer.left_behind import start_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.parameters import Columns
    from optimizer.repair.host_columns import Column, HostColumns

__all__ = ["ColumnMaster"]

LOOK_S, GRACE_S = 0.02, 0.5
"""Seconds between two looks at the clock while a linear program is solved; and what it has to end in, once told to."""

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
        thread = start_thread(lambda: ended.append(self._solver.Solve()))
        told = 0.0
        while thread.is_alive() and told < GRACE_S:
            thread.join(LOOK_S)
            if thread.is_alive() and deadline.over():
                self._solver.InterruptSolve()
                told += LOOK_S
        if not ended or ended[0] != self._solver.OPTIMAL:
            return None
        deadline.spend(PIVOT_WORK * self._solver.iterations())
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

    def choose(
        self, columns: Sequence[Column], deadline: Deadline, *, seed: int, workers: int
    ) -> tuple[list[Column], int] | None:
        """Choose a column for each host, with the fewest moves; None where there was no time to find any.

        Returns
        -------
        The columns, and the least that any choice of these comes to, in moves.
        """
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
        solver = cp_sat.CpSolver()
        p = solver.parameters
        p.max_deterministic_time, p.max_time_in_seconds = self.given.choosing_work, max(1e-3, deadline.wall())
        p.random_seed, p.num_workers, p.interleave_search = seed, workers, workers > 1
        p.catch_sigint_signal = False
        ended = solve_within(solver, model, deadline.over)
        if ended not in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
            return None
        deadline.spend(solver.response_proto.deterministic_time)
        picked = [c for c, v in zip(columns, chosen, strict=True) if solver.boolean_value(v)]
        return picked, int(np.ceil(solver.best_objective_bound - 1e-6))


def _instead(sizes: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return pairs: a VM of the first size may have a place of the second, which is the next larger one."""
    ranked = np.lexsort((sizes[:, 1], sizes[:, 0]))
    out = []
    for n, s in enumerate(ranked.tolist()):
        least = np.inf
        for larger in ranked[n + 1 :].tolist():
            if sizes[s, 1] <= sizes[larger, 1] < least:
                least = float(sizes[larger, 1])
                out.append((s, larger))
    return out
