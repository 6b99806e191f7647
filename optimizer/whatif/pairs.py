"""Which pairs of hosts may be lost together by what was found for each of them alone, without a packing of their own.

Two packings go together if nobody restarts on a lost host, each host has room for what it receives in both, and no two
VMs of a set arrive in one domain. Each host has up to two packings, the second one on other hosts than the first, so
that most pairs have a combination that does. Matrices over all pairs, receiver by receiver.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Part", "clashes", "go_together"]


@dataclass(frozen=True, eq=False)
class Part:
    """A packing of what one host loses.

    Attributes
    ----------
    created
        Pairs (VM, host).
    gets
        By host that receives: int64 [R], what it takes.
    meets
        Sets of the VMs: with the domain of arrival where a set only limits how many are in a domain.
    missing
        How many VMs have no host.
    """

    host: int
    created: tuple[tuple[int, int], ...]
    gets: dict[int, NDArray[np.int64]]
    meets: frozenset[tuple[int, ...]]
    missing: int


def go_together(parts: Sequence[Part], left: NDArray[np.int64]) -> bool:
    """Whether packings are right for all of their hosts at once; `left` is int64 [R, H]."""
    lost = {part.host for part in parts}
    seen: set[tuple[int, ...]] = set()
    gets: dict[int, NDArray[np.int64]] = {}
    for part in parts:
        if not seen.isdisjoint(part.meets) or not part.gets.keys().isdisjoint(lost):
            return False
        seen |= part.meets
        for to, amount in part.gets.items():
            gets[to] = gets[to] + amount if to in gets else amount
            if (gets[to] > np.maximum(left[:, to], 0))[gets[to] > 0].any():
                return False
    return True


def clashes(first: Mapping[int, Part], second: Mapping[int, Part], left: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return bool [H, H]: where the packing of one host in `first` does not go together with another's in `second`."""
    hosts = left.shape[1]
    out = np.ones((hosts, hosts), np.bool_)
    out[np.ix_(sorted(first), sorted(second))] = False
    for a, part in first.items():
        out[a, list(part.gets)] = True
    for b, part in second.items():
        out[list(part.gets), b] = True
    _meet(out, first, second)
    _fill(out, first, second, left)
    return out


def _meet(out: NDArray[np.bool_], first: Mapping[int, Part], second: Mapping[int, Part]) -> None:
    who: list[dict[tuple[int, ...], list[int]]] = []
    for parts in (first, second):
        of: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for host, part in parts.items():
            for key in part.meets:
                of[key].append(host)
        who.append(of)
    for key in who[0].keys() & who[1].keys():
        out[np.ix_(who[0][key], who[1][key])] = True


def _fill(
    out: NDArray[np.bool_], first: Mapping[int, Part], second: Mapping[int, Part], left: NDArray[np.int64]
) -> None:
    by: list[dict[int, list[int]]] = []
    for parts in (first, second):
        of: dict[int, list[int]] = defaultdict(list)
        for host, part in parts.items():
            for to in part.gets:
                of[to].append(host)
        by.append(of)
    for to in by[0].keys() & by[1].keys():
        here, there = by[0][to], by[1][to]
        mine = np.array([first[h].gets[to] for h in here])
        theirs = np.array([second[h].gets[to] for h in there])
        room = np.maximum(left[:, to], 0)
        over = np.zeros((len(here), len(there)), np.bool_)
        for r in range(len(room)):
            both = mine[:, r][:, None] + theirs[:, r][None, :]
            over |= (both > room[r]) & (both > 0)
        out[np.ix_(here, there)] |= over
