"""VMs under way at whichever end is worse: the two small exact searches that AtLeast and Needs ask for.

A VM *floats* while it may turn out to be in any of several domains. Both searches are hitting sets, so exponential at
worst; they branch only where floating VMs share a domain, which is rare and small.
"""

from __future__ import annotations

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
    floats = frozenset(f for f in floats if not any(other < f for other in floats))
    degree: dict[int, int] = {}
    for f in floats:
        for d in f:
            degree[d] = degree.get(d, 0) + 1
    shared = max(degree, key=lambda d: (degree[d], -d), default=-1)
    if not floats or degree[shared] == 1:
        return len(floats)
    taken = 1 + _cover(frozenset(f for f in floats if shared not in f))
    shrunk = frozenset(f - {shared} for f in floats)
    return taken if frozenset() in shrunk else min(taken, _cover(shrunk))


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
    loose = next((f for f in floating_right if right.isdisjoint(f)), None)
    if loose is None:
        settled = sum(n for d, n in left.items() if d not in right)
        return settled + sum(not f <= right for f in floating_left)
    rest = frozenset(frozenset(f) for f in floating_right if right.isdisjoint(f))
    return max(most_lone(left, {*right, d}, floating_left, rest) for d in sorted(loose))
