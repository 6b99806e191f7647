"""How many fit after K moves at most, from weights on resources: moves give what they take.

Let a VM more take one unit of each resource, and let weights be a mean of resources. A host has never more VMs than the
weighted sum of what is left there, and over all hosts moves change no sum. So all that moves can gain is what hosts
that they reach have left beyond the VMs that they take: their slack. A host that one VM leaves gains no more than its
departure lets in, less what it freed; a host that VMs enter no more than these take. The sum of the largest such gains
for K departures and K arrivals bounds what K moves gain, for any weights; the best of a lattice of weights counts. For
the best few, each move is bounded by itself too: a host with slack in one resource is often full of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Rooms", "most_by_weights"]

POINTS = 300
"""Weights tried, about."""

CLOSER = 24
"""With the best of them, each VM that may move is looked at by itself."""


@dataclass(frozen=True, eq=False)
class Rooms:
    """What new VMs find, in units of what one of them takes.

    Attributes
    ----------
    left
        float64 [R, H]: what is left of each resource that limits them.
    fit
        int64 [H]: how many fit without a move; 0 where they may not be.
    open_
        bool [H]: where they may be.
    freed, takes
        float64 [R, n] of the VMs that may move: what each frees on its host (also where a limit is exceeded: new VMs
        may come as long as it is no more than before), and what it takes where it goes.
    lets_in
        int64 [n]: how many more fit where it leaves.
    at
        int64 [n]: its host.
    fits
        bool [n, H]: where there is room for it, or None: not looked at.
    """

    left: NDArray[np.float64]
    fit: NDArray[np.int64]
    open_: NDArray[np.bool_]
    freed: NDArray[np.float64]
    takes: NDArray[np.float64]
    lets_in: NDArray[np.int64]
    at: NDArray[np.int64]
    fits: NDArray[np.bool_] | None = None


def most_by_weights(rooms: Rooms, moves: int) -> NDArray[np.int64] | None:
    """Return int64 [moves + 1]: how many fit at most after 0, 1, ... moves; None where no resource limits them."""
    if not len(rooms.left) or not len(rooms.at):
        return None
    found = [(_bound(rooms, weights, moves), weights) for weights in _lattice(len(rooms.left))]
    best = np.min([bound for bound, _ in found], axis=0)
    if rooms.fits is not None:
        found.sort(key=lambda pair: float(pair[0][-1]))
        for _, weights in found[:CLOSER]:
            best = np.minimum(best, _bound_by_vm(rooms, weights, moves, rooms.fits))
    best[0] = rooms.fit.sum()
    return np.asarray(np.floor(best + 1e-6), np.int64)


def _lattice(resources: int) -> Iterator[NDArray[np.float64]]:
    """Yield weights that add up to 1, those of one resource alone among them."""
    parts = 1
    while _points(resources, parts + 1) <= POINTS and parts < 64:
        parts += 1
    for bars in combinations(range(parts + resources - 1), resources - 1):
        ends = np.array([-1, *bars, parts + resources - 1])
        yield (np.diff(ends) - 1) / parts


def _points(resources: int, parts: int) -> int:
    return comb(parts + resources - 1, resources - 1)


def _bound(rooms: Rooms, weights: NDArray[np.float64], moves: int) -> NDArray[np.float64]:
    slack = np.maximum(weights @ rooms.left - rooms.fit, 0.0)
    takes = weights @ rooms.takes
    first = np.zeros(len(slack))
    np.maximum.at(first, rooms.at, rooms.lets_in - weights @ rooms.freed)
    several = np.where((np.bincount(rooms.at, minlength=len(slack)) > 1) & rooms.open_, slack, 0.0)
    first = np.where(rooms.open_, np.minimum(first, slack), 0.0)
    first, several = np.maximum(first, several / 2), np.maximum(several, first)
    leaving = _largest(np.concatenate([first, several - first]), moves)
    largest = max(float(takes.max()), 1e-9)
    whole = np.minimum(slack // largest, moves).astype(np.int64)
    count = int(min(moves, whole.sum()))
    rest = np.sort(np.where(whole < moves, slack - whole * largest, 0.0))
    coming = _largest(np.concatenate([np.full(count, largest), rest]), moves)
    return np.asarray(float(rooms.fit.sum()) + leaving + coming, np.float64)


def _bound_by_vm(
    rooms: Rooms, weights: NDArray[np.float64], moves: int, fits: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Bound each move by itself: what it gains where it leaves, and the most slack of a host that has room for it."""
    slack = np.maximum(weights @ rooms.left - rooms.fit, 0.0)
    order = np.argsort(-slack)
    there = fits[:, order]
    most = np.where(there.any(axis=1), slack[order][there.argmax(axis=1)], 0.0)
    here = np.where(rooms.open_, slack, 0.0)[rooms.at]
    several = np.bincount(rooms.at, minlength=len(slack))[rooms.at] > 1
    alone = np.minimum(rooms.lets_in - weights @ rooms.freed, here)
    leaving = np.maximum(np.maximum(alone, 0.0), np.where(several, here / 2, 0.0))
    each = leaving + np.minimum(weights @ rooms.takes, most)
    each[~there.any(axis=1)] = 0.0
    return np.asarray(float(rooms.fit.sum()) + _largest(each, moves), np.float64)


def _largest(gains: NDArray[np.float64], moves: int) -> NDArray[np.float64]:
    """Return float64 [moves + 1]: the sum of the 0, 1, ... largest gains."""
    top = -np.sort(-gains)[:moves]
    out = np.zeros(moves + 1)
    out[1 : len(top) + 1] = np.cumsum(top)
    out[len(top) + 1 :] = out[len(top)]
    return out
