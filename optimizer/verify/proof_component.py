"""What the rows of a component cost at least: in closed form where that is enough, else by a small CP-SAT."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.verify.proof_rows import Row

__all__ = ["Component", "least_harm_within", "weighted"]

SECONDS = 10.0
"""Time for one component; what is not closed by then is bounded by the model's bound."""

STEPS = 50_000
"""Steps of cost when curves are combined; larger costs are rounded down to that many, so the bound stays true."""

NEVER = 2**60


@dataclass(frozen=True, eq=False)
class Component:
    """Rows, and what a departure of each VM costs (int64 [V])."""

    rows: Sequence[Row]
    cost: NDArray[np.int64]

    def of(self, hardness: Hardness, *, priced: bool = False) -> list[Row]:
        """Rows of one hardness."""
        return [r for r in self.rows if r.asked.hardness is hardness and (r.asked.price is not None) == priced]

    @property
    def unpriced(self) -> list[Row]:
        """Rows of musts and of shoulds without a price."""
        return [*self.of(Hardness.MUST), *self.of(Hardness.SHOULD)]

    def costs_at_least(self, claim: int) -> bool:
        """Whether repairing all musts and unpriced shoulds costs at least that much."""
        rows = self.unpriced
        if not rows:
            return claim <= 0
        if max(_row_cost(row, self.cost) for row in rows) >= claim:
            return True
        model = _Model(self.rows, self.cost)
        model.hold(rows)
        return model.least(model.spent) >= claim

    def priced_at_least(self, claim: int, *, clean: bool) -> bool:
        """Whether 1000 x cost + the priced shoulds come to at least that much (`clean`: with all others repaired)."""
        model = _Model(self.rows, self.cost)
        if clean:
            model.hold(self.unpriced)
        return model.least(MILLI * model.spent + model.harm(self.of(Hardness.SHOULD, priced=True))) >= claim

    def keeps_at_least(self, claim: int, hardness: Hardness, budget: int | None) -> bool:
        """Whether the rows of a hardness keep that much harm, if at most `budget` is spent on the component."""
        rows = self.of(hardness)
        if sum(row.harm(row.stuck) for row in rows) >= claim:
            return True
        if not rows:
            return claim <= 0
        if budget is not None and sum(row.harm(_left(row, self.cost, budget)) for row in rows) >= claim:
            return True  # each row for itself, with all of the budget
        model = _Model(self.rows, self.cost)
        if hardness is Hardness.SHOULD:
            model.hold(self.of(Hardness.MUST))
        if budget is not None:
            model.cp.add(model.spent <= budget)
        return model.least(model.harm(rows)) >= claim


def _row_cost(row: Row, cost: NDArray[np.int64]) -> int:
    """Bound the cost of repairing one row from below: whole VMs of the best amount for their cost, the last in part."""
    return min(_side_cost(amounts, need, cost) for amounts, need in row.sides)


def _side_cost(amounts: dict[int, int], need: int, cost: NDArray[np.int64]) -> int:
    """Those who leave for nothing first, then the best amount for their cost; in fractions, so exactly."""
    need -= sum(a for v, a in amounts.items() if not cost[v])
    paid = {v: (a, int(cost[v])) for v, a in amounts.items() if cost[v]}
    if len({c for _, c in paid.values()}) == 1:
        return _equal_cost(sorted((a for a, _ in paid.values()), reverse=True), need, next(iter(paid.values()))[1])
    spent = Fraction(0)
    for amount, price in sorted(paid.values(), key=lambda p: Fraction(p[1], p[0])):
        if need <= 0:
            break
        spent += price * min(Fraction(1), Fraction(need, amount))
        need -= amount
    return NEVER if need > 0 else ceil(spent)


def _equal_cost(amounts: Sequence[int], need: int, price: int) -> int:
    """Whole VMs, the largest first."""
    spent = 0
    for amount in amounts:
        if need <= 0:
            break
        spent += price
        need -= amount
    return NEVER if need > 0 else spent


def _left(row: Row, cost: NDArray[np.int64], budget: int) -> int:
    """Bound the excess that a row keeps from below, if at most `budget` is spent on it."""
    return max(0, min(need - _most_leaving(amounts, cost, budget) for amounts, need in row.sides))


