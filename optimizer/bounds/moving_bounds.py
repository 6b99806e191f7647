"""Moving that no plan saves, given the harm that it leaves: a plan that leaves more may get away with fewer moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.component_model import ComponentModel
from optimizer.bounds.knapsack import knapsack
from optimizer.bounds.proof_parts import part_of, proof_of
from optimizer.limits import OutOfTime
from optimizer.plan import Proof
from optimizer.problem.problem import Stage
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.bounds.eviction_relaxation import Component
    from optimizer.bounds.evictions import Evictions
    from optimizer.bounds.tradeoff_curves import TradeoffCurves

__all__ = ["MovingBounds"]


class MovingBounds:
    """Bounds of the stages priced and moving."""

    def __init__(self, evictions: Evictions, curves: TradeoffCurves) -> None:
        self.evictions, self.curves = evictions, curves
        self.departures, self.problem = evictions.departures, evictions.problem

    def priced(self, values: Mapping[Stage, int]) -> Proof:
        """Return a proof for moves and priced harm together, given the harm before them."""
        parts = []
        clean = values[Stage.HARM] == 0 and values.get(Stage.SHOULD_HARM, 0) == 0
        for component in self.departures.components:
            model = self._model(component, clean=clean)
            _, least = model.minimum(model.priced + MILLI * model.cost, self.evictions.seed)
            if least:
                parts.append(part_of(self.problem, component, least, "own minimum"))
        return proof_of(Stage.PRICED, parts)

    def moving(self, values: Mapping[Stage, int]) -> Proof:
        """Return a proof for the moving, given all harm: with harm left, by the components' curves."""
        for stage, hardness in ((Stage.HARM, Hardness.MUST), (Stage.SHOULD_HARM, Hardness.SHOULD)):
            if values.get(stage, 0) > 0:
                return self._moving_with_harm(hardness, values[stage])
        parts = []
        for component, eviction in zip(self.departures.components, self.evictions.least, strict=True):
            if Stage.PRICED in values:
                model = self._model(component, clean=True)
                _, least = model.minimum(model.cost, self.evictions.seed)
            else:
                least = eviction.cost if eviction and eviction.exact else 0
            if least:
                parts.append(part_of(self.problem, component, least, "own minimum"))
        return proof_of(Stage.MOVING, parts)

    def _model(self, component: Component, *, clean: bool) -> ComponentModel:
        model = ComponentModel(component, self.problem.moving, self.evictions.given, self.evictions.left)
        if clean:
            model.cp.add(model.must <= 0)
            model.cp.add(model.should <= 0)
        return model

    def _moving_with_harm(self, hardness: Hardness, harm: int) -> Proof:
        curves = self.curves.of(hardness)
        if hardness is Hardness.SHOULD:
            curves = [(component, self._kept(component, points)) for component, points in curves]
        try:
            frontier, step = knapsack([c for _, c in curves], self.evictions.given.frontier, self.curves.few_more())
        except OutOfTime:
            return proof_of(Stage.MOVING, [])
        enough = np.flatnonzero(frontier <= harm)
        bound = int(enough[0]) * step if enough.size else 0
        parts = [part_of(self.problem, component, points[0][0], "own minimum", points) for component, points in curves]
        return Proof(Stage.MOVING.value, bound, tuple(parts))

    def _kept(self, component: Component, points: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        """Return a curve that falls no further than to what VMs that are too large do, be it here or elsewhere."""
        floor = sum(self.evictions.too_large.get(v, 0) for v in component.vms.tolist())
        above = [(cost, harm) for cost, harm in points if harm > floor]
        at = next((cost for cost, harm in points if harm <= floor), None)
        return tuple(above) if at is None else (*above, (at, floor))
