"""A component's curve of cost against harm without a model, where one order of departures is the best for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.bounds.eviction_relaxation import Component

__all__ = ["greedy_tradeoff"]


def greedy_tradeoff(
    component: Component, cost: NDArray[np.int64], hardness: Hardness, steps: int
) -> tuple[tuple[int, int], ...] | None:
    """Return what `components.curve` does for a component that is simple; None for others.

    It has at most `steps` entries. A component is simple where moves cost the same and no row has another opinion than
    the rest on which VMs are the largest.
    """
    rows = component.of(hardness)
    unit = int(cost[component.vms[0]]) if component.vms.size else 0
    coupled = hardness is Hardness.SHOULD and bool(component.of(Hardness.MUST))
    if coupled or not rows or any(len(row.sides) > 1 for row in rows) or (cost[component.vms] != unit).any():
        return None
    amounts = np.zeros((len(rows), component.vms.size), np.int64)
    for amount, row in zip(amounts, rows, strict=True):
        amount[np.searchsorted(component.vms, row.sides[0].vms)] = row.sides[0].amounts
    amounts = amounts[:, np.lexsort(-amounts)]
    if (np.diff(amounts, axis=1) > 0).any():
        return None
    gone = np.cumsum(np.insert(amounts, 0, 0, axis=1), axis=1).tolist()
    harms = [
        sum(row.harm(max(0, row.sides[0].need - left[k])) for row, left in zip(rows, gone, strict=True))
        for k in range(component.vms.size + 1)
    ]
    if not unit:  # all may leave for nothing
        return ((0, harms[-1]),)
    points = [(k * unit, least) for k, least in enumerate(harms) if not k or least < harms[k - 1]]
    return (*points[: steps - 1], (points[steps - 1][0], harms[-1])) if len(points) > steps else tuple(points)
