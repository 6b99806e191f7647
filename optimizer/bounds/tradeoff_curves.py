"""The connected components' curves: for each cost, the least harm that departures at that cost leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.bounds.component_model import curve
from optimizer.bounds.greedy_tradeoff import greedy_tradeoff
from optimizer.bounds.subsets import best_subsets
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.bounds.eviction_relaxation import Component
    from optimizer.bounds.evictions import Evictions
    from optimizer.problem.atoms import Flow

    Points = tuple[tuple[int, int], ...]

__all__ = ["TradeoffCurves"]


class TradeoffCurves:
    """Curves of (cost, least harm with at most that cost), each computed when it is first asked for, and then kept.

    None depends on another, so the order in which they are asked for changes none of them. The one thing that does is
    the clock: a curve for which time ran out is left out, whichever that is.
    """

    def __init__(self, evictions: Evictions) -> None:
        self.departures, self.given = evictions.departures, evictions.given
        self.stop, self.left = evictions.stop, evictions.left
        self._known: dict[tuple[int | None, Hardness, int], Points] = {}

    def of(self, hardness: Hardness, flow: Flow | None = None) -> list[tuple[Component, Points]]:
        """Return the curves of the components that have such harm: those that time allows, and the first simple ones.

        Parameters
        ----------
        flow
            The budget whose cost counts; that of moving, where it is not given.
        """
        problem, out, over = self.departures.problem, [], self.few_more()
        cost = problem.moving if flow is None else flow.cost
        number = None if flow is None else next(i for i, f in enumerate(problem.flows) if f is flow)
        for i, component in enumerate(self.departures.components):
            if component.of(hardness) or (hardness is Hardness.SHOULD and component.of(Hardness.MUST)):
                key = (number, hardness, i)
                points = self._known.get(key) or self._points(component, cost, hardness, over)
                if points is not None:
                    self._known[key] = points
                    out.append((component, points))
        return out

    def few_more(self) -> Callable[[], bool]:
        """Return what says whether to stop: a little after the clock does, where that is enough for all components."""
        left = self.given.late if len(self.departures.components) <= self.given.late else 0

        def over() -> bool:
            nonlocal left
            left -= self.stop()
            return left < 0

        return over

    def _points(
        self, component: Component, cost: NDArray[np.int64], hardness: Hardness, over: Callable[[], bool]
    ) -> Points | None:
        """Return a curve, if possible one that takes no model; None without time."""
        if over():
            return None
        simple = greedy_tradeoff(component, cost, hardness, self.given.curve_steps) if self.given.tradeoff else None
        simple = simple or best_subsets(component, cost, hardness, self.given)
        if simple is not None or self.stop():
            return simple
        return curve(component, cost, hardness, self.given, self.stop, self.left)
