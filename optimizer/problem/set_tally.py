"""Counts of one set of VMs, or of a pair of sets: how many are in each domain, and the excess that follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optimizer.problem.instance import Instance
from optimizer.problem.shapes import COMPANY, LEFT, OCCUPANCY, RIGHT, TOGETHER, ByShape

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from optimizer.problem.atoms import Group
    from optimizer.problem.shapes import Shape

__all__ = ["LEFT", "RIGHT", "SetTally", "excess_by_domain"]

Excesses = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class SetTally:
    """Counts of one set (or pair of sets) of an atom: how many distinct VMs of each side are in each domain.

    A shape that judges a VM in flight at its worse end has it, while its ends lie in different domains, in `floating`
    (domains by VM, a mapping for each side) and in no count. What is judged at the end counts where a VM stands: its
    first end. `atom_number` is the atom's place in `Problem.atoms`, `number` the tally's in `Tally.sets`.
    """

    atom: Group
    atom_number: int
    member: int
    number: int
    shape: Shape
    limit: int
    count: tuple[Counter[int], Counter[int]] = field(default_factory=lambda: (Counter(), Counter()))
    floating: tuple[dict[int, frozenset[int]], dict[int, frozenset[int]]] = field(default_factory=lambda: ({}, {}))
    start: dict[int, int] = field(default_factory=dict)

    def instance(self, domain: int) -> Instance:
        """Name the instance of a key of `excess`."""
        return Instance(self.atom_number, self.member, domain)

    def excess(self) -> dict[int, int]:
        """Excess by domain (key 0 where the instance is the whole set) at the present counts; 0 is left out."""
        return {d: e for d, e in self.shape.excess(self.limit, self).items() if e > 0}

    def allowed(self, key: int) -> int:
        """Excess that may not be passed: what it was at the start."""
        return self.start.get(key, 0)

    def place(self, side: int, vm: int, domains: tuple[int, ...], by: int) -> None:
        """Count (`by` = +1) or no longer count (-1) a VM of one side whose ends lie in `domains`."""
        shape = self.shape
        there = frozenset(domains[:1] if shape.at_end else domains)
        if len(there) > 1 and not shape.both_ends:
            if by > 0:
                self.floating[side][vm] = there
            else:
                del self.floating[side][vm]
            return
        for d in there:
            _step(self.count[side], d, by)

    def other(self, side: int) -> int:
        """Return the side against which a VM of this side is counted: its own where there is but one."""
        return 1 - side if self.shape.needed_sides > 1 else side

    def with_one_more(self, side: int, domain: int, *, of_both: bool) -> int:
        """Return the excess in a domain if one more VM of this side (and `of_both`, of the other too) were there."""
        mine, theirs = self.count[side][domain] + 1, self.count[1 - side][domain] + of_both
        return self.shape.level_of(mine, theirs, self.limit)


def _step(count: Counter[int], domain: int, by: int) -> None:
    count[domain] += by
    if not count[domain]:
        del count[domain]


def excess_by_domain(s: SetTally, sides: Collection[int], here: int, domains: int) -> NDArray[np.int64]:
    """Return int64 [domains]: the excess of a set that is one instance, were a VM in each of them and not `here`.

    Parameters
    ----------
    sides
        The sides of the instance that the VM belongs to.
    here
        The one domain in which it is counted now; nothing may be floating.
    """
    left, right = (_without(count, here if side in sides else None) for side, count in enumerate(s.count))
    return _BY_DOMAIN[s.atom](s, left, right, sides, domains)


def _outside(s: SetTally, left: Counter[int], _: Counter[int], sides: Collection[int], domains: int) -> Excesses:
    size, most = left.total() + 1, max(left.values(), default=0)
    out = np.full(domains, size - max(most, 1), np.int64)
    for d, n in left.items():
        out[d] = size - max(most, n + 1)
    return out


def _lacking(s: SetTally, left: Counter[int], _: Counter[int], sides: Collection[int], domains: int) -> Excesses:
    out = np.full(domains, max(0, s.limit - len(left) - 1), np.int64)
    out[list(left)] = max(0, s.limit - len(left))
    return out


def _alone(s: SetTally, left: Counter[int], right: Counter[int], sides: Collection[int], domains: int) -> Excesses:
    lone = {d: n for d, n in left.items() if d not in right}
    out = np.full(domains, sum(lone.values()), np.int64)
    if RIGHT in sides:
        for d, n in lone.items():
            out[d] -= n
        return out
    served = np.zeros(domains, np.bool_)
    served[list(right)] = True
    out[~served] += 1
    return out


_BY_DOMAIN: ByShape[Callable[..., Excesses]] = ByShape(
    "the tally of sets", {TOGETHER: _outside, OCCUPANCY: _lacking, COMPANY: _alone}, (TOGETHER, OCCUPANCY, COMPANY)
)


def _without(count: Counter[int], domain: int | None) -> Counter[int]:
    if domain is None:
        return count
    rest = Counter(count)
    _step(rest, domain, -1)
    return rest
