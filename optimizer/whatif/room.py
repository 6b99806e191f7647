"""Room: what a problem leaves for VMs that have no host, kind by kind and domain by domain.

A *kind* is a set of VMs that no demand tells apart. All that musts and guards say of new VMs comes down to

- `open`: the hosts where a VM of a kind may arrive at all (Enter, Leave);
- `rows`: amounts in the domains of a level, of which some is `left` (sums and counts: Linear, AtMost);
- `couplings`: demands on sets that depend on who else is where (Apart, AtLeast, Needs, Same).

A demand that is broken already leaves nothing, and takes nothing from others. Shoulds are read into `wishes`: rows that
may be overdrawn, for ranking only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.presence import presence
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import COMPANY, COUNT, GROUPS, LEFT, OCCUPANCY, PAIR, RIGHT, TOGETHER, ByShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.problem.atoms import AtMost, Group, Linear
    from optimizer.problem.problem import Problem

__all__ = ["Coupling", "Kind", "Room", "Row", "excess_of", "room_of"]


@dataclass(frozen=True, eq=False)
class Kind:
    """VMs (int32 [n], indices in the problem, without a host) that no demand tells apart; `wanted` of them at most."""

    name: str
    vms: NDArray[np.int32]
    wanted: int


@dataclass(frozen=True, eq=False)
class Row:
    """Amounts in each domain of a level: ``sum over kinds of amount x number there <= left``.

    Attributes
    ----------
    rule, what
        Who asks, and of what: a resource, or a set of VMs.
    domain
        int32 [H]: the domain of each host.
    amount
        int64 [K] >= 0, by kind.
    left, limit
        int64 [domains]: what is free, never below 0, and the limit that leaves it.
    counts
        The amounts are VMs of a set, not of a resource.
    debt
        int64 [domains]: by how much the limit is exceeded already.
    """

    rule: str
    what: str
    level: int
    domain: NDArray[np.int32]
    amount: NDArray[np.int64]
    left: NDArray[np.int64]
    limit: NDArray[np.int64]
    debt: NDArray[np.int64]
    counts: bool = False


@dataclass(frozen=True, eq=False)
class Coupling:
    """A demand on a set, or a pair of sets, that has new VMs in it.

    Attributes
    ----------
    shape
        The name of its shape: pair, occupancy, company, together.
    domain
        int32 [H].
    there
        How many VMs of each side are in each domain already.
    members
        bool [K] for each side: the kinds that belong to it.
    limit
        As the atom says.
    allowed
        Its excess may not exceed this.
    """

    shape: str
    rule: str
    what: str
    level: int
    domain: NDArray[np.int32]
    domains: int
    there: tuple[Mapping[int, int], ...]
    members: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    limit: int
    allowed: int


@dataclass(frozen=True, eq=False)
class Room:
    """What is left for the kinds; see the module.

    Attributes
    ----------
    open
        bool [K, H].
    hosts
        Number of hosts, H.
    """

    kinds: tuple[Kind, ...]
    open: NDArray[np.bool_]
    rows: tuple[Row, ...]
    couplings: tuple[Coupling, ...]
    wishes: tuple[Row, ...]
    disliked: NDArray[np.bool_]

    @property
    def hosts(self) -> int:
        """Number of hosts, H."""
        return int(self.open.shape[1])

    def most(self, kind: int) -> NDArray[np.int64]:
        """Return int64 [H]: how many of a kind each host takes by its own rows, couplings aside."""
        most = np.full(self.hosts, self.kinds[kind].wanted, np.int64)
        most[~self.open[kind]] = 0
        for row in self.rows:
            if row.amount[kind] > 0:
                most = np.minimum(most, (row.left // row.amount[kind])[row.domain])
        return most

    def spent(self, numbers: NDArray[np.int64]) -> Room:
        """Return what is left after `numbers` of each kind were made on each host: int64 [K, H]."""
        return replace(
            self,
            rows=tuple(_drawn(row, numbers) for row in self.rows),
            wishes=tuple(_drawn(row, numbers) for row in self.wishes),
            couplings=tuple(_joined(c, numbers) for c in self.couplings),
        )

    def instead_of_first(self, kinds: Sequence[Kind], hosts: NDArray[np.bool_]) -> Room:
        """Return it with kinds in place of the first, alike but for the hosts (bool [n, H]) that stay open to each."""
        n, old = len(kinds), len(self.kinds)
        at = np.concatenate([np.zeros(n, np.int64), np.arange(1, old)])
        open_ = self.open[at]
        open_[:n] &= hosts
        rows, wishes = (tuple(replace(r, amount=r.amount[at]) for r in found) for found in (self.rows, self.wishes))
        couplings = tuple(replace(c, members=(c.members[LEFT][at], c.members[RIGHT][at])) for c in self.couplings)
        return replace(
            self,
            kinds=(*kinds, *self.kinds[1:]),
            open=open_,
            rows=rows,
            couplings=couplings,
            wishes=wishes,
            disliked=self.disliked[at],
        )

    def without_first(self) -> Room:
        """Return it without the first kind, and without what only that has a part in."""
        rows, wishes = ([replace(r, amount=r.amount[1:]) for r in found] for found in (self.rows, self.wishes))
        couplings = [replace(c, members=(c.members[LEFT][1:], c.members[RIGHT][1:])) for c in self.couplings]
        return replace(
            self,
            kinds=self.kinds[1:],
            open=self.open[1:],
            rows=tuple(row for row in rows if row.amount.any()),
            couplings=tuple(c for c in couplings if c.members[LEFT].any() or c.members[RIGHT].any()),
            wishes=tuple(row for row in wishes if row.amount.any()),
            disliked=self.disliked[1:],
        )


def _drawn(row: Row, numbers: NDArray[np.int64]) -> Row:
    return replace(row, left=row.left - _in_domains(row.domain, row.amount @ numbers, len(row.left)))


def _joined(coupling: Coupling, numbers: NDArray[np.int64]) -> Coupling:
    there = []
    for side in (LEFT, RIGHT):
        more = _in_domains(coupling.domain, coupling.members[side].astype(np.int64) @ numbers, coupling.domains)
        count = Counter(coupling.there[side])
        count.update({d: int(more[d]) for d in np.flatnonzero(more).tolist()})
        there.append(count)
    return replace(coupling, there=(there[0], there[1]))


def _in_domains(domain: NDArray[np.int32], by_host: NDArray[np.int64], domains: int) -> NDArray[np.int64]:
    out = np.zeros(domains, np.int64)
    np.add.at(out, domain, by_host)
    return out


def room_of(problem: Problem, kinds: Sequence[Kind], without: NDArray[np.bool_] | None = None) -> Room:
    """Read what a problem leaves for VMs that have no host.

    Parameters
    ----------
    kinds
        Their VMs have no host at the start of `problem`, or stand on a host of `without`.
    without
        bool [H]: hosts that are lost; what stands there is gone, and nothing may arrive.
    """
    lost = np.zeros(problem.hosts, np.bool_) if without is None else without
    start, also = (np.where((at != ABSENT) & lost[at], ABSENT, at) for at in (problem.start, problem.also_at))
    of = np.full(problem.vms, -1, np.int64)
    for k, kind in enumerate(kinds):
        of[kind.vms] = k
    reader = _Reader(problem, kinds, of, start, also)
    rows, wishes = reader.rows()
    open_, disliked = reader.doors()
    open_[:, lost] = False
    return Room(tuple(kinds), open_, tuple(rows), tuple(reader.couplings()), tuple(wishes), disliked)


class _Reader:
    def __init__(
        self,
        problem: Problem,
        kinds: Sequence[Kind],
        of: NDArray[np.int64],
        start: NDArray[np.int32],
        also: NDArray[np.int32],
    ) -> None:
        self.problem, self.kinds, self.of, self.start, self.also = problem, kinds, of, start, also
        self.first = np.array([k.vms[0] for k in kinds], np.int64)

    def doors(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return where each kind may arrive, and where it would rather not be: bool [K, H] each."""
        open_ = np.array([self.problem.may_enter(v) for v in self.first.tolist()], np.bool_)
        open_ = open_.reshape(len(self.kinds), self.problem.hosts).copy()
        disliked = np.zeros_like(open_)
        for atom in self.problem.demands.leaves.values():
            named = np.unique(self.of[atom.vms])
            for k in named[named >= 0].tolist():
                if atom.asked.hardness is Hardness.SHOULD:
                    disliked[k] |= atom.hosts
                else:
                    open_[k] &= ~atom.hosts
        return open_, disliked

    def rows(self) -> tuple[list[Row], list[Row]]:
        """Return the rows that bind, and those of shoulds."""
        hard: list[Row] = []
        soft: list[Row] = []
        for atom in self.problem.demands.sums.values():
            if (row := self._sum(atom)) is not None:
                (soft if atom.asked.hardness is Hardness.SHOULD else hard).append(row)
        for count in self.problem.demands.counts.values():
            found = list(self._counts(count))
            (soft if count.asked.hardness is Hardness.SHOULD else hard).extend(found)
        return hard, soft

    def _sum(self, atom: Linear) -> Row | None:
        amount = atom.amount[self.first].astype(np.int64)
        if not amount.any():
            return None
        domain = self.problem.domain[atom.level]
        load = atom.base.astype(np.int64)
        vms, there = presence(domain, self.start, self.also)
        np.add.at(load, there, atom.amount[vms])
        left = np.where(atom.limit >= UNLIMITED, UNLIMITED // 4, np.maximum(atom.limit - load, 0))
        debt = np.maximum(load - atom.limit, 0)
        return Row(atom.asked.rule, atom.resource, atom.level, domain, amount, left, atom.limit, debt)

    def _counts(self, atom: AtMost) -> Iterator[Row]:
        domain = self.problem.domain[atom.level]
        domains = len(self.problem.domain_ids[atom.level])
        for i in self._touched(atom.sets.members, atom.sets.indptr):
            members = atom.sets[i]
            mine = self._kinds_in(members)
            here = np.zeros(domains, np.int64)
            for d, n in self._count(members, atom.level).items():
                here[d] = n
            limit = np.full(domains, int(atom.k[i]), np.int64)
            left, debt = np.maximum(limit - here, 0), np.maximum(here - limit, 0)
            name, amount = atom.sets.ids[i], mine.astype(np.int64)
            yield Row(atom.asked.rule, name, atom.level, domain, amount, left, limit, debt, counts=True)

    def couplings(self) -> Iterator[Coupling]:
        """Yield the demands of musts and guards on sets that have new VMs."""
        for group in self.problem.demands.groups.values():
            if _ARE_COUPLINGS[group] and group.asked.hardness is not Hardness.SHOULD:
                yield from self._couplings(group)

    def _couplings(self, atom: Group) -> Iterator[Coupling]:
        touched = sorted({i for side in atom.sides for i in self._touched(side.members, side.indptr)})
        nobody = np.zeros(len(self.kinds), np.bool_)
        for i in touched:
            sides = [side[i] for side in atom.sides]
            members = [self._kinds_in(side) for side in sides]
            found = Coupling(
                atom.shape.name,
                atom.asked.rule,
                atom.sides[LEFT].ids[i],
                atom.level,
                self.problem.domain[atom.level],
                len(self.problem.domain_ids[atom.level]),
                self._there(atom, sides),
                (members[LEFT], members[RIGHT] if len(members) > 1 else nobody),
                atom.limit_of(i),
                0,
            )
            if atom.shape is OCCUPANCY and found.there[LEFT]:
                continue  # a set that is somewhere never occupies fewer domains for one VM more
            yield replace(found, allowed=excess_of(found))

    def _there(self, atom: Group, sides: list[NDArray[np.int32]]) -> tuple[Counter[int], ...]:
        """Count each side where its VMs are; one that others move is where that is worse."""
        if atom.shape is TOGETHER:  # judged where they stand
            return self._count(sides[LEFT], atom.level, both_ends=False), Counter[int]()
        left = self._count(sides[LEFT], atom.level)
        if len(sides) == 1:
            return left, Counter[int]()
        certain = sides[RIGHT][self.also[sides[RIGHT]] == ABSENT] if atom.shape is COMPANY else sides[RIGHT]
        return left, self._count(certain, atom.level)

    def _touched(self, members: NDArray[np.int32], indptr: NDArray[np.int64]) -> list[int]:
        """Return the sets that have a VM of a kind."""
        at = np.flatnonzero(self.of[members] >= 0)
        return np.unique(np.searchsorted(indptr, at, side="right") - 1).tolist()  # type: ignore[no-any-return]

    def _kinds_in(self, members: NDArray[np.int32]) -> NDArray[np.bool_]:
        mine = np.zeros(len(self.kinds), np.bool_)
        found = self.of[members]
        mine[np.unique(found[found >= 0])] = True
        return mine

    def _count(self, members: NDArray[np.int32], level: int, *, both_ends: bool = True) -> Counter[int]:
        """Count the distinct VMs of a set in each domain, at both ends of what others move."""
        domain = self.problem.domain[level]
        count: Counter[int] = Counter()
        for vm in members.tolist():
            ends = (self.start[vm], self.also[vm]) if both_ends else (self.start[vm],)
            count.update({int(domain[h]) for h in ends if h != ABSENT})
        return count


def excess_of(coupling: Coupling) -> int:
    """Return the excess of a demand on a set as it is; for pairs, which are judged domain by domain, the largest."""
    return max([0, *_SHAPES[coupling.shape].excess(coupling.limit, _Settled(coupling.there)).values()])


_COUPLED = (PAIR, OCCUPANCY, COMPANY, TOGETHER)
_SHAPES = {shape.name: shape for shape in _COUPLED}

_ARE_COUPLINGS = ByShape("what-if", {COUNT: False, **dict.fromkeys(_COUPLED, True)}, GROUPS)
"""Whether a demand on sets is a coupling; the others are rows."""


class _Settled:
    """Counts in which nobody floats."""

    def __init__(self, there: tuple[Mapping[int, int], ...]) -> None:
        self.count = Counter(there[LEFT]), Counter(there[RIGHT])
        self.floating: tuple[Mapping[int, frozenset[int]], Mapping[int, frozenset[int]]] = ({}, {})
