"""How many of one kind fit, without a search: exact where the domains of its rows nest.

Rows whose domains nest (hosts in racks in zones) form a laminar family, over which taking greedily in any order takes
the most. Where levels cross, or demands couple VMs, the model of `optimizer.whatif.model` answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.whatif.room import Room

__all__ = ["Cap", "fill", "nest"]

Cap = tuple["NDArray[np.int32]", "NDArray[np.int64]"]
"""The domain of each host (int32 [H]), and how many VMs each domain may get (int64 [domains])."""


def nest(domains: Sequence[NDArray[np.int32]]) -> bool:
    """Whether the domains (int32 [H] each) are a laminar family: any two of them disjoint, or one within the other."""
    coarse_first = sorted(domains, key=lambda d: len(np.unique(d)))
    return all(_within(fine, coarse) for i, coarse in enumerate(coarse_first) for fine in coarse_first[i + 1 :])


def _within(fine: NDArray[np.int32], coarse: NDArray[np.int32]) -> bool:
    """Whether each domain of `fine` lies in one of `coarse`."""
    of = np.full(int(fine.max(initial=-1)) + 1, -1, np.int64)
    of[fine] = coarse
    return bool((of[fine] == coarse).all())


def fill(room: Room, kind: int, wanted: int, caps: Sequence[Cap] = ()) -> NDArray[np.int64]:
    """Return int64 [H]: how many of a kind on each host, `wanted` in all or as many as there is room for.

    Couplings are not looked at. It is the most if `nest` says so of all rows and caps.
    """
    left = room.most(kind)
    rows = [(row.domain, row.left // row.amount[kind]) for row in room.rows if row.level and row.amount[kind] > 0]
    rows = [(domain, most.copy()) for domain, most in (*rows, *caps)]
    if not rows:
        return _first(left, wanted)
    out = np.zeros(room.hosts, np.int64)
    for host in np.flatnonzero(left).tolist():
        n = min(int(left[host]), wanted, *(int(most[domain[host]]) for domain, most in rows))
        if n > 0:
            out[host] = n
            wanted -= n
            for domain, most in rows:
                most[domain[host]] -= n
    return out


def _first(left: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    before = np.cumsum(left) - left
    return np.asarray(np.clip(wanted - before, 0, left), np.int64)
