"""The departures relaxation: every destination relaxed, what has to leave remains.

One row for each instance that is violated at the start (the table stands in docs/architecture.md). Rows that share a
VM which can leave form a component; components are independent, so their minima add up to a bound on the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.naming import unit_of
from optimizer.problem.rounding import harm
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import COMPANY, COUNT, GROUPS, OCCUPANCY, PAIR, SUM, TOGETHER, ByShape
from optimizer.problem.tally import LEFT, RIGHT, Tally
from optimizer.problem.working_placement import staying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Asked
    from optimizer.problem.problem import Problem
    from optimizer.problem.tally import LinearTally, SetTally

__all__ = ["Component", "EvictionRelaxation", "Row", "Side"]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Sum of amounts over those of `vms` (int64 [n]; only VMs that can leave) that leave >= need - excess."""

    vms: NDArray[np.int64]
    amounts: NDArray[np.int64]
    need: int


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One violated instance: one of its sides (two for Apart, one for all others) has to be met up to the excess.

    `repairs`: departures are all it takes; not so for AtLeast, Same and Needs, where it matters who arrives where.
    """

    asked: Asked
    sides: tuple[Side, ...]
    excess: int
    unit: int = 1
    heals: bool = True

    def harm(self, excess: int) -> int:
        """Return weight x ceil(1000 x excess / unit)."""
        return harm(excess, self.unit, self.asked.weight)

    @property
    def least_excess(self) -> int:
        """What is left of it if everything leaves that can."""
        return max(0, min(s.need - int(s.amounts.sum()) for s in self.sides))


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """Rows coupled by VMs: `vms` (int64 [n], ascending) are all that can leave among theirs."""

    rows: tuple[Row, ...]
    vms: NDArray[np.int64]

    def of(self, hardness: Hardness, *, priced: bool = False) -> list[Row]:
        """Rows of one hardness."""
        return [r for r in self.rows if r.asked.hardness is hardness and (r.asked.price is not None) == priced]


class EvictionRelaxation:
    """Rows and components of a problem at its start."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._fits_empty: dict[int, bool] = {}

    @cached_property
    def tally(self) -> Tally:
        """The sums at the start."""
        return Tally(self.problem)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """One row for each violated must and should."""
        counted = (Hardness.MUST, Hardness.SHOULD)
        rows = [
            self._row(tally, domain, excess)
            for tally, domain, excess in self.tally.excesses()
            if tally.atom.asked.hardness in counted
        ]
        rows.extend(self._leaves())
        return tuple(rows)

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """The rows, put together where they share a VM that can leave."""
        parent: dict[int, int] = {}

        def root(v: int) -> int:
            while parent.setdefault(v, v) != v:
                parent[v] = parent[parent[v]]
                v = parent[v]
            return v

        members = [_members(row) for row in self.rows]
        for vms in members:
            for v in vms[1:].tolist():
                parent[root(v)] = root(int(vms[0]))
        groups: dict[int, list[int]] = {}
        for i, vms in enumerate(members):
            groups.setdefault(root(int(vms[0])) if vms.size else -1 - i, []).append(i)
        return tuple(
            Component(tuple(self.rows[i] for i in group), _union([members[i] for i in group]))
            for group in groups.values()
        )

    # -- rows ----------------------------------------------------------------------------------------------------

    def _leaves(self) -> Iterator[Row]:
        for atom in self.problem.demands.leaves.values():
            if atom.asked.hardness is Hardness.GUARD:
                continue
            for vm in staying(self.problem, atom, self.problem.start):
                yield Row(atom.asked, (self._side([vm], None, 1),), 1)

    def _row(self, tally: LinearTally | SetTally, domain: int, excess: int) -> Row:
        atom = tally.atom
        sides = _SIDES[atom](self, tally, domain, excess)
        return Row(atom.asked, tuple(sides), excess, unit_of(atom, domain), heals=atom.shape.leaving_repairs)

    def _sum(self, tally: LinearTally, domain: int, excess: int) -> Iterator[Side]:
        amount, vms = tally.atom.amount, self._in_domain(tally.atom.level, domain)
        yield self._side(vms[amount[vms] > 0], amount, excess)

    def _count(self, tally: SetTally, domain: int, excess: int) -> Iterator[Side]:
        yield self._side(self._here(tally, LEFT, domain), None, excess)

    def _pair(self, tally: SetTally, domain: int, excess: int) -> Iterator[Side]:
        for side in (LEFT, RIGHT):
            yield self._side(self._here(tally, side, domain), None, tally.count[side][domain])

    def _whole(self, tally: SetTally, domain: int, excess: int) -> Iterator[Side]:
        yield self._side(tally.atom.sides[LEFT][tally.member], None, excess)

    def _company(self, tally: SetTally, domain: int, excess: int) -> Iterator[Side]:
        level, start = self.problem.domain[tally.atom.level], self.problem.start
        left, right = (side[tally.member].tolist() for side in tally.atom.sides)
        served = set(tally.count[RIGHT])
        amount: dict[int, int] = dict.fromkeys(right, excess)
        for v in left:
            if start[v] != ABSENT and int(level[start[v]]) not in served:
                amount.setdefault(v, 1)
        vms = np.array(sorted(amount), np.int64)
        dense = np.zeros(self.problem.vms, np.int64)
        dense[vms] = [amount[v] for v in vms.tolist()]
        yield self._side(vms, dense, excess)

    def _here(self, tally: SetTally, side: int, domain: int) -> NDArray[np.int32]:
        """Return the VMs of one side that stand in a domain."""
        vms, start = tally.atom.sides[side][tally.member], self.problem.start
        there = self.problem.domain[tally.atom.level][start[vms]] == domain
        return np.asarray(vms[(start[vms] != ABSENT) & there])

    def _side(self, vms: Iterable[int], amount: NDArray[np.int64] | None, need: int) -> Side:
        free = np.array([v for v in map(int, vms) if self.can_leave(v)], np.int64)
        return Side(free, np.ones(free.size, np.int64) if amount is None else amount[free], need)

    def _in_domain(self, level: int, domain: int) -> NDArray[np.int64]:
        if level == 0:
            order, first = self._by_host
            return order[first[domain] : first[domain + 1]]
        hosts = np.flatnonzero(self.problem.domain[level] == domain)
        return np.sort(np.concatenate([self._in_domain(0, int(h)) for h in hosts]))

    @cached_property
    def _by_host(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self.problem.start, kind="stable")
        first = np.searchsorted(self.problem.start[order], np.arange(self.problem.hosts + 1))
        return order, first

    # -- who can leave -------------------------------------------------------------------------------------------

    def can_leave(self, vm: int) -> bool:
        """Whether the VM may move and would fit, with nothing else there, on some host that may receive it."""
        known = self._fits_empty.get(vm)
        if known is None:
            known = bool(self.problem.movable[vm]) and (bool(self._fits_likely[vm]) or self._fits_somewhere(vm))
            self._fits_empty[vm] = known
        return known

    def _fits_somewhere(self, vm: int) -> bool:
        hosts = self.problem.may_enter(vm).copy()
        hosts[self.problem.start[vm]] = False
        candidates = np.flatnonzero(hosts)
        fits = np.ones(candidates.size, np.bool_)
        for linear in self.tally.linears:
            d = self.problem.domain[linear.atom.level][candidates]
            fits &= linear.atom.base[d] + linear.atom.amount[vm] <= linear.ceiling[d]
        return bool(fits.any())

    @cached_property
    def _fits_likely(self) -> NDArray[np.bool_]:
        """Bool [V]: the VM fits on one of the roomiest hosts, asked of all at once since nearly all do."""
        likely = self._roomiest
        which, rows = self.problem.enter_class
        fits = rows[:, likely][which] & (self.problem.start[:, None] != likely[None, :])
        for linear in self.tally.linears:
            d = self.problem.domain[linear.atom.level][likely]
            fits &= linear.atom.base[d][None, :] + linear.atom.amount[:, None] <= linear.ceiling[d][None, :]
        return np.asarray(fits.any(axis=1))

    @cached_property
    def _roomiest(self) -> NDArray[np.int64]:
        """A few hosts with the highest ceilings, of those that may receive: nearly every VM fits on one of them."""
        best: list[int] = []
        _, rows = self.problem.enter_class
        hosts = np.flatnonzero(rows.any(axis=0))
        for linear in self.tally.linears:
            room = (linear.ceiling - linear.atom.base)[self.problem.domain[linear.atom.level][hosts]]
            best.extend(hosts[np.argsort(-room, kind="stable")[:4]].tolist())
        return np.array(sorted(set(best)) or [0], np.int64)


def _members(row: Row) -> NDArray[np.int64]:
    """Return the VMs of a row that can leave, ascending."""
    return _union([side.vms for side in row.sides])


def _union(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return what is in any of the arrays, ascending; most rows have one side, of one VM."""
    if len(parts) == 1 and parts[0].size < 2:
        return parts[0]
    return np.unique(np.concatenate(parts))


_SIDES: ByShape[Callable[..., Iterator[Side]]] = ByShape(
    "the eviction relaxation",
    {
        SUM: EvictionRelaxation._sum,
        COUNT: EvictionRelaxation._count,
        PAIR: EvictionRelaxation._pair,
        OCCUPANCY: EvictionRelaxation._whole,
        COMPANY: EvictionRelaxation._company,
        TOGETHER: EvictionRelaxation._whole,
    },
    (SUM, *GROUPS),
)