def _most_leaving(amounts: dict[int, int], cost: NDArray[np.int64], budget: int) -> int:
    """Bound what can leave for a budget from above: the best amount for its cost first, the last VM in part."""
    gone = sum(a for v, a in amounts.items() if not cost[v])
    paid = [(a, int(cost[v])) for v, a in amounts.items() if cost[v]]
    prices = {price for _, price in paid}
    if len(prices) == 1:
        return gone + sum(sorted((a for a, _ in paid), reverse=True)[: budget // prices.pop()])
    for amount, price in sorted(paid, key=lambda p: Fraction(p[1], p[0])):
        if price > budget:
            return gone + amount * budget // price
        gone, budget = gone + amount, budget - price
    return gone


def weighted(terms: Iterable[tuple[int, cp_sat.IntVar]]) -> cp_sat.LinearExpr:
    """Return the sum of coefficient x variable."""
    pairs = list(terms)
    return cp_sat.LinearExpr.weighted_sum([x for _, x in pairs], [c for c, _ in pairs])


class _Model:
    """x for each VM that can leave, an excess for each row."""

    def __init__(self, rows: Sequence[Row], cost: NDArray[np.int64]) -> None:
        self.cp = cp_sat.CpModel()
        vms = sorted({v for row in rows for v in row.vms})
        self.leaves = {v: self.cp.new_bool_var(f"x{v}") for v in vms}
        self.spent = weighted((int(cost[v]), x) for v, x in self.leaves.items())
        self.left = {id(row): self._excess(row) for row in rows}

    def _excess(self, row: Row) -> cp_sat.IntVar:
        excess = self.cp.new_int_var(0, row.excess, "e")
        met = [self.cp.new_bool_var("") for _ in row.sides]
        self.cp.add_bool_or(met)
        for (amounts, need), chosen in zip(row.sides, met, strict=True):
            gone = weighted((a, self.leaves[v]) for v, a in amounts.items())
            self.cp.add(gone + excess >= need).only_enforce_if(chosen)
        return excess

    def hold(self, rows: Sequence[Row]) -> None:
        """Let these rows keep no excess."""
        for row in rows:
            self.cp.add(self.left[id(row)] == 0)

    def harm(self, rows: Sequence[Row]) -> cp_sat.LinearExpr:
        """Return the harm that these rows keep."""
        terms: list[tuple[int, cp_sat.IntVar]] = []
        for row in rows:
            steps = self.cp.new_int_var(0, -(-MILLI * row.excess // row.unit), "")
            self.cp.add(row.unit * steps >= MILLI * self.left[id(row)])
            terms.append((row.asked.weight if row.asked.price is None else row.asked.price, steps))
        return weighted(terms)

    def least(self, expression: cp_sat.LinearExpr) -> int:
        """Return a proven lower bound; very large where nothing satisfies the rows."""
        self.cp.minimize(expression)
        solver = cp_sat.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.catch_sigint_signal = False
        solver.parameters.max_time_in_seconds = SECONDS
        status = solver.solve(self.cp)
        if status == cp_sat.INFEASIBLE:
            return NEVER
        # in whole numbers: `best_objective_bound` is a float, and expressions here have no constant beside their terms
        return max(0, int(solver.response_proto.inner_objective_lower_bound))


def least_harm_within(curves: Sequence[Sequence[tuple[int, int]]], budget: int) -> int:
    """Return a lower bound on the harm of all curves together, if at most `budget` is spent on them.

    Each curve is a list of (cost, least harm with at most that cost); one point of each is taken.
    """
    total = sum(points[-1][0] for points in curves)
    step = max(1, -(-total // STEPS))
    width = min(budget, total) // step + 1
    least = np.zeros(width, np.int64)
    for points in curves:
        best = np.full(width, NEVER, np.int64)
        for cost, kept in points:
            at = cost // step
            if at < width:
                np.minimum(best[at:], least[: width - at] + kept, out=best[at:])
        least = np.minimum(best, NEVER)
    return int(least[-1])
