"""How even loads can get with K moves: a bound of the stage COST, by prices on load, on departures and on arrivals.

Let every host choose for itself: k of its VMs leave it (at most what the k largest of them come to), j others come (at
most j times the largest VM there is), and it ends with any load in between that it may carry. A price for load makes
the loads of all hosts add up to what they are; one for departures and one for arrivals make both at most as many as
there may be moves. Whichever the prices, they give a bound (Lagrange), so the search for good ones may be rough, and
the bound itself is exact. Prices are in thousandths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.plan import Part, Proof
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.level_costs import families
from optimizer.problem.problem import Stage
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.parameters.balance import Balancing
    from optimizer.problem.level_costs import Family
    from optimizer.problem.problem import Problem

__all__ = ["BalanceBound", "most_moves"]

BEYOND = 2**60
"""No load comes near it."""


def most_moves(problem: Problem) -> int:
    """Return how many VMs may be displaced at most: what budgets allow of moves, whichever they are."""
    counting = (f for f in problem.flows if f.vms is None and f.sources is None and f.targets is None)
    limits = [f.limit // int(f.cost.min()) for f in counting if f.cost.size and f.cost.min() > 0]
    return min([int(problem.movable.sum()), *limits])


@dataclass(frozen=True, eq=False)
class _Choices:
    """Loads of one family that hosts may end with: int64 [rows, H], `lowest` to `highest`; `total`: of all hosts."""

    family: Family
    total: int
    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]

    def least(self, price: int) -> NDArray[np.int64]:
        """Return int64 [rows, H]: the least of MILLI x cost - price x load."""
        slopes = MILLI * np.cumsum(self.family.weight)
        first = int(np.searchsorted(slopes, price))  # from this level on, more load costs more than its price
        best = self.family.level[first] if first < len(slopes) else np.full_like(self.highest[0], BEYOND)
        if price <= 0:
            best = np.full_like(self.highest[0], -BEYOND)
        load = np.minimum(np.maximum(best, self.lowest), self.highest)
        over = np.zeros_like(load)
        for level, weight in zip(self.family.level, self.family.weight.tolist(), strict=True):
            over += weight * np.maximum(load - level, 0)
        return np.asarray(MILLI * over - price * load, np.int64)


class BalanceBound:
    """The bound, for one problem.

    A host that gives VMs away does not take any where one resource is all that counts: its rows are departures, then
    arrivals. Where several count it may do both, and arrivals are not told apart: any number of them, without a price.
    """

    def __init__(self, problem: Problem, given: Balancing) -> None:
        self.problem, self.given = problem, given
        self.moves = most_moves(problem)

    @cached_property
    def _choices(self) -> list[_Choices]:
        found = families(self.problem)
        return [self._choice(family, alone=len(found) == 1) for family in found]

    @cached_property
    def _arrivals(self) -> NDArray[np.int64]:
        """int64 [rows]: how many come in each row."""
        rows, alone = len(self._choices[0].lowest), len(self._choices) == 1
        return np.maximum(np.arange(rows) - (rows - 1 - self.given.arrivals), 0) if alone else np.zeros(rows, np.int64)

    @cached_property
    def _leaving(self) -> NDArray[np.int64]:
        """int64 [rows]: how many leave in each row."""
        return np.where(self._arrivals > 0, 0, np.arange(len(self._arrivals)))

    def proof(self) -> Proof:
        """Return the best proof that is found, 0 where there is none."""
        choices = self._choices
        prices, value = [0] * len(choices), 0
        for _ in range(2 if len(choices) > 1 else 1):
            for i, choice in enumerate(choices):
                highest = MILLI * int(choice.family.weight.sum())
                prices[i] = self._best_price(prices, i, highest)
        of_moves = self._prices_of_moves(prices)
        value = self.at(prices, of_moves)
        if value <= 0:
            return Proof(Stage.COST.value, 0, ())
        by = "prices: " + " ".join(map(str, [*prices, *of_moves]))
        return Proof(Stage.COST.value, value, (Part(self.problem.host_ids, (), value, by),))

    def at(self, prices: list[int], of_moves: tuple[int, int]) -> int:
        """Return the bound that prices give, of load and of a departure and an arrival, rounded up."""
        departure, arrival = of_moves
        paid = departure * self._leaving + arrival * self._arrivals
        found = int((self._least(prices) + paid[:, None]).min(axis=0).sum())
        found += sum(p * c.total for p, c in zip(prices, self._choices, strict=True))
        return -(-(found - (departure + arrival) * self.moves) // MILLI)

    def _least(self, prices: list[int]) -> NDArray[np.int64]:
        return np.asarray(sum(c.least(p) for p, c in zip(prices, self._choices, strict=True)))

    def _best_price(self, prices: list[int], i: int, highest: int) -> int:
        """Return the price of one family's load that gives the best bound: the bound is concave in it."""
        known: dict[int, int] = {}

        def value(price: int) -> int:
            if price not in known:
                tried = [*prices[:i], price, *prices[i + 1 :]]
                known[price] = self.at(tried, self._prices_of_moves(tried))
            return known[price]

        low, high = 0, highest
        for _ in range(self.given.price_steps):
            if high - low < 3:
                break
            one, other = low + (high - low) // 3, high - (high - low) // 3
            if value(one) < value(other):
                low = one
            else:
                high = other
        return max(range(low, high + 1) if high - low < 3 else (low, (low + high) // 2, high), key=value)

    def _prices_of_moves(self, prices: list[int]) -> tuple[int, int]:
        """Return the prices at which no more leave, and no more come, than may move."""
        least = self._least(prices)
        coming = self._arrivals > 0
        return self._price(least[~coming]), self._price(np.concatenate([least[:1], least[coming]]))

    def _price(self, least: NDArray[np.int64]) -> int:
        """Return the price at which hosts choose no more than there may be: by bisection, they take less as it rises.

        Parameters
        ----------
        least
            int64 [n, H]: what each host comes to with 0, 1, 2, ... of them.
        """
        k = np.arange(least.shape[0], dtype=np.int64)[:, None]
        if int(np.argmin(least, axis=0).sum()) <= self.moves:
            return 0
        low, high = 0, int((least[0] - least.min(axis=0)).max()) + 1
        while high - low > max(1, low >> 12):
            middle = (low + high) // 2
            if int(np.argmin(least + middle * k, axis=0).sum()) > self.moves:
                low = middle
            else:
                high = middle
        return high

    def _choice(self, family: Family, *, alone: bool) -> _Choices:
        problem = self.problem
        load = family.loads(problem.start)
        left, most = load - _departures(problem, family.amount, self.given.departures), self._most(family, load)
        if not alone:
            return _Choices(family, int(load.sum()), left, np.broadcast_to(most, left.shape))
        largest = int(family.amount[problem.movable].max(initial=0))
        come = [np.minimum(load + j * largest, most) for j in range(1, self.given.arrivals)]
        lowest = np.vstack([left, *[load] * self.given.arrivals])
        return _Choices(family, int(load.sum()), lowest, np.vstack([*[load] * len(left), *come, most]))

    def _most(self, family: Family, load: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return int64 [H]: what each host may carry, by limits on the same amounts; as now where nobody may come."""
        most = np.full(len(load), max(int(load.sum()), int(load.max(initial=0))), np.int64)
        for number, atom in self.problem.demands.sums.items():
            if atom.level or atom.asked.hardness is Hardness.SHOULD or not np.array_equal(atom.amount, family.amount):
                continue
            ceiling = np.maximum(atom.limit, self.problem.start_loads[number])
            most = np.where(atom.limit < UNLIMITED, np.minimum(most, ceiling - atom.base), most)
        _, rows = self.problem.enter_class
        return np.maximum(np.where(rows.any(axis=0), most, load), load)


def _departures(problem: Problem, amount: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return int64 [K, H]: what 0, 1, 2, ... of the largest VMs that may leave each host add up to; in row K all."""
    vms = np.flatnonzero(problem.movable & (problem.start != ABSENT) & (amount > 0))
    order = vms[np.lexsort((-amount[vms], problem.start[vms]))]
    host = problem.start[order]
    first = np.searchsorted(host, np.arange(problem.hosts))
    rank = np.arange(order.size) - first[host]
    rows = min(most, int(rank.max(initial=-1)) + 1) + 1
    out = np.zeros((rows, problem.hosts), np.int64)
    np.add.at(out, (np.minimum(rank + 1, rows - 1), host), amount[order])
    return np.cumsum(out, axis=0)
