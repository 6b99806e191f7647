"""What every host makes of prices for receiving VMs: it lets some of its own go, and takes others where it has room.

Let each VM v that leaves its host be paid for where it arrives: price p_v >= 0 to the host that takes it, and as much
to be paid by the host that it leaves, beside 1 for its move. However VMs are exchanged, what is paid is what is
received; so no plan has fewer moves than the sum, over all hosts, of the least that each for itself can come to:

    the moves of those who leave, and their prices, less the prices of those who come.

Who comes is a knapsack problem (two resources, sizes rounded down to steps), who leaves is looked at set by set. Where
limits that should hold are not kept, what a host is over is paid for too: the fleet as a whole may be over by what a
plan leaves, so that much is taken off. Any prices give a bound (Lagrange); that it can tell many small rooms from a
large one is what the eviction relaxation lacks. Prices are in millionths of a move.

Dantzig and Wolfe, "Decomposition principle for linear programs", Operations Research 8 (1960).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.room_axis import FAR
from optimizer.bounds.room_worth import RoomWorth
from optimizer.fleet import ABSENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.bounds.room_axis import Axis
    from optimizer.problem.problem import Problem

    Ints = NDArray[np.int64]

__all__ = ["MOVE", "HostsExchange", "Outcome", "choices"]

MOVE = 1_000_000
"""Millionths of a move."""

TOGETHER = 3
"""Of sets of VMs that leave a host together, the largest that are looked at one by one."""

SETS = 5_000
"""Sets of one size on a host: where there are more, sets of that size are not told apart."""

KINDS = 12
"""Kinds of hosts by what exceeding costs, at most."""

CELLS = 4_000_000
"""Of the tables of rooms of all kinds of hosts together, at most."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What prices come to.

    Attributes
    ----------
    value
        The sum over hosts, in millionths of a move, without what harm may be left.
    balance
        int64 [sizes]: how many VMs of each size leave, less those that come.
    harm
        By how many thousandths limits that should hold are exceeded.
    """

    value: int
    balance: Ints
    harm: float


class HostsExchange:
    """The hosts of one problem, and what they can do.

    Parameters
    ----------
    least
        int64 [H]: how many VMs have to leave each host at least, for whatever reason.
    """

    def __init__(self, problem: Problem, axes: tuple[Axis, Axis], least: Ints) -> None:
        self.problem, self.axes, self.least = problem, axes, least
        vms = np.flatnonzero(problem.movable & (problem.start != ABSENT))
        self.order = vms[np.argsort(problem.start[vms], kind="stable")]
        self.host = problem.start[self.order].astype(np.int64)
        self.first = np.searchsorted(self.host, np.arange(problem.hosts + 1))
        self.number = np.diff(self.first)
        self._sets()
        self._sizes()
        self._limits()

    # -- who leaves ------------------------------------------------------------------------------------------------

    def _sets(self) -> None:
        """List sets of VMs that may leave together, host by host: up to `TOGETHER`, as long as they are few."""
        owner, members = [], []
        subsets: dict[tuple[int, int], Ints] = {}  # many hosts have as many VMs
        self.told = np.zeros(self.problem.hosts, np.int64)
        for h in range(self.problem.hosts):
            n, at = int(self.number[h]), int(self.first[h])
            for k in range(min(TOGETHER, n) + 1):
                if comb(n, k) > SETS:
                    break
                self.told[h] = k
                if k >= self.least[h]:
                    if (n, k) not in subsets:
                        subsets[n, k] = choices(n, k)
                    found = subsets[n, k] + at
                    members.append(np.pad(found, ((0, 0), (0, TOGETHER - k)), constant_values=-1))
                    owner.append(np.full(len(found), h, np.int64))
        self.set_host = np.concatenate(owner) if owner else np.zeros(0, np.int64)
        self.set_vms = np.concatenate(members) if members else np.zeros((0, TOGETHER), np.int64)
        padded = [np.append(axis.amount[self.order], 0) for axis in self.axes]
        self.set_frees = [amount[self.set_vms].sum(axis=1) for amount in padded]
        self.nobody = np.flatnonzero((self.set_vms < 0).all(axis=1))
        self._numbers()

    def _numbers(self) -> None:
        """List how many may leave each host, whoever they are: they free no more than as many of the largest do."""
        rank = np.arange(1, len(self.order) + 1) - self.first[self.host]
        self.many_at = np.flatnonzero(rank >= self.least[self.host])
        self.many_host, self.many_count = self.host[self.many_at], rank[self.many_at]
        self.many_frees = [
            -_running(-axis.amount[self.order], self.host, self.first)[self.many_at] for axis in self.axes
        ]
        self.untold = self.many_count > self.told[self.many_host]

    # -- who comes -------------------------------------------------------------------------------------------------

    def _sizes(self) -> None:
        """Tell VMs apart by how large they are, in steps; the first VM of each size stands for it."""
        cell = self._in_steps()
        self.size, first, self.size_of, self.copies = np.unique(
            cell, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
        self.size_of = self.size_of.reshape(-1)
        self.stands_for = self.order[first]

    def _in_steps(self) -> Ints:
        """Return int64 [n, 2]: how large each VM is."""
        return np.stack([axis.amount[self.order] // axis.step for axis in self.axes], axis=1)

    def _limits(self) -> None:
        """Find how large rooms can become, and the kinds of hosts by what exceeding costs."""
        frees = [
            np.bincount(self.host, axis.amount[self.order], self.problem.hosts).astype(np.int64) for axis in self.axes
        ]
        self.shape = tuple(
            int(max(0, ((axis.room + free) // axis.step).max())) + 1
            for axis, free in zip(self.axes, frees, strict=True)
        )
        keys = np.stack([np.where(axis.soft < FAR // 2, axis.unit, 0) for axis in self.axes], axis=1)
        self.kinds, self.kind = np.unique(keys, axis=0, return_inverse=True)
        self.kind = self.kind.reshape(-1)
        self.left = [np.minimum(axis.room, axis.soft) for axis in self.axes]

    @property
    def usable(self) -> bool:
        """Whether the tables are of a size that can be worked with."""
        cells = self.shape[0] * self.shape[1] * len(self.kinds)
        limited = all(axis.limited for axis in self.axes)
        return limited and len(self.kinds) <= KINDS and cells <= CELLS and len(self.order) > 0

    def countable(self, prices: Ints, of_harm: int) -> bool:
        """Whether all that hosts could come to at these prices is so little that it is added up exactly."""
        most = MOVE * len(self.order) + sum(p * n for p, n in zip(prices.tolist(), self.copies.tolist(), strict=True))
        for axis, cells, left, units in zip(self.axes, self.shape, self.left, self.kinds.T, strict=True):
            if units.any():
                slope = of_harm * axis.harm // int(units[units > 0].min())
                most += slope * (cells * axis.step + int(np.abs(left).max()))
        return bool(most * self.problem.hosts <= FAR)

    # -- what prices come to -----------------------------------------------------------------------------------------

    def at(self, prices: Ints, of_harm: int) -> Outcome:
        """Return what hosts come to.

        Parameters
        ----------
        prices
            int64 [sizes], in millionths of a move.
        of_harm
            The price of a thousandth of harm; not looked at where no harm is left.
        """
        prices = np.where(self.size.any(axis=1), prices, 0)  # who takes no room is paid for nowhere
        worth, passes = self._filled(prices)
        looks = [RoomWorth(worth, self.axes, key, of_harm) for key in self.kinds.tolist()]
        of_vm = np.append(MOVE + prices[self.size_of], 0)
        many = self._many(looks, of_vm)
        few = self._few(looks, of_vm, many)
        many[~self.untold] = FAR
        return self._outcome(few, many, looks, passes, of_vm)

    def _many(self, looks: list[RoomWorth], of_vm: Ints) -> Ints:
        """Return what each number of VMs that leave comes to at least."""
        least = _running(of_vm[:-1], self.host, self.first)
        return np.asarray(least[self.many_at] - self._worth(looks, self.many_host, self.many_frees), np.int64)

    def _few(self, looks: list[RoomWorth], of_vm: Ints, many: Ints) -> Ints:
        """Return what each set comes to, `FAR` where its host does better, or as well, when nobody leaves."""
        few = np.full(len(self.set_host), FAR, np.int64)
        idle = np.full(self.problem.hosts, FAR, np.int64)
        stay = self.set_host[self.nobody]
        few[self.nobody] = idle[stay] = -self._worth(looks, stay, [np.zeros(len(stay), np.int64)] * 2)
        better = np.full(self.problem.hosts, FAR, np.int64)
        np.minimum.at(better, self.many_host, many)
        tried = np.flatnonzero((better < idle)[self.set_host])
        frees = [free[tried] for free in self.set_frees]
        few[tried] = of_vm[self.set_vms[tried]].sum(axis=1) - self._worth(looks, self.set_host[tried], frees)
        return few

    def _worth(self, looks: list[RoomWorth], host: Ints, frees: list[Ints]) -> Ints:
        """Return what is paid at most for VMs that come to hosts, given what is freed there."""
        out = np.empty(len(host), np.int64)
        room = [left[host] + free for left, free in zip(self.left, frees, strict=True)]
        for number, look in enumerate(looks):
            mine = np.flatnonzero(self.kind[host] == number)
            out[mine] = look.worth(room[0][mine], room[1][mine])
        return out

    def _filled(self, prices: Ints) -> tuple[Ints, list[tuple[int, int, NDArray[np.bool_]]]]:
        """Return the most that VMs bring which fit into each room, in steps; and for the way back, what was taken."""
        worth = np.zeros(self.shape, np.int64)
        passes = []
        for s in np.flatnonzero(prices > 0).tolist():
            a, b = self.size[s].tolist()
            fits = [n // x if x else FAR for n, x in zip((self.shape[0] - 1, self.shape[1] - 1), (a, b), strict=True)]
            left, times = min(int(self.copies[s]), *fits), 1
            while left > 0:  # 1, 2, 4, ... of them together make up any number
                times = min(times, left)
                i, j = times * a, times * b
                target = worth[i:, j:]
                more = worth[: self.shape[0] - i, : self.shape[1] - j] + times * int(prices[s])
                taken = np.zeros(self.shape, np.bool_)
                taken[i:, j:] = more > target
                np.maximum(target, more, out=target)
                passes.append((s, times, taken))
                left, times = left - times, 2 * times
        return worth, passes

    def _outcome(
        self,
        few: Ints,
        many: Ints,
        looks: list[RoomWorth],
        passes: list[tuple[int, int, NDArray[np.bool_]]],
        of_vm: Ints,
    ) -> Outcome:
        hosts = self.problem.hosts
        best = np.full(hosts, FAR, np.int64)
        np.minimum.at(best, self.set_host, few)
        np.minimum.at(best, self.many_host, many)
        chosen = [np.full(hosts, -1, np.int64), np.full(hosts, -1, np.int64)]
        for which, (owner, value) in enumerate(((self.set_host, few), (self.many_host, many))):
            hit = np.flatnonzero(value == best[owner])[::-1]
            chosen[which][owner[hit]] = hit
        gone, room = self._gone(chosen, of_vm)
        balance = np.bincount(self.size_of[gone], minlength=len(self.size)).astype(np.int64)
        coming, harm = self._came(room, looks, passes)
        for s, times, taken in coming:
            balance[s] -= times * int(taken.sum())
        return Outcome(int(best.sum()), balance, harm)

    def _gone(self, chosen: list[Ints], of_vm: Ints) -> tuple[Ints, list[Ints]]:
        """Return who leaves (positions in `order`), and what room each host has then."""
        sets = chosen[0][chosen[0] >= 0]
        vms = self.set_vms[sets]
        gone = [vms[vms >= 0]]
        room = [left.copy() for left in self.left]
        for axis in range(2):
            room[axis][self.set_host[sets]] += self.set_frees[axis][sets]
        for h in np.flatnonzero((chosen[0] < 0) & (chosen[1] >= 0)).tolist():
            many = int(chosen[1][h])
            here = np.arange(self.first[h], self.first[h + 1])
            gone.append(here[np.argsort(of_vm[here], kind="stable")[: self.many_count[many]]])
            for axis in range(2):
                room[axis][h] += self.many_frees[axis][many]
        return np.concatenate(gone), room

    def _came(
        self, room: list[Ints], looks: list[RoomWorth], passes: list[tuple[int, int, NDArray[np.bool_]]]
    ) -> tuple[list[tuple[int, int, NDArray[np.bool_]]], float]:
        """Return who comes to which hosts, and what harm is left."""
        cell = [np.zeros(self.problem.hosts, np.int64) for _ in range(2)]
        harm = 0.0
        for number, look in enumerate(looks):
            mine = np.flatnonzero(self.kind == number)
            at, over = look.cell(room[0][mine], room[1][mine])
            for axis in range(2):
                cell[axis][mine] = at[axis]
                unit = self.kinds[number][axis]
                harm += float(over[axis].sum()) * self.axes[axis].harm / unit if unit else 0.0
        coming = []
        i, j = cell
        for s, times, taken in reversed(passes):
            hit = taken[i, j]
            coming.append((s, times, hit))
            i = i - hit * times * int(self.size[s, 0])
            j = j - hit * times * int(self.size[s, 1])
        return coming, harm


def choices(n: int, k: int) -> Ints:
    """Return int64 [sets, k]: every set of `k` of `n`."""
    return np.array(list(combinations(range(n), k)), np.int64).reshape(comb(n, k), k)


def _running(value: Ints, host: Ints, first: Ints) -> Ints:
    """Return int64 [n]: at position i of each host, the sum of its i + 1 smallest values."""
    ranked = value[np.lexsort((value, host))]
    total = np.cumsum(ranked)
    before = np.concatenate([[0], total])[first[:-1]]
    return np.asarray(total - before[host], np.int64)
