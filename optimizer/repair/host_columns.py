"""Columns: what one host can do, as who leaves it and which sizes come; the best of each host at given prices.

The bound by prices (`hosts_exchange`) asks what a host could do at best, and may be too kind. A column can be done as
far as two resources say: sizes that come are rounded up, and what leaves frees what it frees. It may not be the best:
of sets of VMs that leave only the small ones are tried, those that leave few behind, and those that begin with whatever
frees most for its price.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.bounds.hosts_exchange import MOVE, HostsExchange, choices
from optimizer.bounds.room_axis import FAR
from optimizer.bounds.room_worth import RoomWorth
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.bounds.eviction_relaxation import Row
    from optimizer.bounds.room_axis import Axis
    from optimizer.problem.problem import Problem

    Ints = NDArray[np.int64]

__all__ = ["Column", "HostColumns", "Priced"]

ALIKE = 6
"""Smaller and dearer VMs, because of which a size is not looked at."""

BEHIND = 2
"""VMs that stay, of sets in which nearly all leave, at most."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a host does.

    Attributes
    ----------
    leaving
        Positions in the order of `HostColumns`.
    coming
        Sizes, and how many of each.
    """

    host: int
    leaving: tuple[int, ...]
    coming: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Priced:
    """The best columns at some prices.

    Attributes
    ----------
    value
        What they come to, in moves: no more than a linear program over all columns, as far as none was overlooked.
    balance
        int64 [sizes]: how many of each leave, less those that come.
    """

    value: float
    balance: Ints
    columns: list[Column]


@dataclass(frozen=True, eq=False)
class _Sets:
    """Sets of VMs that leave: their hosts, what each costs, and frees on either axis; whether that is enough."""

    host: Ints
    cost: Ints
    frees: list[Ints]
    able: NDArray[np.bool_]


class Need(NamedTuple):
    """What has to leave a host, whatever comes: VMs (positions), what each counts, and how much that is at least."""

    host: int
    vms: Ints
    counts: Ints
    least: int


class HostColumns(HostsExchange):
    """The hosts of one problem, and what they can do.

    Parameters
    ----------
    rows
        What has to leave, as the eviction relaxation has it.
    harmful
        VMs that are too large for every host.
    """

    def __init__(
        self,
        problem: Problem,
        axes: tuple[Axis, Axis],
        least: Ints,
        rows: Iterable[Row],
        harmful: Iterable[int],
    ) -> None:
        super().__init__(problem, axes, least)
        self.position = np.full(problem.vms, -1, np.int64)
        self.position[self.order] = np.arange(len(self.order))
        self._needs = list(self._wanted(rows, harmful))
        self._frees = [axis.amount[self.order] for axis in axes]
        self._whole = [np.bincount(self.host, free, problem.hosts).astype(np.int64) for free in self._frees]
        self._staying()
        self._repairs = np.zeros(len(self.order))
        for need in self._needs:
            self._repairs[need.vms] += np.minimum(1.0, need.counts / max(1, need.least))
        self._able = [self._allowed(self.set_host, self.set_vms, leave=True)]
        self._able.append(self._allowed(self.stay_host, self.stay_vms, leave=False))

    def _in_steps(self) -> Ints:
        """Round up, but for who fits into the largest room alone, rounded down as that is."""
        out = []
        for axis in self.axes:
            amount = axis.amount[self.order]
            whole = np.bincount(self.host, amount, self.problem.hosts).astype(np.int64)
            largest = int((axis.room + whole).max()) // axis.step
            out.append(np.where(amount // axis.step == largest, largest, -(-amount // axis.step)))
        return np.stack(out, axis=1)

    def _staying(self) -> None:
        """List the sets of VMs that stay where nearly all others leave."""
        owner, members = [], []
        for h in range(self.problem.hosts):
            n, at = int(self.number[h]), int(self.first[h])
            for k in range(min(BEHIND, n) + 1):
                found = choices(n, k) + at
                members.append(np.pad(found, ((0, 0), (0, BEHIND - k)), constant_values=-1))
                owner.append(np.full(len(found), h, np.int64))
        self.stay_host, self.stay_vms = np.concatenate(owner), np.concatenate(members)
        padded = [np.append(free, 0) for free in self._frees]
        self._stay_frees = [
            whole[self.stay_host] - free[self.stay_vms].sum(axis=1)
            for whole, free in zip(self._whole, padded, strict=True)
        ]

    # -- what has to leave -------------------------------------------------------------------------------------------

    def _wanted(self, rows: Iterable[Row], harmful: Iterable[int]) -> Iterator[Need]:
        """Yield what repairs each row of one host, but for shoulds where a VM is that does harm wherever it is."""
        unsaid = {int(self.problem.start[vm]) for vm in harmful}
        for row in rows:
            if len(row.sides) != 1 or row.asked.price is not None or row.least_excess or not row.heals:
                continue
            side = row.sides[0]
            vms = self.position[side.vms]
            hosts = np.unique(self.problem.start[side.vms])
            kept = row.asked.hardness is Hardness.MUST or (len(hosts) == 1 and int(hosts[0]) not in unsaid)
            if len(hosts) == 1 and kept and (vms >= 0).all():
                yield Need(int(hosts[0]), vms, side.amounts.astype(np.int64), side.need)

    def _allowed(self, host: Ints, vms: Ints, *, leave: bool) -> NDArray[np.bool_]:
        """Return which sets of VMs, host by host, hold what has to leave, or leave enough of it behind."""
        able = np.ones(len(host), np.bool_)
        counts = np.zeros(len(self.order) + 1, np.int64)
        for need in self._needs:
            mine = slice(*np.searchsorted(host, [need.host, need.host + 1]))
            counts[need.vms] = need.counts
            inside = counts[vms[mine]].sum(axis=1)
            counts[need.vms] = 0
            able[mine] &= (inside if leave else int(need.counts.sum()) - inside) >= need.least
        return able

    def _prefixes_allowed(self, ranked: Ints) -> NDArray[np.bool_]:
        able = np.ones(len(ranked), np.bool_)
        counts = np.zeros(len(ranked), np.int64)
        for need in self._needs:
            mine = slice(self.first[need.host], self.first[need.host + 1])
            counts[need.vms] = need.counts
            able[mine] &= np.cumsum(counts[ranked[mine]]) >= need.least
            counts[need.vms] = 0
        return able

    def best(self, prices: NDArray[np.float64]) -> Priced:
        """Return the best columns at prices, in moves.

        Parameters
        ----------
        prices
            float64 [sizes], none below 0.
        """
        priced = np.where(self.size.any(axis=1), np.rint(MOVE * prices), 0).astype(np.int64)
        worth, passes = self._filled(self._worth_a_look(priced))
        looks = [RoomWorth(worth, self.axes, key, 0) for key in self.kinds.tolist()]
        of_vm = np.append(MOVE + priced[self.size_of], 0)
        few = np.where(self._able[0], self._few(looks, of_vm, self._many(looks, of_vm)), FAR)
        ways = [self._nearly_all(of_vm), *self._dearest_first(of_vm)]
        found = [
            few,
            *(np.where(w.able, w.cost - self._worth(looks, w.host, w.frees), FAR) for w in ways),
        ]
        owners = [self.set_host, *(way.host for way in ways)]
        least = np.full(self.problem.hosts, FAR, np.int64)
        for owner, value in zip(owners, found, strict=True):
            np.minimum.at(least, owner, value)
        leaving: list[Ints | None] = [None] * self.problem.hosts
        for number, (owner, value) in enumerate(zip(owners, found, strict=True)):
            for at in np.flatnonzero((value == least[owner]) & (least[owner] < FAR // 2)).tolist():
                if leaving[owner[at]] is None:
                    leaving[owner[at]] = self._leaving(number, at)
        return self._priced(least, leaving, looks, passes)

    def _worth_a_look(self, prices: Ints) -> Ints:
        """Return the prices of sizes of which there are not enough smaller and dearer ones; nothing for the others."""
        out = np.zeros_like(prices)
        priced = np.flatnonzero(prices > 0)
        size, price = self.size[priced], prices[priced]
        better = (size[:, None, 0] <= size[None, :, 0]) & (size[:, None, 1] <= size[None, :, 1])
        better &= price[:, None] >= price[None, :]
        np.fill_diagonal(better, val=False)
        better &= ~(better.T & (np.arange(len(priced))[:, None] > np.arange(len(priced))[None, :]))
        enough = self.copies[priced] @ better >= ALIKE
        out[priced[~enough]] = price[~enough]
        return out

    # -- who leaves ------------------------------------------------------------------------------------------------

    def _nearly_all(self, of_vm: Ints) -> _Sets:
        whole = np.bincount(self.host, of_vm[:-1], self.problem.hosts).astype(np.int64)
        cost = whole[self.stay_host] - of_vm[self.stay_vms].sum(axis=1)
        return _Sets(self.stay_host, cost, self._stay_frees, self._able[1])

    def _dearest_first(self, of_vm: Ints) -> list[_Sets]:
        """Return sets that begin with what frees most for its price: of either resource, and of both together."""
        share = [free / max(1.0, float(whole.mean())) for free, whole in zip(self._frees, self._whole, strict=True)]
        out, self._ranked = [], []
        plain = (*share, share[0] + share[1])
        for freed in (*plain, *(some + 2.0 * self._repairs for some in plain)):
            ranked = np.lexsort((of_vm[:-1] / (freed + 1e-9), self.host))
            before = [np.concatenate([[0], np.cumsum(of[ranked])]) for of in (of_vm[:-1], *self._frees)]
            total = [of[1:] - of[self.first[self.host]] for of in before]
            out.append(_Sets(self.host, total[0], total[1:], self._prefixes_allowed(ranked)))
            self._ranked.append(ranked)
        return out

    def _leaving(self, way: int, at: int) -> Ints:
        """Return who leaves: positions in the order."""
        if way == 0:
            vms = self.set_vms[at]
            return np.asarray(vms[vms >= 0])
        if way == 1:
            h = self.stay_host[at]
            return np.setdiff1d(np.arange(self.first[h], self.first[h + 1]), self.stay_vms[at])
        return np.sort(self._ranked[way - 2][self.first[self.host[at]] : at + 1])

    # -- who comes -------------------------------------------------------------------------------------------------

    def _priced(
        self,
        least: Ints,
        leaving: list[Ints | None],
        looks: list[RoomWorth],
        passes: list[tuple[int, int, NDArray[np.bool_]]],
    ) -> Priced:
        room = [left.copy() for left in self.left]
        for h, vms in enumerate(leaving):
            for axis in range(2):
                room[axis][h] += 0 if vms is None else int(self._frees[axis][vms].sum())
        coming: list[list[tuple[int, int]]] = [[] for _ in leaving]
        balance = np.zeros(len(self.size), np.int64)
        for s, times, taken in self._came(room, looks, passes)[0]:
            for h in np.flatnonzero(taken).tolist():
                if leaving[h] is not None:
                    coming[h].append((s, times))
                    balance[s] -= times
        columns = []
        for h, vms in enumerate(leaving):
            if vms is not None:
                np.add.at(balance, self.size_of[vms], 1)
                columns.append(Column(h, tuple(vms.tolist()), _together(coming[h])))
        return Priced(float(least[least < FAR // 2].sum()) / MOVE, balance, columns)


def _together(coming: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    number: dict[int, int] = {}
    for s, times in coming:
        number[s] = number.get(s, 0) + times
    return tuple(sorted(number.items()))
