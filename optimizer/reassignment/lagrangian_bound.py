"""Prices on the hosts' levels: the Lagrangean relaxation of a cost problem, which splits it into VMs.

Every row of `cost_arrays` is a level y of a host, a sum over the VMs there plus an offset. A capacity says y <= 0, so
that price x y <= 0 for any price >= 0; a hinge costs weight x max(0, y) >= price x y for any price from 0 to its
weight. So for any prices and any placement that makes nothing worse

    cost >= sum over hosts of price . offset + sum over VMs of (price of its place . its amounts + its moving there)

and the right side, as small as each VM for itself can make it, is a bound. `ascend` looks for good prices in floating
point; what they prove is computed by `Priced` from whole numbers alone, so that no rounding can make it untrue. The
most that any prices can prove is the optimum of the linear relaxation (A. M. Geoffrion, "Lagrangean relaxation for
integer programming", Mathematical Programming Study 2, 1974).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.parameters import Prices
    from optimizer.reassignment.cost_arrays import CostArrays, SearchState

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["FAR", "Priced", "Rows", "ascend", "least_work", "total"]

UNIT = 2**12
"""Parts of one unit of price: prices are whole numbers of these."""

FAR = 2**60
"""More than any cost of a VM's place: a host that it cannot be on."""

WORK_PER_TERM = 3e-10
"""Seconds of one core for an amount times a price, so that work can stand for time."""

ONE_CORE = 100_000
"""Multiplications up to which BLAS keeps to one thread; more of them spin beside the search and gain nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A cost problem without what couples VMs other than by levels; V VMs, H hosts, R rows, the first C capacities.

    Attributes
    ----------
    amount, at_home
        int64 [V, R]: what a VM adds to a level of a host that it comes to, and of its home while it is there.
    offset
        int64 [H, R]: the levels with no VM on any host; what counts at home in any case is in it.
    weight
        int64 [R]: of the hinges; 0 for capacities.
    capacities
        C.
    home
        int64 [V].
    move
        int64 [V, H]: cost of moving there; 0 at home, `FAR` where the VM alone is more than a capacity lets in.
    """

    amount: Ints
    at_home: Ints
    offset: Ints
    weight: Ints
    capacities: int
    home: Ints
    move: Ints

    @classmethod
    def of(cls, fixed: CostArrays, start: SearchState) -> Rows:
        """Read the arrays of a problem at its start."""
        capacities, home = len(fixed.union), fixed.vm[:, 0]
        rows = np.flatnonzero((np.arange(start.weight.shape[1]) < capacities) | (start.weight[0] > 0))
        amount, at_home = fixed.amount[::2, rows].astype(np.int64), fixed.amount[1::2, rows].astype(np.int64)
        offset = start.level[:, rows].astype(np.int64)
        np.subtract.at(offset, home, at_home)
        move = fixed.vm[:, 2, None] + fixed.route[home]
        for c in range(capacities):
            if (amount[:, c] >= 0).all():
                move[amount[:, c, None] + offset[None, :, c] > 0] = FAR
        move[np.arange(len(home)), home] = 0
        weight = start.weight[0, rows].astype(np.int64)
        weight[:capacities] = 0
        return cls(amount, at_home, offset, weight, capacities, home, move)

    @property
    def ceiling(self) -> Floats:
        """float64 [R]: the highest price of each row."""
        return np.where(np.arange(len(self.weight)) < self.capacities, np.inf, self.weight)

    @property
    def aggregate(self) -> Floats:
        """float64 [H, R]: the prices that give each hinge as if all hosts were one."""
        tight = self.offset.sum(axis=0) + self.amount.sum(axis=0) > 0
        return np.tile(np.where(tight, self.weight, 0).astype(np.float64), (len(self.offset), 1))


