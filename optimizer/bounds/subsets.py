"""What a model says of a component, by looking at every set of departures: for the many components of a few VMs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.greedy_eviction import Eviction
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.bounds.eviction_relaxation import Component, Row
    from optimizer.parameters import Bounding

__all__ = ["best_departures", "best_subsets"]


def best_departures(
    component: Component, cost: NDArray[np.int64], size: NDArray[np.float64], given: Bounding
) -> Eviction | None:
    """Return what `components.least_eviction` does; None for components of many VMs."""
    if component.vms.size > given.subsets:
        return None
    gone = _every_set(component)
    spent = gone @ cost[component.vms]
    largest = float(size[component.vms].max(initial=0.0)) or 1.0
    ease = gone @ (1 + np.rint(given.ease_steps * size[component.vms] / largest).astype(np.int64))
    must, should = _harm(component, Hardness.MUST, gone), _harm(component, Hardness.SHOULD, gone)
    priced = _harm(component, Hardness.SHOULD, gone, priced=True)
    has_priced = bool(component.of(Hardness.SHOULD, priced=True))
    stages = (must, should, priced + MILLI * spent if has_priced else np.zeros_like(spent), spent, ease)
    best = int(np.lexsort((np.arange(len(gone)), *reversed(stages)))[0])
    vms = tuple(component.vms[gone[best].astype(np.bool_)].tolist())
    return Eviction(vms, int(spent[best]), (int(must[best]), int(should[best]), int(priced[best])), exact=True)


def best_subsets(
    component: Component, cost: NDArray[np.int64], hardness: Hardness, given: Bounding
) -> tuple[tuple[int, int], ...] | None:
    """Return what `components.curve` does; None for components of many VMs, or where musts cannot all be repaired."""
    if component.vms.size > given.subsets:
        return None
    gone = _every_set(component)
    spent = gone @ cost[component.vms]
    harm = _harm(component, hardness, gone)
    if hardness is Hardness.SHOULD:
        clean = _harm(component, Hardness.MUST, gone) == 0
        if not clean.any():
            return None
        spent, harm = spent[clean], harm[clean]
    order = np.lexsort((harm, spent))
    spent, least = spent[order], np.minimum.accumulate(harm[order])
    falls = np.flatnonzero(np.diff(least, prepend=least[0] + 1))
    points = [(int(spent[i]), int(least[i])) for i in falls[: given.curve_steps].tolist()]
    return (*points[:-1], (points[-1][0], int(least[-1])))


def _every_set(component: Component) -> NDArray[np.int64]:
    """Return int64 [sets, VMs]: 1 where the VM leaves."""
    numbers = np.arange(1 << component.vms.size)
    return np.asarray((numbers[:, None] >> np.arange(component.vms.size)) & 1, np.int64)


def _harm(
    component: Component, hardness: Hardness, gone: NDArray[np.int64], *, priced: bool = False
) -> NDArray[np.int64]:
    """Return int64 [sets]: the harm of the rows that each set of departures (bits [sets, VMs]) leaves."""
    out = np.zeros(len(gone), np.int64)
    for row in component.of(hardness, priced=priced):
        weight = row.asked.weight if row.asked.price is None else row.asked.price
        out += weight * -(-MILLI * _excess(component, row, gone) // row.unit)
    return out


def _excess(component: Component, row: Row, gone: NDArray[np.int64]) -> NDArray[np.int64]:
    left = [side.need - gone[:, np.searchsorted(component.vms, side.vms)] @ side.amounts for side in row.sides]
    return np.asarray(np.maximum(np.minimum.reduce(left), 0))
