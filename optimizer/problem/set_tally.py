"""Counts of one set of VMs, or of a pair of sets: how many are in each domain, and the excess that follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optimizer.problem.atoms import Apart, AtLeast, AtMost, Needs, Same
from optimizer.problem.ends import fewest_domains, most_lone

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LEFT", "RIGHT", "SetAtom", "SetTally"]

SetAtom = AtMost | Apart | AtLeast | Same | Needs
LEFT, RIGHT = 0, 1


@dataclass(slots=True, eq=False)
class SetTally:
    """Counts of one set (or pair of sets) of an atom: how many distinct VMs of each side are in each domain.

    AtLeast and Needs judge a VM in flight at its worse end, so while its ends lie in different domains it is in
    `floating` (domains by VM, a mapping for each side) and in no count. Same judges where a VM stands: its first end.
    `number` is the tally's place in `Tally.sets`.
    """

    atom: SetAtom
    member: int
    count: tuple[Counter[int], Counter[int]] = field(default_factory=lambda: (Counter(), Counter()))
    floating: tuple[dict[int, frozenset[int]], dict[int, frozenset[int]]] = field(default_factory=lambda: ({}, {}))
    start: dict[int, int] = field(default_factory=dict)
    number: int = 0

    def excess(self) -> dict[int, int]:
        """Excess by domain (key 0 where the instance is the whole set) at the present counts; 0 is left out."""
        return {d: e for d, e in _EXCESS[type(self.atom)](self).items() if e > 0}

    def allowed(self, key: int) -> int:
        """Excess that may not be passed: what it was at the start."""
        return self.start.get(key, 0)

    def place(self, side: int, vm: int, domains: tuple[int, ...], by: int) -> None:
        """Count (`by` = +1) or no longer count (-1) a VM of one side whose ends lie in `domains`."""
        there = frozenset(domains[:1] if isinstance(self.atom, Same) else domains)
        if len(there) > 1 and isinstance(self.atom, AtLeast | Needs):
            if by > 0:
                self.floating[side][vm] = there
            else:
                del self.floating[side][vm]
            return
        for d in there:
            _step(self.count[side], d, by)


def _at_most(s: SetTally) -> dict[int, int]:
    assert isinstance(s.atom, AtMost)
    k = int(s.atom.k[s.member])
    return {d: n - k for d, n in s.count[LEFT].items()}


def _apart(s: SetTally) -> dict[int, int]:
    return {d: min(n, s.count[RIGHT][d]) for d, n in s.count[LEFT].items() if d in s.count[RIGHT]}


def _at_least(s: SetTally) -> dict[int, int]:
    assert isinstance(s.atom, AtLeast)
    settled, loose = s.count[LEFT], s.floating[LEFT]
    occupied = fewest_domains(settled.keys(), loose.values()) if loose else len(settled)
    return {0: int(s.atom.k[s.member]) - occupied} if occupied else {}


def _same(s: SetTally) -> dict[int, int]:
    return {0: s.count[LEFT].total() - max(s.count[LEFT].values(), default=0)}


def _needs(s: SetTally) -> dict[int, int]:
    both, right = s.floating
    left = [f for vm, f in both.items() if vm not in right]
    return {0: most_lone(s.count[LEFT], s.count[RIGHT].keys(), left, right.values())}


_EXCESS: dict[type, Callable[[SetTally], dict[int, int]]] = {
    AtMost: _at_most,
    Apart: _apart,
    AtLeast: _at_least,
    Same: _same,
    Needs: _needs,
}


def _step(count: Counter[int], domain: int, by: int) -> None:
    count[domain] += by
    if not count[domain]:
        del count[domain]
