"""The bound of the stage COST by prices on load and on moves, recomputed host by host in Python's integers."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from optimizer.problem.atoms import Hinge
    from optimizer.problem.problem import Problem

__all__ = ["bound_by_prices"]

THOUSANDTHS = 1000

BEYOND = 2**62
"""No load comes near it."""


def bound_by_prices(problem: Problem, prices: list[int]) -> int | None:
    """Return what the prices prove, in thousandths: one for each amount that hinges are about, a departure, an arrival.

    Any prices prove something, as long as no move is paid for; None where there are not as many as there should be. A
    proof without the price of an arrival (as plans had at first) takes it to be 0.
    """
    groups = _groups(problem)
    prices = [*prices, 0] if len(prices) == len(groups) + 1 else prices
    if len(prices) != len(groups) + 2 or min(prices[-2:]) < 0:
        return None
    departure, arrival = prices[-2:]
    there = _movable_by_host(problem)
    ladders = [_Ladder(problem, hinges, price) for hinges, price in zip(groups, prices, strict=False)]
    total = sum(_least(ladders, h, there[h], departure, arrival) for h in range(problem.hosts))
    for hinges, price in zip(groups, prices, strict=False):
        total += price * sum(int(a) for a, h in zip(hinges[0].amount, problem.start, strict=True) if h != ABSENT)
    return -(-(total - (departure + arrival) * _most(problem)) // THOUSANDTHS)


def _groups(problem: Problem) -> list[list[Hinge]]:
    groups: dict[bytes, list[Hinge]] = defaultdict(list)
    for atom in problem.demands.hinges.values():
        groups[atom.amount.tobytes()].append(atom)
    return list(groups.values())


def _most(problem: Problem) -> int:
    """Return how many VMs may leave their hosts, by limits on all moves."""
    most = sum(1 for vm in range(problem.vms) if problem.movable[vm])
    for flow in problem.flows:
        everywhere = flow.vms is None and flow.sources is None and flow.targets is None
        cheapest = min(flow.cost.tolist(), default=0)
        if everywhere and cheapest > 0:
            most = min(most, flow.limit // cheapest)
    return most


def _movable_by_host(problem: Problem) -> list[list[int]]:
    there: list[list[int]] = [[] for _ in range(problem.hosts)]
    for vm, host in enumerate(problem.start.tolist()):
        if host != ABSENT and problem.movable[vm]:
            there[host].append(vm)
    return there


class _Ladder:
    """The levels of hinges over one amount, and what load costs less its price."""

    def __init__(self, problem: Problem, hinges: list[Hinge], price: int) -> None:
        self.price = price
        self.amount: list[int] = hinges[0].amount.tolist()
        self.offsets: list[tuple[list[int], int]] = [(h.offset.tolist(), h.weight) for h in hinges]
        self.load, self.most = [0] * problem.hosts, [0] * problem.hosts
        self.largest = max([self.amount[v] for v in range(problem.vms) if problem.movable[v]], default=0)
        for vm, host in enumerate(problem.start.tolist()):
            if host != ABSENT:
                self.load[host] += self.amount[vm]
        self._limit(problem, hinges[0])

    def _limit(self, problem: Problem, hinge: Hinge) -> None:
        """Find the most that each host may carry: no more than it has where no VM may come."""
        total = max([sum(self.load), *self.load])
        _, rows = problem.enter_class
        receives = set(np.flatnonzero(rows.any(axis=0)).tolist())
        self.most = [total if h in receives else self.load[h] for h in range(problem.hosts)]
        for number, atom in problem.demands.sums.items():
            same = atom.level == 0 and (atom.amount == hinge.amount).all()
            if not same or atom.asked.hardness is Hardness.SHOULD:
                continue
            at_start = problem.start_loads[number].tolist()
            for h, limit in enumerate(atom.limit.tolist()):
                if limit < UNLIMITED:
                    self.most[h] = min(self.most[h], max(limit, at_start[h]) - int(atom.base[h]))
        self.most = [max(m, load) for m, load in zip(self.most, self.load, strict=True)]

    def best(self, host: int) -> int:
        """Return the load at which one more costs more than its price."""
        steps = sorted((-offset[host], weight) for offset, weight in self.offsets)
        slope = 0
        if self.price <= 0:
            return -BEYOND
        for level, weight in steps:
            slope += weight
            if THOUSANDTHS * slope >= self.price:
                return level
        return self.most[host]

    def cost(self, host: int, load: int) -> int:
        """Return THOUSANDTHS x the cost of a load, less its price."""
        over = sum(weight * max(0, load + offset[host]) for offset, weight in self.offsets)
        return THOUSANDTHS * over - self.price * load


def _least(ladders: list[_Ladder], host: int, vms: list[int], departure: int, arrival: int) -> int:
    """Return the least that a host comes to, over the number of its VMs that leave and of others that come."""
    best = [ladder.best(host) for ladder in ladders]
    sizes = [sorted((ladder.amount[v] for v in vms), reverse=True) for ladder in ladders]
    left = [ladder.load[host] for ladder in ladders]
    least: int | None = None
    for k in range(len(vms) + 1):
        value = departure * k + _coming(ladders, host, best, left, arrival)
        least = value if least is None else min(least, value)
        if k == len(vms) or all(lowest <= want for want, lowest in zip(best, left, strict=True)):
            break
        left = [lowest - size[k] for lowest, size in zip(left, sizes, strict=True)]
    assert least is not None
    return least


def _coming(ladders: list[_Ladder], host: int, best: list[int], left: list[int], arrival: int) -> int:
    """Return the least cost of the host's loads and of the VMs that come, none of which is larger than the largest."""
    least: int | None = None
    j = 0
    while True:
        value, enough = arrival * j, True
        for ladder, want, lowest in zip(ladders, best, left, strict=True):
            highest = min(ladder.load[host] + j * ladder.largest, ladder.most[host])
            value += ladder.cost(host, min(max(want, lowest), highest))
            enough = enough and (want <= highest or highest == ladder.most[host] or not ladder.largest)
        least = value if least is None else min(least, value)
        if enough:
            return least
        j += 1
