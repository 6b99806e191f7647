"""The departures relaxation once more, for the judge: what has to leave, from the atoms alone.

The table of rows stands in docs/architecture.md. Written without the planner's, so that one tests the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.ends import fewest_domains, most_lone
from optimizer.problem.rounding import harm
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import COMPANY, COUNT, LEAVE, OCCUPANCY, PAIR, SUM, TOGETHER, ByShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Apart, Asked, AtLeast, AtMost, Leave, Linear, Needs, Same, Sets
    from optimizer.problem.problem import Problem

__all__ = ["Relaxed", "Row"]

Side = tuple[dict[int, int], int]
"""Amount by VM (of those that can leave), and how much of it has to leave (less the excess that remains)."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One violated instance: one of its sides has to be met, up to the excess that remains (at most `excess`)."""

    asked: Asked
    sides: tuple[Side, ...]
    excess: int
    unit: int = 1

    @property
    def vms(self) -> frozenset[int]:
        """The VMs that count in it and can leave."""
        return frozenset(v for amounts, _ in self.sides for v in amounts)

    @property
    def stuck(self) -> int:
        """The excess that remains if everything leaves that can."""
        return max(0, min(need - sum(amounts.values()) for amounts, need in self.sides))

    def harm(self, excess: int) -> int:
        """Return what an excess counts: in harm, or for a priced should in thousandths of a move."""
        if self.asked.price is not None:
            return self.asked.price * harm(excess, self.unit, 1)
        return harm(excess, self.unit, self.asked.weight)


