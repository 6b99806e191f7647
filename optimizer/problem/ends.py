"""VMs that migrate, counted at whichever end is worse: the two small exact searches that AtLeast and Needs ask for.

A VM *floats* while it may turn out to be in any of several domains. Both searches are hitting sets, so exponential at
worst. The first branches only where floating VMs share domains in circles; the second looks apart at what shares no
domain, and at each part once, so that chains and rings are no search either.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Set

__all__ = ["fewest_domains", "most_lone", "worst_held"]

Floats = frozenset[frozenset[int]]
Mine = frozenset[tuple[int, frozenset[int]]]


def fewest_domains(settled: Set[int], floating: Iterable[Set[int]]) -> int:
    """Return the fewest distinct domains that VMs occupy: `settled`, and one choice for each floating VM."""
    loose = frozenset(frozenset(f) for f in floating if settled.isdisjoint(f))
    return len(settled) + _cover(loose)


def _cover(floats: Floats) -> int:
    """Size of the smallest set of domains that meets every one of `floats`."""
    taken, floats = _forced(floats)
    if not floats:
        return taken
    degree = _degrees(floats)
    shared = max(degree, key=lambda d: (degree[d], -d))
    with_it = 1 + _cover(frozenset(f for f in floats if shared not in f))
    return taken + min(with_it, _cover(frozenset(f - {shared} for f in floats)))


def _forced(floats: Floats) -> tuple[int, Floats]:
    """Take the domains that some smallest set holds for certain; return how many, and what they leave.

    A domain that meets one set alone is never better than another of that set, which may meet more.
    """
    taken = 0
    while floats:
        single = {d for f in floats if len(f) == 1 for d in f}
        if single:
            taken, floats = taken + len(single), frozenset(f for f in floats if single.isdisjoint(f))
            continue
        degree = _degrees(floats)
        slim = frozenset(frozenset(d for d in f if degree[d] > 1) or frozenset((min(f),)) for f in floats)
        if slim == floats:
            break
        floats = slim
    return taken, floats


def _degrees(floats: Floats) -> Counter[int]:
    return Counter(d for f in floats for d in f)


def most_lone(
    left: Mapping[int, int],
    right: Set[int],
    floating_left: Collection[Set[int]] = (),
    floating_right: Iterable[Set[int]] = (),
) -> int:
    """Return the most VMs of the left that may stand in a domain without one of the right.

    Parameters
    ----------
    left
        How many settled VMs of the left are in each domain.
    right
        The domains that settled VMs of the right hold.
    floating_left, floating_right
        Where each floating VM may be. A VM of both sides holds its own domain: name it on the right only.
    """
    held = worst_held(left, right, floating_left, floating_right)
    return sum(n for d, n in left.items() if d not in held) + sum(not f <= held for f in floating_left)


def worst_held(
    left: Mapping[int, int],
    right: Set[int],
    floating_left: Collection[Set[int]] = (),
    floating_right: Iterable[Set[int]] = (),
) -> Set[int]:
    """Return domains that the right holds for choices that leave the most VMs of the left alone, as in `most_lone`."""
    loose = frozenset(frozenset(f) for f in floating_right if right.isdisjoint(f))
    tied = frozenset().union(*floating_left)
    loose = frozenset(f for f in loose if all(left.get(d, 0) or d in tied for d in f))  # else it is of use to nobody
    return _Holding(left).of(loose, _but(enumerate(floating_left), right)) | right if loose else right


def _but(mine: Iterable[tuple[int, Set[int]]], held: Set[int]) -> Mine:
    """Return the floating VMs of the left that have a domain which is not held, with these domains."""
    return frozenset((i, frozenset(rest)) for i, f in mine if (rest := f - held))


class _Holding:
    """Which domains the right holds at worst; parts that were looked at once are remembered."""

    def __init__(self, left: Mapping[int, int]) -> None:
        self._left = left
        self._known: dict[tuple[Floats, Mine], Set[int]] = {}

    def of(self, floats: Floats, mine: Mine) -> Set[int]:
        """Return the domains held, given the floating VMs of the right, and of the left."""
        held: set[int] = set()
        for part in _apart(floats, mine):
            if part not in self._known:
                self._known[part] = self._of_part(*part)
            held |= self._known[part]
        return held

    def _of_part(self, floats: Floats, mine: Mine) -> Set[int]:
        """Try both for one domain that most share: it is held, or it is not, and those that float hold another."""
        single = frozenset(d for f in floats if len(f) == 1 for d in f)
        if single:
            return single | self.of(frozenset(f for f in floats if single.isdisjoint(f)), _but(mine, single))
        degree = _degrees(floats)
        most = max(degree.values())
        shared = sorted(d for d in degree if degree[d] == most)
        d = shared[len(shared) // 2]  # of a chain one in the middle, so that it falls apart
        with_it = {d} | self.of(frozenset(f for f in floats if d not in f), _but(mine, {d}))
        without = self.of(frozenset(f - {d} for f in floats), frozenset(m for m in mine if d not in m[1]))
        domains = frozenset().union(*floats)
        return max(with_it, without, key=lambda held: self._lone(domains, mine, held))

    def _lone(self, domains: Set[int], mine: Mine, held: Set[int]) -> int:
        return sum(self._left.get(d, 0) for d in domains if d not in held) + sum(not f <= held for _, f in mine)


def _apart(floats: Floats, mine: Mine) -> Iterator[tuple[Floats, Mine]]:
    """Yield the parts that share no domain, directly or through others, as far as one of the right floats there."""
    part: dict[int, set[int]] = {}
    for tie in (*floats, *(f for _, f in mine)):
        found = {id(part[d]): part[d] for d in tie if d in part}
        joined = max(found.values(), key=len, default=set())
        for more in (*(other for other in found.values() if other is not joined), tie - joined):
            joined |= more
            part.update(dict.fromkeys(more, joined))
    theirs: defaultdict[int, set[frozenset[int]]] = defaultdict(set)
    ours: defaultdict[int, set[tuple[int, frozenset[int]]]] = defaultdict(set)
    for f in floats:
        theirs[id(part[next(iter(f))])].add(f)
    for i, f in mine:
        ours[id(part[next(iter(f))])].add((i, f))
    for key, those in theirs.items():
        yield frozenset(those), frozenset(ours[key])
