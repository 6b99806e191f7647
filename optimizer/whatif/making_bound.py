"""How many units more fit after K moves at most, whatever is moved where: no candidates, no search.

Kind by kind: what K departures free on each host, the largest of each resource, wherever they go; what the fleet has
left in all, which moves do not change; and `optimizer.whatif.moving_bound`. A mix has no more units than any of its
kinds alone, or any two of them weighted against each other, host by host. Groups of replicas take no more of a domain
than each of them may.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.rule import Hardness
from optimizer.whatif.moving_bound import Rooms, most_by_weights
from optimizer.whatif.sums import LARGEST_GAIN, Sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem
    from optimizer.whatif.room import Kind
    from optimizer.whatif.unit import Unit

__all__ = ["Bound"]

LARGEST_TABLE = 20_000_000

MANY = 2_000
"""VMs of a kind on one host, above which a second kind is counted beside them as if there were none of them."""

WEIGHTS = ((1, 8), (1, 4), (1, 2), (1, 1), (2, 1), (4, 1), (8, 1))
"""Of two kinds of a mix, beside what a unit has of each."""


class Bound:
    """How many units fit at most after K departures, wherever those go."""

    def __init__(self, problem: Problem, unit: Unit) -> None:
        self.problem, self.unit, self.sums = problem, unit, Sums(problem, unit.kinds)
        self.open = np.array([self._open(kind) for kind in unit.kinds], np.bool_)

    def _open(self, kind: Kind) -> NDArray[np.bool_]:
        open_ = self.problem.may_enter(int(kind.vms[0])).copy()
        for leave in self.problem.demands.leaves.values():
            if kind.vms[0] in leave.vms and leave.asked.hardness is not Hardness.SHOULD:
                open_ &= ~leave.hosts
        return open_

    def most(self, moves: int) -> list[int]:
        """Return the bound for 0, 1, ... `moves` moves."""
        best = np.full(moves + 1, min(self._in_all(), self.unit.wanted), np.int64)
        for k, n in enumerate(self.unit.each):
            best = np.minimum(best, self._of_kind(k, moves) // n)
        kinds = range(len(self.unit.kinds))
        for one, other in ((i, k) for i in kinds for k in kinds if i < k):
            best = np.minimum(best, self._of_two(one, other, moves))
        if self.unit.spread is not None:
            best = self._spread(best, moves)
        return [int(n) for n in best]

    def _in_all(self) -> int:
        """Return what the whole fleet has left of the scarcest resource, in units: moving changes no sum."""
        unit = np.array(self.unit.each, np.int64) @ self.sums.takes
        return min(
            (int(sum(int(n) for n in self.sums.left[r]) // int(unit[r])) for r in np.flatnonzero(unit).tolist()),
            default=LARGEST_GAIN,
        )

    # -- one kind --------------------------------------------------------------------------------------------------

    def _of_kind(self, k: int, moves: int) -> NDArray[np.int64]:
        """Return int64 [moves + 1]: how many of a kind fit."""
        best = _spent((self._after(k, h, moves) for h in np.flatnonzero(self.open[k]).tolist()), moves)
        by_weights = most_by_weights(self._rooms(k), moves)
        return best if by_weights is None else np.minimum(best, by_weights)

    def _after(self, k: int, host: int, moves: int) -> NDArray[np.int64]:
        """Return int64 [moves + 1]: how many of a kind fit on a host that 0, 1, ... VMs have left."""
        return self.sums.count(self._left_after(host, moves), k)

    def _left_after(self, host: int, moves: int) -> NDArray[np.int64]:
        """Return int64 [R, moves + 1]: what is left where 0, 1, ... VMs have left, the largest of each resource."""
        here = self._here[host]
        freed = -np.sort(-self.sums.amount[:, here], axis=1)[:, :moves]
        most = np.zeros((len(freed), moves + 1), np.int64)
        most[:, 1 : freed.shape[1] + 1] = np.cumsum(freed, axis=1)
        most[:, freed.shape[1] + 1 :] = most[:, [freed.shape[1]]]
        return self.sums.left[:, [host]] + most

    @cached_property
    def _here(self) -> list[NDArray[np.int64]]:
        """The VMs of each host that may move."""
        vms = np.flatnonzero(self.problem.movable & (self.problem.start != ABSENT))
        order = vms[np.argsort(self.problem.start[vms], kind="stable")]
        return np.split(order, np.searchsorted(self.problem.start[order], np.arange(1, self.problem.hosts)))

    def _rooms(self, k: int) -> Rooms:
        """Return what new VMs find, and what VMs that may move free and take, in units of one new VM."""
        sums, problem, open_ = self.sums, self.problem, self.open[k]
        vms = np.flatnonzero(problem.movable & (problem.start != ABSENT))
        at = problem.start[vms].astype(np.int64)
        limiting = sums.limiting[k]
        takes = sums.takes[k, limiting][:, None]
        left, freed = sums.left[:, at], sums.amount[:, vms]  # who is over a limit may be filled up to what it had
        return Rooms(
            sums.left[limiting] / takes,
            np.where(open_, sums.count(sums.left, k), 0),
            open_,
            freed[limiting] / takes,
            freed[limiting] / takes,
            np.where(open_[at], sums.count(left + freed, k) - sums.count(left, k), 0),
            at,
            self._fits(vms),
        )

    def _fits(self, vms: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Return bool [n, H]: where there is room for each VM by sums alone; None where that is too much to look at."""
        if len(vms) * self.problem.hosts > LARGEST_TABLE:
            return None
        fits = np.ones((len(vms), self.problem.hosts), np.bool_)
        for amount, left in zip(self.sums.amount, self.sums.left, strict=True):
            fits &= (amount[vms][:, None] <= left[None, :]) | (amount[vms] == 0)[:, None]
        fits[np.arange(len(vms)), self.problem.start[vms]] = False
        return fits

    # -- mixes -----------------------------------------------------------------------------------------------------

    def _of_two(self, one: int, other: int, moves: int) -> NDArray[np.int64]:
        """Return int64 [moves + 1]: how many units fit by what two kinds, weighted, come to host by host."""
        each = self.unit.each
        weights = np.array([(a * each[other], b * each[one]) for a, b in WEIGHTS], np.int64)
        hosts = np.flatnonzero(self.open[one] | self.open[other]).tolist()
        best = _spent((self._two_after(one, other, h, moves, weights) for h in hosts), moves, len(weights))
        unit = weights @ np.array([each[one], each[other]], np.int64)
        return np.asarray((best // unit[:, None]).min(axis=0), np.int64)

    def _two_after(self, one: int, other: int, host: int, moves: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return int64 [weights, moves + 1]: the most that VMs of two kinds on a host come to, weighted."""
        left = self._left_after(host, moves)
        most = np.minimum(self.sums.count(left, one), self.unit.kinds[one].wanted) * self.open[one, host]
        if most[-1] > MANY:
            beside = np.minimum(self.sums.count(left, other), self.unit.kinds[other].wanted) * self.open[other, host]
            return np.asarray(weights[:, [0]] * most + weights[:, [1]] * beside, np.int64)
        numbers = np.arange(int(most[-1]) + 1)
        taken = left[:, :, None] - self.sums.takes[one][:, None, None] * numbers
        beside = np.minimum(self.sums.count(np.maximum(taken, 0), other), self.unit.kinds[other].wanted)
        both = weights[:, 0, None, None] * numbers + weights[:, 1, None, None] * beside * self.open[other, host]
        both[:, numbers > most[:, None]] = 0
        return np.asarray(both.max(axis=2), np.int64)

    # -- groups of replicas ----------------------------------------------------------------------------------------

    def _spread(self, most: NDArray[np.int64], moves: int) -> NDArray[np.int64]:
        """Return int64 [moves + 1]: `most` groups, or as many as domains take, each no more of a group than it may."""
        assert self.unit.spread is not None
        domain, at_most = self.unit.spread
        domains = [
            _spent((self._after(0, h, moves) for h in np.flatnonzero((domain == d) & self.open[0]).tolist()), moves)
            for d in range(int(domain.max()) + 1)
        ]
        taken: dict[int, NDArray[np.int64]] = {}

        def fit(spent: int, groups: int) -> bool:
            if groups not in taken:
                taken[groups] = _spent((np.minimum(d, at_most * groups) for d in domains), moves)
            return bool(taken[groups][spent] >= groups * self.unit.each[0])

        return np.array([_last(partial(fit, spent), int(most[spent])) for spent in range(moves + 1)], np.int64)


def _last(holds: Callable[[int], bool], most: int) -> int:
    """Return the largest number up to `most` for which something holds that holds for all smaller ones, and for 0."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _spent(parts: Iterable[NDArray[np.int64]], moves: int, rows: int | None = None) -> NDArray[np.int64]:
    """Return the most that 0, 1, ... moves come to, spent on parts of which each says what it comes to with as many.

    Parameters
    ----------
    rows
        Of each part, int64 [rows, moves + 1], for as many questions at once; None: of one, int64 [moves + 1].
    """
    best = np.zeros(moves + 1 if rows is None else (rows, moves + 1), np.int64)
    for part in parts:
        if (part[..., -1] == part[..., 0]).all():
            best = best + part[..., :1]
            continue
        spent = best + part[..., :1]
        for here in range(1, moves + 1):
            spent[..., here:] = np.maximum(spent[..., here:], best[..., : moves + 1 - here] + part[..., here, None])
        best = spent
    return best
