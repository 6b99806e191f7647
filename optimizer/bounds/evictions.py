"""Who had better leave: the least eviction of each connected component, and what of it the budgets pay for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.affordable import affordable, everywhere
from optimizer.bounds.component_model import least_eviction
from optimizer.bounds.subsets import best_departures
from optimizer.bounds.too_large import too_large
from optimizer.parameters import Bounding
from optimizer.problem.problem import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.bounds.eviction_relaxation import Component, EvictionRelaxation
    from optimizer.bounds.greedy_eviction import Eviction
    from optimizer.problem.problem import Problem

__all__ = ["Evictions"]


@dataclass(frozen=True)
class Evictions:
    """Departures that repair as much as departures can.

    Parameters
    ----------
    departures
        The relaxation.
    size
        float64 [V]: how hard each VM is to place; settles ties among evictions.
    stop
        Says when there is no time left: a component not reached by then counts 0.
    left
        Wall seconds that are left, for what is told beforehand how long it may take.
    given
        The parameters of this part of the search.
    """

    departures: EvictionRelaxation
    size: NDArray[np.float64]
    stop: Callable[[], bool]
    seed: int = 0
    left: Callable[[], float] = lambda: inf
    given: Bounding = field(default_factory=Bounding)

    @property
    def problem(self) -> Problem:
        """The problem that is relaxed."""
        return self.departures.problem

    @cached_property
    def least(self) -> tuple[Eviction | None, ...]:
        """The least eviction of each component; None where time ran out."""
        return self._of_each(self.size)

    @cached_property
    def too_large(self) -> dict[int, int]:
        """The VMs that fit on no host, and the harm of shoulds that each does wherever it is."""
        return too_large(self.problem, Stage.SHOULD_HARM)

    @cached_property
    def thrifty(self) -> tuple[Eviction | None, ...]:
        """The least eviction of each component that, among equals, spends least of a budget that is short."""
        return self.least if self.overdrawn is None else self._of_each(self.overdrawn.astype(np.float64))

    def _of_each(self, size: NDArray[np.float64]) -> tuple[Eviction | None, ...]:
        left = self._share(self.given.evictions_share)
        components = self.departures.components
        found: list[Eviction | None] = []
        for component in components:
            if self.stop():
                break
            found.append(self._least(component, size, left))
        return (*found, *[None] * (len(components) - len(found)))

    def _least(self, component: Component, size: NDArray[np.float64], left: Callable[[], float]) -> Eviction:
        cost = self.problem.moving
        simple = best_departures(component, cost, size, self.given) if len(component.rows) > 1 else None
        return simple or least_eviction(component, cost, size, self.given, self.seed, left)

    def _share(self, share: float) -> Callable[[], float]:
        """Return what says how much is left of a share of the time that is left now."""
        kept = self.left() * (1 - share)
        return self.left if kept == inf else lambda: self.left() - kept

    @cached_property
    def overdrawn(self) -> NDArray[np.int64] | None:
        """What a move of each VM costs in the budget that the least evictions overdraw most; None where they do not."""
        worst, cost = 1.0, None
        for flow in everywhere(self.problem):
            over = sum(int(flow.cost[v]) for e in self.least if e for v in e.vms) / max(flow.limit, 1)
            if over > worst:
                worst, cost = over, flow.cost
        return cost

    @cached_property
    def affordable(self) -> frozenset[int]:
        """Who leaves where a budget does not pay for all; nobody where it does, or where there was no time to say."""
        if self.overdrawn is None or not self.given.affordable or self.stop():
            return frozenset()
        seconds = self.left() * self.given.affordable_share
        components = self.departures.components
        return affordable(self.problem, components, self.size, self.seed, seconds, self.given, self.stop)
