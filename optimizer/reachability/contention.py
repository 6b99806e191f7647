"""Which instances a list of moves touches: from the atoms to monitors, in one place.

`Contention` remembers the loads at the start, so that asking again for other moves costs only the moves.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import Apart, AtLeast, AtMost, Leave, Linear, Needs, Same
from optimizer.problem.evaluate import Instance
from optimizer.problem.rule import Hardness
from optimizer.reachability.instance_monitor import ForbiddenHosts, Occupancy, Pair, Sum, Together, VmPath

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Move
    from optimizer.problem.atoms import Asked, Atom, Sets
    from optimizer.problem.problem import Problem
    from optimizer.reachability.instance_monitor import InstanceMonitor

__all__ = ["Contention", "chains"]


def chains(moves: Sequence[Move]) -> dict[int, list[int]]:
    """Return the moves of each VM (their numbers), in the order of the list."""
    of: dict[int, list[int]] = defaultdict(list)
    for m, move in enumerate(moves):
        of[move.vm].append(m)
    return dict(of)


class _Way(NamedTuple):
    """A list of moves, and those of each VM in it."""

    moves: Sequence[Move]
    of: Mapping[int, list[int]]


class Contention:
    """The instances of a problem that moves touch, as monitors.

    The moves of one VM stand in the order in which it makes them, each from where the one before has left it.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._domain: list[list[int]] = [row.tolist() for row in problem.domain]
        self._start: list[int] = problem.start.tolist()
        self._also: list[int] = problem.also_at.tolist()

    # -- what is asked for -----------------------------------------------------------------------------------------

    def contended(self, moves: Sequence[Move]) -> list[InstanceMonitor]:
        """Return the musts and guards that some state of the moves, in any order, could make worse.

        What is not among them is safe whichever of the moves are made, and whenever. `Same` is never among them: it is
        judged at the end.
        """
        everything = (1 << len(moves)) - 1
        return [
            w for w in self._watches(moves, broken=False) if not isinstance(w, Together) and _may_worsen(w, everything)
        ]

    def broken(self, moves: Sequence[Move]) -> list[InstanceMonitor]:
        """Return the musts and shoulds that are violated at the start and that the moves change: what they may mend."""
        return [w for w in self._watches(moves, broken=True) if w.excess(0, 0) > 0]

    def together(self, moves: Sequence[Move]) -> list[InstanceMonitor]:
        """Return the `Same` musts and guards that the moves touch."""
        way = _Way(moves, chains(moves))
        return [
            w
            for number, atom in enumerate(self.problem.atoms)
            if isinstance(atom, Same) and _binds(atom)
            for w in self._set_watches(number, atom, way)
        ]

    def _watches(self, moves: Sequence[Move], *, broken: bool) -> Iterator[InstanceMonitor]:
        way = _Way(moves, chains(moves))
        for number, atom in enumerate(self.problem.atoms):
            if not hasattr(atom, "asked") or not (_counts(atom) if broken else _binds(atom)):
                continue
            if isinstance(atom, Linear):
                yield from self._linear(number, atom, way, broken)
            elif isinstance(atom, Leave):
                yield from self._leave(number, atom, way)
            else:
                yield from self._set_watches(number, atom, way)

    # -- Linear ----------------------------------------------------------------------------------------------------

    @cached_property
    def _loads(self) -> dict[int, NDArray[np.int64]]:
        """Load of each `Linear` in each of its domains at the start."""
        loads = {}
        start, also = self.problem.start, self.problem.also_at
        placed, twice = np.flatnonzero(start != ABSENT), np.flatnonzero(also != ABSENT)
        for number, atom in enumerate(self.problem.atoms):
            if isinstance(atom, Linear):
                domain = self.problem.domain[atom.level]
                load = atom.base.astype(np.int64).copy()
                np.add.at(load, domain[start[placed]], atom.amount[placed])
                more = twice[(start[twice] == ABSENT) | (domain[also[twice]] != domain[start[twice]])]
                np.add.at(load, domain[also[more]], atom.amount[more])
                loads[number] = load
        return loads

    def _linear(self, number: int, atom: Linear, way: _Way, broken: bool) -> Iterator[Sum]:
        domain, load = self._domain[atom.level], self._loads[number]
        enter: dict[int, dict[int, int]] = defaultdict(dict)
        leave: dict[int, dict[int, int]] = defaultdict(dict)
        for m, move in enumerate(way.moves):
            amount = int(atom.amount[move.vm])
            source, target = domain[move.source], domain[move.target]
            home = domain[self._start[move.vm]] if atom.union else ABSENT
            if amount and source != target:
                if target != home:
                    enter[target][m] = amount
                if source != home:
                    leave[source][m] = amount
        for d in sorted(enter.keys() | leave.keys() if broken else enter.keys()):
            start, limit = int(load[d]), int(atom.limit[d])
            if (start if broken else start + sum(enter[d].values())) > limit:
                yield Sum(Instance(number, 0, d), atom.asked, int(atom.unit[d]), limit, start, enter[d], leave[d])

    # -- sets ------------------------------------------------------------------------------------------------------

    def _set_watches(self, number: int, atom: Atom, way: _Way) -> Iterator[InstanceMonitor]:
        assert isinstance(atom, AtMost | Apart | AtLeast | Same | Needs)
        first = atom.left if isinstance(atom, Apart | Needs) else atom.sets
        second = atom.right if isinstance(atom, Apart | Needs) else None
        touched = _touched(first, way.of.keys(), self.problem.vms)
        if second is not None:
            touched |= _touched(second, way.of.keys(), self.problem.vms)
        for i in sorted(touched):
            left = first[i].tolist()
            right = second[i].tolist() if second is not None else []
            key = Instance(number, i, 0)
            if isinstance(atom, AtMost):
                yield from self._sums(key, atom, int(atom.k[i]), left, way, left).values()
            elif isinstance(atom, Apart):
                yield from self._apart(key, atom, (left, right), way)
            elif isinstance(atom, Same):
                yield self._together(key, atom, left, way)
            else:
                yield self._occupancy(key, atom, (left, right), way)

    def _ends(self, level: int, vm: int) -> frozenset[int]:
        """Domains of a level in which the VM is at the start."""
        domain = self._domain[level]
        return frozenset(domain[h] for h in (self._start[vm], self._also[vm]) if h != ABSENT)

    def _path(self, level: int, vm: int, way: _Way) -> VmPath:
        domain = self._domain[level]
        return VmPath(tuple(way.of[vm]), (domain[self._start[vm]], *(domain[way.moves[m].target] for m in way.of[vm])))

    def _sums(
        self,
        key: Instance,
        atom: AtMost | Apart,
        k: int,
        vms: list[int],
        way: _Way,
        movers: Iterable[int],
    ) -> dict[int, Sum]:
        """Return, for each domain that `movers` touch, how many of a set's VMs are there, and which moves change it."""
        domain = self._domain[atom.level]
        start = Counter(d for vm in vms for d in self._ends(atom.level, vm))
        enter: dict[int, dict[int, int]] = defaultdict(dict)
        leave: dict[int, dict[int, int]] = defaultdict(dict)
        for m in (m for vm in vms for m in way.of.get(vm, ())):
            source, target = domain[way.moves[m].source], domain[way.moves[m].target]
            if source != target:
                enter[target][m] = leave[source][m] = 1
        passed = (way.moves[m] for vm in movers for m in way.of.get(vm, ()))
        touched = sorted({domain[h] for move in passed for h in (move.source, move.target)})
        return {d: Sum(key._replace(domain=d), atom.asked, 1, k, start[d], enter[d], leave[d]) for d in touched}

    def _apart(self, key: Instance, atom: Apart, sides: tuple[list[int], list[int]], way: _Way) -> Iterator[Pair]:
        left, right = (self._sums(key, atom, 0, vms, way, [*sides[0], *sides[1]]) for vms in sides)
        for d in left:
            yield Pair(left[d].instance, atom.asked, left[d], right[d])

    def _occupancy(
        self,
        key: Instance,
        atom: AtLeast | Needs,
        sides: tuple[list[int], list[int]],
        way: _Way,
    ) -> Occupancy:
        level, both = atom.level, set(sides[0]) & set(sides[1])
        settled: list[list[frozenset[int]]] = [[], []]
        paths: list[list[VmPath]] = [[], []]
        for side, vms in enumerate(sides):
            for vm in vms:
                if side == 0 and vm in both:
                    continue
                if vm in way.of:
                    paths[side].append(self._path(level, vm, way))
                elif ends := self._ends(level, vm):
                    settled[side].append(ends)
        at = [Counter(next(iter(e)) for e in side if len(e) == 1) for side in settled]
        return Occupancy(
            instance=key,
            asked=atom.asked,
            least=int(atom.k[key.member]) if isinstance(atom, AtLeast) else None,
            left=at[0],
            right=frozenset(at[1]),
            floating=(
                tuple(e for e in settled[0] if len(e) > 1),
                tuple(e for e in settled[1] if len(e) > 1),
            ),
            paths=(tuple(paths[0]), tuple(paths[1])),
        )

    def _together(self, key: Instance, atom: Same, vms: list[int], way: _Way) -> Together:
        domain = self._domain[atom.level]
        settled = Counter(domain[self._start[vm]] for vm in vms if vm not in way.of and self._start[vm] != ABSENT)
        paths = tuple(self._path(atom.level, vm, way) for vm in vms if vm in way.of)
        return Together(key, atom.asked, settled, paths)

    # -- Leave -----------------------------------------------------------------------------------------------------

    def _leave(self, number: int, atom: Leave, way: _Way) -> Iterator[ForbiddenHosts]:
        for vm in sorted(set(atom.vms.tolist()) & way.of.keys()) if way.of else ():
            hosts = (self._start[vm], *(way.moves[m].target for m in way.of[vm]))
            path = VmPath(tuple(way.of[vm]), tuple(int(atom.hosts[h]) for h in hosts))
            yield ForbiddenHosts(Instance(number, vm, 0), atom.asked, path)


def _binds(atom: Atom) -> bool:
    """Whether the atom is never made worse."""
    asked: Asked | None = getattr(atom, "asked", None)
    return asked is not None and asked.hardness in (Hardness.MUST, Hardness.GUARD)


def _counts(atom: Atom) -> bool:
    """Whether the atom is a reason to move."""
    asked: Asked | None = getattr(atom, "asked", None)
    return asked is not None and asked.hardness in (Hardness.MUST, Hardness.SHOULD)


def _touched(sets: Sets, vms: Iterable[int], total: int) -> set[int]:
    """Return the numbers of the sets that hold one of the VMs."""
    moved = np.zeros(total, np.bool_)
    moved[list(vms)] = True
    where = np.flatnonzero(moved[sets.members])
    return set((np.searchsorted(sets.indptr, where, side="right") - 1).tolist())


def _may_worsen(monitor: InstanceMonitor, everything: int) -> bool:
    """Whether some state, in whatever order, is worse than the start."""
    allowed = monitor.excess(0, 0)
    if isinstance(monitor, Occupancy):
        return monitor.anywhere() > allowed
    if isinstance(monitor, ForbiddenHosts):
        return max(monitor.path.domains) > allowed
    return monitor.excess(0, everything) > allowed