class Relaxed:
    """Rows of a problem at its start, and the VMs that can leave at all."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._domain: list[list[int]] = [row.tolist() for row in problem.domain]
        self._ends: dict[int, tuple[int, ...]] = {}
        self._able: dict[int, bool] = {}

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """A row for each must and should that is violated at the start."""
        return tuple(self._rows())

    @cached_property
    def by_vm(self) -> dict[int, list[Row]]:
        """The rows in which each VM counts."""
        out: dict[int, list[Row]] = defaultdict(list)
        for row in self.rows:
            for v in row.vms:
                out[v].append(row)
        return out

    def within(self, vms: Iterable[int]) -> list[Row]:
        """Return the rows in which none but these VMs count (and some of them do)."""
        of = frozenset(vms)
        found = {id(row): row for v in sorted(of) for row in self.by_vm.get(v, ())}
        return [row for row in found.values() if row.vms <= of]

    # -- rows ------------------------------------------------------------------------------------------------------

    def _rows(self) -> Iterator[Row]:
        for number, atom in self.problem.demands.harming.items():
            if atom.asked.hardness in (Hardness.MUST, Hardness.SHOULD):
                yield from _ROWS[atom](self, number, atom)

    def _side(self, amounts: Mapping[int, int], need: int) -> Side:
        return {v: a for v, a in amounts.items() if a > 0 and self.can_leave(v)}, need

    def _linear(self, number: int, atom: Linear) -> Iterator[Row]:
        load = self.loads[number]
        for d in np.flatnonzero(load > atom.limit).tolist():
            over = int(load[d] - atom.limit[d])
            there = {v: int(atom.amount[v]) for h in self._hosts_of(atom.level, d) for v in self._vms_on(h)}
            yield Row(atom.asked, (self._side(there, over),), over, int(atom.unit[d]))

    def _at_most(self, number: int, atom: AtMost) -> Iterator[Row]:
        for (i, d), vms in self._crowds(atom.level, atom.sets).items():
            over = len(vms) - int(atom.k[i])
            if over > 0:
                yield Row(atom.asked, (self._side(self._standing(atom.level, d, vms), over),), over)

    def _apart(self, number: int, atom: Apart) -> Iterator[Row]:
        left, right = self._crowds(atom.level, atom.left), self._crowds(atom.level, atom.right)
        for key in sorted(left.keys() & right.keys()):
            sides = tuple(
                self._side(self._standing(atom.level, key[1], vms), len(vms)) for vms in (left[key], right[key])
            )
            yield Row(atom.asked, sides, min(len(left[key]), len(right[key])))

    def _leave(self, number: int, atom: Leave) -> Iterator[Row]:
        for v in atom.vms.tolist():
            if any(atom.hosts[h] for h in self._hosts(v)):
                counts = bool(self.problem.start[v] != ABSENT and atom.hosts[self.problem.start[v]])
                yield Row(atom.asked, (self._side({v: int(counts)}, 1),), 1)

    def _at_least(self, number: int, atom: AtLeast) -> Iterator[Row]:
        for i, k in enumerate(atom.k.tolist()):
            vms = atom.sets[i].tolist()
            ends = [self._domains(atom.level, v) for v in vms if self._hosts(v)]
            settled = {next(iter(e)) for e in ends if len(e) == 1}
            over = k - fewest_domains(settled, [e for e in ends if len(e) > 1]) if ends else 0
            yield from self._of_all(atom.asked, dict.fromkeys(vms, 1), over)

    def _same(self, number: int, atom: Same) -> Iterator[Row]:
        for i in range(len(atom.sets)):
            vms = atom.sets[i].tolist()
            at = Counter(self._domain[atom.level][self._hosts(v)[0]] for v in vms if self._hosts(v))
            yield from self._of_all(atom.asked, dict.fromkeys(vms, 1), at.total() - max(at.values(), default=0))

    def _needs(self, number: int, atom: Needs) -> Iterator[Row]:
        for i in range(len(atom.left)):
            amounts, over = self._lonely(atom.level, atom.left[i].tolist(), atom.right[i].tolist())
            yield from self._of_all(atom.asked, amounts, over)

    def _of_all(self, asked: Asked, amounts: Mapping[int, int], over: int) -> Iterator[Row]:
        if over > 0:
            yield Row(asked, (self._side(amounts, over),), over)

    def _lonely(self, level: int, left: list[int], right: list[int]) -> tuple[dict[int, int], int]:
        held_by = set(right)
        mine = {v: self._domains(level, v) for v in left if v not in held_by and self._hosts(v)}
        theirs = [self._domains(level, v) for v in right if self._hosts(v)]
        held = {next(iter(e)) for e in theirs if len(e) == 1}
        settled = Counter(next(iter(e)) for e in mine.values() if len(e) == 1)
        over = most_lone(
            settled, held, [e for e in mine.values() if len(e) > 1], [frozenset(e) for e in theirs if len(e) > 1]
        )
        amounts = {v: 1 for v, e in mine.items() if not e <= held}
        return amounts | dict.fromkeys(right, over), over

    # -- who is where ----------------------------------------------------------------------------------------------

    def _hosts(self, vm: int) -> tuple[int, ...]:
        known = self._ends.get(vm)
        if known is None:
            ends = (int(self.problem.start[vm]), int(self.problem.also_at[vm]))
            known = self._ends[vm] = tuple(h for h in ends if h != ABSENT)
        return known

    def _domains(self, level: int, vm: int) -> frozenset[int]:
        return frozenset(self._domain[level][h] for h in self._hosts(vm))

    def _crowds(self, level: int, sets: Sets) -> dict[tuple[int, int], list[int]]:
        """For each set and domain, the VMs of the set that are there."""
        out: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i in range(len(sets)):
            for v in sets[i].tolist():
                for d in self._domains(level, v):
                    out[i, d].append(v)
        return out

    def _standing(self, level: int, domain: int, vms: Iterable[int]) -> dict[int, int]:
        """Count 1 for each of the VMs whose own place (not the other end of a move by others) is in the domain."""
        start = self.problem.start
        return {v: int(start[v] != ABSENT and self._domain[level][start[v]] == domain) for v in vms}

    def _hosts_of(self, level: int, domain: int) -> list[int]:
        return [domain] if level == 0 else np.flatnonzero(self.problem.domain[level] == domain).tolist()

    @cached_property
    def _on_host(self) -> dict[int, list[int]]:
        out: dict[int, list[int]] = defaultdict(list)
        for v, h in enumerate(self.problem.start.tolist()):
            out[h].append(v)
        return out

    def _vms_on(self, host: int) -> list[int]:
        return self._on_host.get(host, [])

    @cached_property
    def loads(self) -> dict[int, NDArray[np.int64]]:
        """Load of each `Linear` (by its number among the atoms) in each domain at the start."""
        start, also = self.problem.start, self.problem.also_at
        out = {}
        for number, atom in self.problem.demands.sums.items():
            domain = self.problem.domain[atom.level]
            load = atom.base.astype(np.int64).copy()
            here = np.flatnonzero(start != ABSENT)
            np.add.at(load, domain[start[here]], atom.amount[here])
            for v in np.flatnonzero(also != ABSENT).tolist():
                if start[v] == ABSENT or domain[also[v]] != domain[start[v]]:
                    load[domain[also[v]]] += atom.amount[v]
            out[number] = load
        return out

    # -- who can leave ---------------------------------------------------------------------------------------------

    def can_leave(self, vm: int) -> bool:
        """Whether some other host may receive the VM and, emptied, would hold it without being worse than it is."""
        if vm not in self._able:
            self._able[vm] = bool(self.problem.movable[vm]) and self._has_a_place(vm)
        return self._able[vm]

    def _has_a_place(self, vm: int) -> bool:
        hosts = np.flatnonzero(self.problem.may_enter(vm))
        hosts = hosts[hosts != self.problem.start[vm]]
        for some in (hosts[:: max(1, hosts.size // 16)], hosts):
            fits = np.ones(some.size, np.bool_)
            for atom, room in self._rooms:
                fits &= atom.amount[vm] <= room[some]
            if fits.any():
                return True
        return False

    @cached_property
    def _rooms(self) -> list[tuple[Linear, NDArray[np.int64]]]:
        """For each binding `Linear`, the most that one VM may bring to each host."""
        return [
            (atom, (np.maximum(atom.limit, self.loads[n]) - atom.base)[self.problem.domain[atom.level]])
            for n, atom in self.problem.demands.sums.items()
            if atom.asked.hardness is not Hardness.SHOULD
        ]


_ROWS: ByShape[Callable[..., Iterator[Row]]] = ByShape(
    "the judge of bounds",
    {
        SUM: Relaxed._linear,
        COUNT: Relaxed._at_most,
        PAIR: Relaxed._apart,
        OCCUPANCY: Relaxed._at_least,
        COMPANY: Relaxed._needs,
        TOGETHER: Relaxed._same,
        LEAVE: Relaxed._leave,
    },
)
