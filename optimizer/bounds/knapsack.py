"""Many curves of cost against harm, one choice from each: the least harm for a total cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.limits import OutOfTime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["knapsack"]


def knapsack(
    curves: Sequence[Sequence[tuple[int, int]]], steps: int, stop: Callable[[], bool] = lambda: False
) -> tuple[NDArray[np.int64], int]:
    """Combine curves of (cost, least harm with at most that cost), one of each.

    Parameters
    ----------
    steps
        Of cost; larger costs are rounded down to that many.

    Returns
    -------
    frontier, step
        ``frontier[c]`` is a lower bound on the total harm at a total cost below ``(c + 1) * step`` (int64; very large
        where even the curves' first points cost more). Costs are rounded down to `step`, so the bound stays true.

    Raises
    ------
    OutOfTime
        If `stop` says so before the last curve: a part of them is no bound on all.
    """
    total = sum(points[-1][0] for points in curves)
    step = max(1, -(-total // steps))
    length = sum(points[-1][0] // step for points in curves) + 1
    never = np.int64(2**61)
    frontier = np.zeros(length, np.int64)
    for points in curves:
        if stop():
            raise OutOfTime
        best = np.full(length, never)
        for cost, harm in points:
            c = cost // step
            np.minimum(best[c:], frontier[: length - c] + harm, out=best[c:])
        frontier = np.minimum(best, never)
    return np.minimum.accumulate(frontier), step
