"""VMs that migrate, counted at whichever end is worse: the two small exact searches that AtLeast and Needs ask for.

A VM *floats* while it may turn out to be in any of several domains. Both searches are hitting sets, so exponential at
worst; they branch only where floating VMs share domains in circles, which is rare and small.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Set

__all__ = ["fewest_domains", "most_lone"]

Floats = frozenset[frozenset[int]]


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
    loose = {frozenset(f) for f in floating_right if right.isdisjoint(f)}
    mine = [frozenset(f) for f in floating_left]
    tied = frozenset().union(*mine)
    loose = {f for f in loose if all(left.get(d, 0) or d in tied for d in f)}  # elsewhere it is of use to nobody
    parts = _apart([*loose, *(f for f in mine if not f <= right)])
    inside = frozenset().union(*(f for part in parts for f in part))
    total = sum(n for d, n in left.items() if d not in right and d not in inside)
    for part in parts:
        domains = frozenset().union(*part)
        weights = {d: left[d] for d in domains if d in left}
        total += _most_lone(weights, right, [f for f in mine if f <= domains], [f for f in part if f in loose])
    return total


def _most_lone(left: Mapping[int, int], right: Set[int], mine: Collection[Set[int]], loose: Iterable[Set[int]]) -> int:
    """Try every domain of one floating VM of the right after the other."""
    rest = [f for f in loose if right.isdisjoint(f)]
    if not rest:
        return sum(n for d, n in left.items() if d not in right) + sum(not f <= right for f in mine)
    return max(_most_lone(left, {*right, d}, mine, rest[1:]) for d in sorted(rest[0]))


def _apart(sets: Iterable[frozenset[int]]) -> list[list[frozenset[int]]]:
    """Put together the sets that share a domain, directly or through others."""
    parts: list[tuple[frozenset[int], list[frozenset[int]]]] = []
    for one in sets:
        domains, members, others = one, [one], []
        for part in parts:
            if part[0].isdisjoint(one):
                others.append(part)
            else:
                domains, members = domains | part[0], members + part[1]
        parts = [*others, (domains, members)]
    return [members for _, members in parts]
