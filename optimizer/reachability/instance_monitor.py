"""What has to be watched while moves are in flight: the instances of the atoms that the moves touch.

A monitor judges one instance in any state of the moves, given as two sets: `done` (succeeded) and `started` (done or in
flight), each an integer with one bit for each move. It knows the start and what each move changes, nothing else, so a
state costs as much as the moves that touch the instance.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from optimizer.problem.ends import fewest_domains, most_lone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from optimizer.problem.atoms import Asked
    from optimizer.problem.instance import Instance

__all__ = ["ForbiddenHosts", "InstanceMonitor", "Occupancy", "Pair", "Sum", "Together", "VmPath", "bits"]


class InstanceMonitor(Protocol):
    """One instance of an atom, and how the moves change it."""

    @property
    def instance(self) -> Instance:
        """Which instance."""

    @property
    def asked(self) -> Asked:
        """Who asks, how hard."""

    @property
    def unit(self) -> int:
        """What its excess is divided by to make harm."""

    @property
    def moves(self) -> frozenset[int]:
        """The moves that change it."""

    def excess(self, done: int, started: int) -> int:
        """Return the excess (0 or more) in a state, at the worse end of each VM in flight."""

    def anywhere(self, everything: int) -> int:
        """Return an excess that no state passes; `everything` is the set of all moves."""


def bits(mask: int) -> Iterable[int]:
    """Yield the numbers of the bits that are set."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def total(weights: Mapping[int, int], mask: int) -> int:
    """Sum the weights of the moves in a set."""
    return sum([w for m, w in weights.items() if mask >> m & 1])


@dataclass(frozen=True, slots=True, eq=False)
class Sum:
    """A `Linear` or an `AtMost` in one domain: arrivals add when they start, departures take away when they are done.

    `start` is the level before any move, `enter` and `leave` the amount by move.
    """

    instance: Instance
    asked: Asked
    unit: int
    limit: int
    start: int
    enter: Mapping[int, int]
    leave: Mapping[int, int]

    @property
    def moves(self) -> frozenset[int]:
        """The moves that change it."""
        return frozenset(self.enter) | frozenset(self.leave)

    def level(self, done: int, started: int) -> int:
        """Return what is there."""
        return self.start + total(self.enter, started) - total(self.leave, done)

    def excess(self, done: int, started: int) -> int:
        """Return how far the level is over the limit."""
        return max(0, self.level(done, started) - self.limit)

    def anywhere(self, everything: int) -> int:
        """Return the excess with all that arrives and nothing gone."""
        return self.excess(0, everything)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """An `Apart` in one domain: the smaller of two counts."""

    instance: Instance
    asked: Asked
    left: Sum
    right: Sum
    unit: int = 1

    @property
    def moves(self) -> frozenset[int]:
        """The moves that change it."""
        return self.left.moves | self.right.moves

    def excess(self, done: int, started: int) -> int:
        """Return the smaller of the two counts."""
        return min(self.left.level(done, started), self.right.level(done, started))

    def anywhere(self, everything: int) -> int:
        """Return the excess with all that arrives and nothing gone."""
        return self.excess(0, everything)


@dataclass(frozen=True, slots=True, eq=False)
class VmPath:
    """The way of one VM: its moves in order, and the domain before the first and after each."""

    moves: tuple[int, ...]
    domains: tuple[int, ...]

    def ends(self, done: int, started: int) -> set[int]:
        """Return the domains in which the VM may be: one, or two while it is in flight between them."""
        at = 0
        while at < len(self.moves) and done >> self.moves[at] & 1:
            at += 1
        if at < len(self.moves) and started >> self.moves[at] & 1:
            return {self.domains[at], self.domains[at + 1]}
        return {self.domains[at]}


@dataclass(frozen=True, slots=True, eq=False)
class Occupancy:
    """An `AtLeast` (`least` domains of the left) or a `Needs` (`least` None): judged by who is where.

    `left` and `right` count the VMs that no move touches, by domain; `floating` are the ends of those that others are
    moving; `paths` are the VMs that moves touch. Each mapping of the last two is (of the left only, of the right).
    """

    instance: Instance
    asked: Asked
    least: int | None
    left: Mapping[int, int]
    right: frozenset[int]
    floating: tuple[tuple[frozenset[int], ...], tuple[frozenset[int], ...]]
    paths: tuple[tuple[VmPath, ...], tuple[VmPath, ...]]
    unit: int = 1

    @property
    def moves(self) -> frozenset[int]:
        """The moves that change it."""
        return frozenset(m for side in self.paths for path in side for m in path.moves)

    def excess(self, done: int, started: int) -> int:
        """Return the excess at the worst choice of ends."""
        return self.worst([[p.ends(done, started) for p in side] for side in self.paths])

    def anywhere(self, everything: int) -> int:
        """Return the excess if each VM may be anywhere on its way: no order of moves is worse."""
        return self.worst([[set(p.domains) for p in side] for side in self.paths])

    def worst(self, ends: list[list[set[int]]]) -> int:
        """Return the excess at the worst choice among the ends of each VM that moves touch."""
        mine = [*self.floating[0], *ends[0]]
        theirs = [*self.floating[1], *ends[1]]
        if self.least is None:
            return most_lone(self.left, self.right, mine, theirs)
        occupied = fewest_domains(self.left.keys(), mine)
        return max(0, self.least - occupied) if occupied else 0


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """A `Same`: VMs outside the domain that has most of them. A VM in flight counts at its source."""

    instance: Instance
    asked: Asked
    settled: Mapping[int, int]
    paths: tuple[VmPath, ...]
    unit: int = 1

    @property
    def moves(self) -> frozenset[int]:
        """The moves that change it."""
        return frozenset(m for path in self.paths for m in path.moves)

    def excess(self, done: int, started: int) -> int:
        """Return how many are not where most are."""
        at = Counter(self.settled)
        at.update(next(iter(path.ends(done, done))) for path in self.paths)
        return at.total() - max(at.values(), default=0)

    def anywhere(self, everything: int) -> int:
        """Return how many there are: all but one could be elsewhere."""
        return sum(self.settled.values()) + len(self.paths)


@dataclass(frozen=True, slots=True, eq=False)
class ForbiddenHosts:
    """A `Leave` of one VM: 1 while either of its ends is a host that it must leave (`there`: 1 for such a host)."""

    instance: Instance
    asked: Asked
    path: VmPath
    unit: int = 1

    @property
    def moves(self) -> frozenset[int]:
        """The moves that change it."""
        return frozenset(self.path.moves)

    def excess(self, done: int, started: int) -> int:
        """Return 1 while an end is on such a host."""
        return max(self.path.ends(done, started))

    def anywhere(self, everything: int) -> int:
        """Return 1 if the VM comes to such a host at all."""
        return max(self.path.domains)
