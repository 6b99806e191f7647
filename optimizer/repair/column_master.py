"""The master of column generation: one column for each host, so that whoever leaves is taken by somebody.

The linear program says what receiving each VM is worth, and columns that are better at these prices join it, until
there are none. A VM may have the place that is there for one of the next sizes, so none of these has a lower price.
Without that, and without a box around the prices that are known to be good, it wanders about for hours. In the end it
nearly always has an answer in whole numbers.

Gilmore and Gomory, "A linear programming approach to the cutting-stock problem", Operations Research 9 (1961); Dantzig
and Wolfe, "Decomposition principle for linear programs", Operations Research 8 (1960); Marsten, Hogan and Blankenship,
"The BOXSTEP method for large-scale optimization", Operations Research 23 (1975); Valério de Carvalho, "Using extra dual
cuts to accelerate column generation", INFORMS Journal on Computing 17 (2005).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from optimizer.left_behind import ends_within
from optimizer.repair.spread_prices import spread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from optimizer.bounds.host_choices import Column, HostChoices
    from optimizer.limits import Deadline
    from optimizer.parameters import Columns

__all__ = ["ColumnMaster", "Program"]

GRACE_S = 0.5
"""Seconds that a linear program has to end in, once told to; then its thread is left behind."""

PIVOT_WORK = 1e-4
"""What a pivot counts as work."""

INCREMENTAL = "use_preprocessing: false"
"""What a linear program is told: it goes on from the basis before, which presolving would do away with."""

WHOLE = 1e-6
"""How near to a whole number what is whole is."""


class Program(NamedTuple):
    """What a linear program comes to.

    `moves`; `outside`: how often a border of the box was paid, 0 where it does not matter; `prices`: float64 [n], in
    moves, of VMs in no column as of the dearest that is no larger; `hosts`: float64 [H], what each comes to then.
    """

    moves: float
    outside: float
    prices: NDArray[np.float64]
    hosts: NDArray[np.float64]


class ColumnMaster:
    """The columns that are known, and what fits together of them.

    Parameters
    ----------
    prices
        float64 [n]: around which the box is.
    """

    def __init__(self, hosts: HostChoices, prices: NDArray[np.float64], given: Columns) -> None:
        from ortools.linear_solver import pywraplp

        self.hosts, self.given = hosts, given
        self.columns: dict[Column, Any] = {}
        self._solver: Any = pywraplp.Solver.CreateSolver("GLOP")
        self._solver.SuppressOutput()
        known = self._solver.SetSolverSpecificParametersAsString(INCREMENTAL)
        assert known
        self._far = self._solver.infinity()
        self._one = [self._solver.Constraint(1.0, 1.0) for _ in range(len(hosts.left))]
        self._row: dict[int, Any] = {}
        self._box: dict[int, tuple[Any, Any]] = {}
        self._objective = self._solver.Objective()
        self._objective.SetMinimization()
        self._centre, self._width = prices, given.box
        level, self._level = np.unique(hosts.amount[:, 0], return_inverse=True)
        self._chains: list[dict[int, list[tuple[int, int]]]] = [{} for _ in range(len(level))]
        self._arcs: set[tuple[int, int]] = set()
        self._places: list[tuple[Any, bool]] = []
        self._free: NDArray[np.int64] | None = None
        self._lost = False
        self._blamed: Counter[Column] = Counter()

    def _variable(self, cost: float, rows: dict[Any, float]) -> Any:
        variable = self._solver.NumVar(0.0, self._far, "")
        self._objective.SetCoefficient(variable, cost)
        for row, factor in rows.items():
            row.SetCoefficient(variable, factor)
        return variable

    # -- columns -----------------------------------------------------------------------------------------------------

    def add(self, columns: Iterable[Column]) -> int:
        """Let columns join; return how many are new."""
        new = [c for c in dict.fromkeys(columns) if c not in self.columns]
        for column in new:
            rows = {self._one[column.host]: 1.0}
            rows.update((self._of(at), 1.0) for at in column.leaving)
            rows.update((self._of(at), -1.0) for at in column.coming)
            self.columns[column] = self._variable(self._cost(column), rows)
        return len(new)

    def _cost(self, column: Column) -> float:
        """Return its moves, and more for each choice that failed by it; see also `prefer`."""
        cost = len(column.leaving) + self.given.blamed * self._blamed[column]
        if self._free is None or not column.leaving or not column.coming:
            return cost
        waits = (self.hosts.amount[list(column.coming)].sum(axis=0) > self._free[column.host]).any()
        return cost + self.given.waiting * bool(waits)

    def _of(self, at: int) -> Any:
        """Return the row of a VM: if it leaves somebody takes it, or the border of the box is paid for."""
        if at not in self._row:
            row = self._row[at] = self._solver.Constraint(-self._far, 0.0)
            low, high = self._borders(at)
            self._box[at] = self._variable(high, {row: -1.0}), self._variable(-low, {row: 1.0})
            if self._free is not None:
                self._without_box(at)
            self._link(at)
        return self._row[at]

    def _link(self, at: int) -> None:
        """Let the VM have the places of the next larger ones, and the next smaller ones have its own."""
        load, kind, level = int(self.hosts.amount[at, 1]), int(self.hosts.fixed.kind[at]), int(self._level[at])
        for other in range(max(0, level - self.given.linked), min(len(self._chains), level + self.given.linked + 1)):
            chain = self._chains[other].get(kind, [])
            if other >= level and (above := bisect_left(chain, (load, at))) < len(chain):
                self._instead(at, chain[above][1])
            if other <= level and (below := bisect_right(chain, (load, at)) - 1) >= 0:
                self._instead(chain[below][1], at)
        insort(self._chains[level].setdefault(kind, []), (load, at))

    def _instead(self, smaller: int, larger: int) -> None:
        if smaller != larger and (smaller, larger) not in self._arcs:
            self._arcs.add((smaller, larger))
            whole = bool((self.hosts.amount[smaller] <= self.hosts.amount[larger]).all())
            cost = 0.0 if self._free is None else self.given.other[0 if whole else 1]
            variable = self._variable(cost, {self._row[smaller]: -1.0, self._row[larger]: 1.0})
            self._places.append((variable, whole))

    # -- the box -----------------------------------------------------------------------------------------------------

    def _borders(self, at: int) -> tuple[float, float]:
        price = float(self._centre[at])
        return max(0.0, price - self._width), price + self._width

    def centre(self, prices: NDArray[np.float64], width: float) -> None:
        """Put the box around other prices."""
        self._centre, self._width = prices, width
        for at, (over, under) in self._box.items():
            low, high = self._borders(at)
            self._objective.SetCoefficient(over, high)
            self._objective.SetCoefficient(under, -low)

    def prefer(self, free: NDArray[np.int64]) -> None:
        """From now on prefer, of choices with as few moves or nearly, those that are easy to carry out.

        VMs have another's place where no other will do, most of all one that is not larger in all resources; and hosts
        take those that they have room for before anybody leaves.

        Parameters
        ----------
        free
            int64 [H, R]: what limits that have to hold leave free at the start.
        """
        self._free = free
        for column, variable in self.columns.items():
            self._objective.SetCoefficient(variable, self._cost(column))
        for variable, whole in self._places:
            self._objective.SetCoefficient(variable, self.given.other[0 if whole else 1])
        for at in self._box:
            self._without_box(at)

    def _without_box(self, at: int) -> None:
        """Let no place of a VM be left for a reward, and let it cost more than any place that it finds none."""
        over, under = self._box[at]
        self._objective.SetCoefficient(over, float(self._centre[at]) + self.given.homeless)
        under.SetUb(0.0)

    def near(self, deadline: Deadline) -> list[Column]:
        """Return the columns that the linear program chooses, or would if they cost a little less; none without it."""
        if self.solve(deadline) is None:
            return []
        return [c for c, x in self.columns.items() if x.reduced_cost() <= self.given.near]

    def blame(self, columns: Iterable[Column]) -> None:
        """From now on let these cost more: a choice with them could not be carried out."""
        for column in columns:
            self._blamed[column] += 1
            self._objective.SetCoefficient(self.columns[column], self._cost(column))

    def shake(self, random: np.random.Generator) -> None:
        """Prefer some columns a little, by chance, so that another choice with as few moves, or nearly, is found."""
        for (column, variable), chance in zip(self.columns.items(), random.random(len(self.columns)), strict=True):
            self._objective.SetCoefficient(variable, self._cost(column) + self.given.waiting * float(chance))

    # -- what it comes to --------------------------------------------------------------------------------------------

    def solve(self, deadline: Deadline) -> Program | None:
        """Solve the linear program; None where there was no time, or no answer."""
        if self._lost:
            return None
        ended: list[int] = []
        solver = self._solver
        obeyed = ends_within(lambda: ended.append(solver.Solve()), deadline.over, solver.InterruptSolve, GRACE_S)
        self._lost = not obeyed  # a thread goes on in it
        if not obeyed or ended != [solver.OPTIMAL]:
            return None
        deadline.spend(PIVOT_WORK * solver.iterations())
        outside = sum(x.solution_value() for pair in self._box.values() for x in pair)
        hosts = np.array([row.dual_value() for row in self._one])
        return Program(float(self._objective.Value()), float(outside), self._prices(), hosts)

    def _prices(self) -> NDArray[np.float64]:
        """Return the prices of all VMs."""
        price = np.array([max(0.0, -row.dual_value()) for row in self._row.values()])
        return spread(self.hosts, np.array(list(self._row), np.int64), price)

    def choose(self, deadline: Deadline) -> list[Column] | None:
        """Choose a column for each host, with few moves; None where there was no time, or no answer.

        Where the linear program has none in whole numbers, those that it has most of are chosen, some at a time.
        """
        chosen: dict[int, Column] = {}
        try:
            return self._chosen(chosen, deadline)
        finally:
            for column in chosen.values():
                self.columns[column].SetLb(0.0)

    def _chosen(self, chosen: dict[int, Column], deadline: Deadline) -> list[Column] | None:
        """Choose until all hosts have a column; `chosen` are those that the linear program is held to."""
        part = self.given.chosen_part
        while not deadline.over() and self.solve(deadline) is not None:
            shares = {c: x.solution_value() for c, x in self.columns.items() if c.host not in chosen}
            parts = sorted(((-x, c) for c, x in shares.items() if x > WHOLE))
            whole = [c for x, c in parts if x < WHOLE - 1.0]
            rest = parts[len(whole) :]
            if not rest:
                return [*chosen.values(), *whole]
            some = rest[: max(1, int(len(rest) * part))]
            for column in (*whole, *(c for _, c in some)):
                if column.host not in chosen:
                    chosen[column.host] = column
                    self.columns[column].SetLb(1.0)
        return None