@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """What given prices prove, in whole numbers.

    Attributes
    ----------
    stays, leaves
        int64 [V]: cost of a VM at home, and on the cheapest other host (`FAR` or more where there is none), rounded
        down.
    hosts
        int64 [H]: price . offset, rounded up (what it bounds is a whole number).
    """

    stays: Ints
    leaves: Ints
    hosts: Ints

    @classmethod
    def at(cls, rows: Rows, prices: Floats) -> Priced | None:
        """Return what `prices` (float64 [H, R], in units) prove; None where whole numbers would not fit 64 bits."""
        parts = np.rint(np.clip(prices, 0, rows.ceiling) * UNIT)
        largest = max(float(np.abs(x).max(initial=0)) for x in (rows.amount, rows.at_home, rows.offset))
        if largest * float(parts.max(initial=0)) * max(1, parts.shape[1]) >= FAR / 4:
            return None
        price = parts.astype(np.int64)
        leaves = np.full(len(rows.home), FAR, np.int64)
        for host in range(len(price)):
            there = rows.amount @ price[host] // UNIT + rows.move[:, host]
            there[rows.home == host] = FAR
            np.minimum(leaves, there, out=leaves)
        stays = (rows.at_home * price[rows.home]).sum(axis=1) // UNIT
        return cls(stays, leaves, -(-(rows.offset * price).sum(axis=1) // UNIT))

    def value(self) -> int:
        """Return the bound."""
        return total(np.minimum(self.stays, self.leaves)) + total(self.hosts)


def least_work(fixed: CostArrays, start: SearchState, given: Prices) -> float:
    """Return the work of an ascent that gets somewhere: as many steps as its patience."""
    return given.patience * _step_work(len(fixed.vm) * len(start.head), start.weight.shape[1])


def _step_work(pairs: int, rows: int) -> float:
    """Return the work of one step; comparing and adding up count as a few rows more."""
    return WORK_PER_TERM * pairs * (rows + 4)


def total(parts: Ints) -> int:
    """Return their sum, without regard to 64 bits."""
    return int(sum(parts.tolist()))


def ascend(rows: Rows, deadline: Deadline, given: Prices) -> Floats:
    """Return prices, float64 [H, R], whose bound is high; those of the aggregate where none are better.

    Subgradient steps, each coordinate scaled by its own history (D. P. Kingma, J. Ba, "Adam: a method for stochastic
    optimization", 2015): levels of different resources differ by orders of magnitude.
    """
    best, work = rows.aggregate, _step_work(rows.move.size, len(rows.weight))
    if not rows.move.size or deadline.over():
        return best
    ascent = _Ascent(rows, given)
    value = last = ascent.step(0)
    for step in range(1, given.steps):
        reached = ascent.prices.copy()
        now = ascent.step(step)
        if now > value:
            value, best = now, reached
        deadline.spend(work)
        if step % given.patience == 0:
            if value <= last + given.least_gain * abs(last):
                break
            last = value
        if deadline.over():
            break
    return best


def _product(left: Floats, right: Floats) -> Floats:
    """Return left @ right, by blocks of rows."""
    rows = max(1, ONE_CORE // max(1, right.size))
    out = np.empty((left.shape[0], right.shape[1]))
    for first in range(0, len(left), rows):
        np.matmul(left[first : first + rows], right, out=out[first : first + rows])
    return out


class _Ascent:
    """Prices on their way up; `step` says what they prove, roughly, and improves them."""

    def __init__(self, rows: Rows, given: Prices) -> None:
        self.rows, self.prices, self.given = rows, rows.aggregate, given
        self.amount, self.at_home = rows.amount.astype(np.float64), rows.at_home.astype(np.float64)
        self.offset, self.move = rows.offset.astype(np.float64), rows.move.astype(np.float64)
        self.scale = np.maximum(1.0, np.abs(self.amount).sum(axis=0) / len(self.offset))
        self.reach = given.first_step * float(rows.weight.max(initial=1))
        self.mean, self.square = np.zeros_like(self.prices), np.zeros_like(self.prices)

    def step(self, number: int) -> float:
        value, levels = self._levels()
        slope = levels / self.scale
        self.mean += 0.1 * (slope - self.mean)
        self.square += 0.01 * (slope * slope - self.square)
        mean, square = self.mean / (1 - 0.9 ** (number + 1)), self.square / (1 - 0.99 ** (number + 1))
        length = self.reach / (1 + number / self.given.halved_after)
        self.prices = np.clip(self.prices + length * mean / (np.sqrt(square) + 1e-3), 0, self.rows.ceiling)
        return value

    def _levels(self) -> tuple[float, Floats]:
        """Return the bound at these prices, and the levels where each VM is where it costs least."""
        rows, vms = self.rows, np.arange(len(self.move))
        cost = _product(self.amount, self.prices.T) + self.move
        cost[vms, rows.home] = (self.at_home * self.prices[rows.home]).sum(axis=1)
        at = cost.argmin(axis=1)
        levels = self.offset.copy()
        np.add.at(levels, at, np.where((at == rows.home)[:, None], self.at_home, self.amount))
        return float(cost[vms, at].sum() + (self.prices * self.offset).sum()), levels
