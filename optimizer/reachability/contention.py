"""Which instances a list of moves touches: from the atoms to monitors, in one place.

`Contention` remembers the loads at the start, so that asking again for other moves costs only the moves.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.instance import Instance
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import COMPANY, COUNT, LEAVE, OCCUPANCY, PAIR, SUM, TOGETHER, ByShape
from optimizer.reachability.instance_monitor import ForbiddenHosts, Occupancy, Pair, Sum, Together, VmPath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Move
    from optimizer.problem.atoms import Apart, AtLeast, AtMost, Group, Harming, Leave, Linear, Needs, Same, Sets
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
    """A list of moves, those of each VM in it, and whose each is, from where to where: int64 [moves]."""

    moves: Sequence[Move]
    of: Mapping[int, list[int]]
    vms: NDArray[np.int64]
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]

    @classmethod
    def along(cls, moves: Sequence[Move]) -> _Way:
        vms, sources, targets = np.array([(m.vm, m.source, m.target) for m in moves], np.int64).reshape(-1, 3).T
        return cls(moves, chains(moves), vms, sources, targets)


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
        return [w for w in self._watches(moves, broken=False) if w.anywhere(everything) > w.excess(0, 0)]

    def broken(self, moves: Sequence[Move]) -> list[InstanceMonitor]:
        """Return the musts and shoulds violated at the start that the moves change: what they may repair."""
        return [w for w in self._watches(moves, broken=True) if w.excess(0, 0) > 0]

    def together(self, moves: Sequence[Move]) -> list[InstanceMonitor]:
        """Return the `Same` musts and guards that the moves touch."""
        way = _Way.along(moves)
        return [
            w
            for number, atom in self.problem.demands.harming.items()
            if atom.shape.at_end and _binds(atom)
            for w in _MONITORS[atom](self, number, atom, way, False)
        ]

    def _watches(self, moves: Sequence[Move], *, broken: bool) -> Iterator[InstanceMonitor]:
        way = _Way.along(moves)
        for number, atom in self.problem.demands.harming.items():
            if _counts(atom) if broken else _binds(atom) and not atom.shape.at_end:
                yield from _MONITORS[atom](self, number, atom, way, broken)

    # -- sums ------------------------------------------------------------------------------------------------------

    def _linear(self, number: int, atom: Linear, way: _Way, broken: bool) -> Iterator[Sum]:
        domain, load = self.problem.domain[atom.level], self.problem.start_loads[number]
        amount, source, target = atom.amount[way.vms], domain[way.sources], domain[way.targets]
        enters = leaves = (amount != 0) & (source != target)
        if atom.union:
            home = domain[self.problem.start[way.vms]]
            enters, leaves = enters & (target != home), leaves & (source != home)
        if not broken:  # what all arrivals together do not exceed is not worth a look
            highest = load.copy()
            np.add.at(highest, target[enters], amount[enters])
            exceeded = highest > atom.limit
            enters, leaves = enters & exceeded[target], leaves & exceeded[source]
        enter, leave = _by_domain(enters, target, amount), _by_domain(leaves, source, amount)
        for d in sorted(enter.keys() | leave.keys() if broken else enter.keys()):
            start, limit = int(load[d]), int(atom.limit[d])
            yield Sum(Instance(number, 0, d), atom.asked, int(atom.unit[d]), limit, start, enter[d], leave[d])

    # -- sets ------------------------------------------------------------------------------------------------------

    def _touched(self, number: int, atom: Group, way: _Way) -> Iterator[tuple[Instance, tuple[list[int], list[int]]]]:
        """Yield the instances of sets that hold a VM of the moves, and the VMs of both sides."""
        touched = set().union(*(_touched(side, way.of.keys(), self.problem.vms) for side in atom.sides))
        for i in sorted(touched):
            left, *right = (side[i].tolist() for side in atom.sides)
            yield Instance(number, i, 0), (left, right[0] if right else [])

    def _at_most(self, number: int, atom: AtMost, way: _Way, broken: bool) -> Iterator[Sum]:
        for key, (vms, _) in self._touched(number, atom, way):
            yield from self._sums(key, atom, atom.limit_of(key.member), vms, way, vms).values()

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

    def _apart(self, number: int, atom: Apart, way: _Way, broken: bool) -> Iterator[Pair]:
        for key, sides in self._touched(number, atom, way):
            left, right = (self._sums(key, atom, 0, vms, way, [*sides[0], *sides[1]]) for vms in sides)
            for d in left:
                yield Pair(left[d].instance, atom.asked, left[d], right[d])

    def _at_least(self, number: int, atom: AtLeast, way: _Way, broken: bool) -> Iterator[Occupancy]:
        for key, sides in self._touched(number, atom, way):
            yield self._occupancy(key, atom, sides, way, atom.limit_of(key.member))

    def _needs(self, number: int, atom: Needs, way: _Way, broken: bool) -> Iterator[Occupancy]:
        for key, sides in self._touched(number, atom, way):
            yield self._occupancy(key, atom, sides, way, None)

    def _occupancy(
        self,
        key: Instance,
        atom: AtLeast | Needs,
        sides: tuple[list[int], list[int]],
        way: _Way,
        least: int | None,
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
            least=least,
            left=at[0],
            right=frozenset(at[1]),
            floating=(
                tuple(e for e in settled[0] if len(e) > 1),
                tuple(e for e in settled[1] if len(e) > 1),
            ),
            paths=(tuple(paths[0]), tuple(paths[1])),
        )

    def _together(self, number: int, atom: Same, way: _Way, broken: bool) -> Iterator[Together]:
        domain = self._domain[atom.level]
        for key, (vms, _) in self._touched(number, atom, way):
            settled = Counter(domain[self._start[vm]] for vm in vms if vm not in way.of and self._start[vm] != ABSENT)
            paths = tuple(self._path(atom.level, vm, way) for vm in vms if vm in way.of)
            yield Together(key, atom.asked, settled, paths)

    # -- Leave -----------------------------------------------------------------------------------------------------

    def _leave(self, number: int, atom: Leave, way: _Way, broken: bool) -> Iterator[ForbiddenHosts]:
        for vm in sorted(set(atom.vms.tolist()) & way.of.keys()) if way.of else ():
            hosts = (self._start[vm], *(way.moves[m].target for m in way.of[vm]))
            path = VmPath(tuple(way.of[vm]), tuple(int(atom.hosts[h]) for h in hosts))
            yield ForbiddenHosts(Instance(number, vm, 0), atom.asked, path)


_MONITORS: ByShape[Callable[..., Iterator[InstanceMonitor]]] = ByShape(
    "contention",
    {
        SUM: Contention._linear,
        COUNT: Contention._at_most,
        PAIR: Contention._apart,
        OCCUPANCY: Contention._at_least,
        COMPANY: Contention._needs,
        TOGETHER: Contention._together,
        LEAVE: Contention._leave,
    },
)


def _by_domain(
    chosen: NDArray[np.bool_], domain: NDArray[np.integer], amount: NDArray[np.int64]
) -> defaultdict[int, dict[int, int]]:
    """Return the amounts of the chosen moves by their number, for each domain."""
    out: defaultdict[int, dict[int, int]] = defaultdict(dict)
    where = np.flatnonzero(chosen)
    for m, d, a in zip(where.tolist(), domain[where].tolist(), amount[where].tolist(), strict=True):
        out[d][m] = a
    return out


def _binds(atom: Harming) -> bool:
    """Whether the atom is never made worse."""
    return atom.asked.hardness in (Hardness.MUST, Hardness.GUARD)


def _counts(atom: Harming) -> bool:
    """Whether the atom is a reason to move."""
    return atom.asked.hardness in (Hardness.MUST, Hardness.SHOULD)


def _touched(sets: Sets, vms: Iterable[int], total: int) -> set[int]:
    """Return the numbers of the sets that hold one of the VMs."""
    moved = np.zeros(total, np.bool_)
    moved[list(vms)] = True
    where = np.flatnonzero(moved[sets.members])
    return set((np.searchsorted(sets.indptr, where, side="right") - 1).tolist())
