"""Who leaves a component where there is no time to find out who had better: row by row, the largest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from optimizer.bounds.eviction_relaxation import Component, Row, Side

__all__ = ["Eviction", "greedy_eviction"]


@dataclass(frozen=True, slots=True)
class Eviction:
    """VMs that leave a component, what they cost and what harm the component keeps: (must, should, priced).

    `cost` and each harm are bounds as well where `exact`: no set of departures does better, in that order.
    """

    vms: tuple[int, ...]
    cost: int
    harms: tuple[int, int, int]
    exact: bool


def greedy_eviction(component: Component, cost: NDArray[np.int64], size: NDArray[np.float64]) -> Eviction:
    """Return departures that leave as little harm as any, musts first; no bound on anything.

    Parameters
    ----------
    cost
        int64 [V]: what a move of each VM counts.
    size
        float64 [V]: how hard each VM is to place; settles ties.
    """
    gone: dict[int, None] = {}
    for row in sorted(component.rows, key=lambda row: row.asked.hardness is not Hardness.MUST):
        if row.asked.price is None:
            options = [_enough(side, gone, cost, size) for side in row.sides]
            gone.update(dict.fromkeys(min(options, key=lambda vms: sum(int(cost[v]) for v in vms))))
    harms = (
        _left(component.of(Hardness.MUST), gone),
        _left(component.of(Hardness.SHOULD), gone),
        sum(_excess(row, gone) and row.harm(_excess(row, gone)) for row in component.of(Hardness.SHOULD, priced=True)),
    )
    return Eviction(tuple(sorted(gone)), sum(int(cost[v]) for v in gone), harms, exact=False)


def _enough(side: Side, gone: dict[int, None], cost: NDArray[np.int64], size: NDArray[np.float64]) -> list[int]:
    """Return VMs of a side that, beside those gone already, are what has to leave: most for their cost first."""
    need = side.need - sum(int(a) for v, a in zip(side.vms.tolist(), side.amounts, strict=True) if v in gone)
    if need <= 0:
        return []
    rest = np.array([v not in gone for v in side.vms.tolist()], np.bool_)
    vms, amounts = side.vms[rest], side.amounts[rest]
    worth = np.minimum(amounts, need) / np.maximum(cost[vms], 1)
    best = np.lexsort((vms, size[vms], -worth))
    count = int(np.searchsorted(np.cumsum(amounts[best]), need)) + 1
    return [int(v) for v in vms[best[:count]]]


def _left(rows: Iterable[Row], gone: dict[int, None]) -> int:
    return sum(row.harm(_excess(row, gone)) for row in rows)


def _excess(row: Row, gone: dict[int, None]) -> int:
    left = (
        side.need - sum(int(a) for v, a in zip(side.vms.tolist(), side.amounts, strict=True) if v in gone)
        for side in row.sides
    )
    return max(0, min(left))
