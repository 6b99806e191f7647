"""What no plan can beat: bounds of every stage, with the parts that prove them.

A stage's bound holds given the values that the stages before it reached: a plan that leaves more harm may get away
with fewer moves. The parts are stated in docs/architecture.md; `optimizer.verify.verify` computes them again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

from optimizer.bounds.evictions import Evictions
from optimizer.bounds.harm_bounds import HarmBounds
from optimizer.bounds.moving_bounds import MovingBounds
from optimizer.bounds.tradeoff_curves import TradeoffCurves
from optimizer.parameters import Bounding
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import Problem, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.bounds.eviction_relaxation import EvictionRelaxation
    from optimizer.bounds.greedy_eviction import Eviction
    from optimizer.bounds.room_prices import PricedRooms
    from optimizer.plan import Proof

__all__ = ["Bounds", "is_within"]


@dataclass(frozen=True)
class Bounds:
    """Bounds from the eviction relaxation of a problem, stage by stage.

    What it answers does not depend on the order of questions: each answer follows from the problem alone, is computed
    when it is first asked for, and kept. It does depend on the clock where time runs out midway: what was not reached
    by then counts nothing.

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
    gap
        How far above its bound the moving may be, as a share of itself, for nothing better to be looked for.
    given
        The parameters of this part of the search.
    rooms
        Prices for receiving VMs, where some were looked for: they may say more of moving.
    """

    departures: EvictionRelaxation
    size: NDArray[np.float64]
    stop: Callable[[], bool]
    seed: int = 0
    left: Callable[[], float] = lambda: inf
    gap: float = 0.0
    given: Bounding = field(default_factory=Bounding)
    rooms: list[PricedRooms] = field(default_factory=list)

    @property
    def problem(self) -> Problem:
        """The problem that is bounded."""
        return self.departures.problem

    @cached_property
    def _evictions(self) -> Evictions:
        return Evictions(self.departures, self.size, self.stop, self.seed, self.left, self.given)

    @cached_property
    def _curves(self) -> TradeoffCurves:
        return TradeoffCurves(self._evictions)

    @cached_property
    def _harm(self) -> HarmBounds:
        return HarmBounds(self._evictions, self._curves)

    @cached_property
    def _moves(self) -> MovingBounds:
        return MovingBounds(self._evictions, self._curves)

    # -- who had better leave ------------------------------------------------------------------------------------

    @property
    def evictions(self) -> tuple[Eviction | None, ...]:
        """See `Evictions.least`."""
        return self._evictions.least

    @property
    def thrifty(self) -> tuple[Eviction | None, ...]:
        """See `Evictions.thrifty`."""
        return self._evictions.thrifty

    @property
    def overdrawn(self) -> NDArray[np.int64] | None:
        """See `Evictions.overdrawn`."""
        return self._evictions.overdrawn

    @property
    def affordable(self) -> frozenset[int]:
        """See `Evictions.affordable`."""
        return self._evictions.affordable

    # -- what no plan can beat -----------------------------------------------------------------------------------

    def prove(self, values: Mapping[Stage, int]) -> dict[Stage, Proof]:
        """Return a proof for each of the stages harm, should_harm, priced and moving that is among `values`.

        Parameters
        ----------
        values
            What a plan reached, stage by stage.
        """
        makers = {
            Stage.HARM: self._harm.harm,
            Stage.SHOULD_HARM: self._harm.should_harm,
            Stage.PRICED: self._moves.priced,
            Stage.MOVING: self._moving,
        }
        return {stage: make(values) for stage, make in makers.items() if stage in values}

    def _moving(self, values: Mapping[Stage, int]) -> Proof:
        proofs = [self._moves.moving(values), *(rooms.proof(values) for rooms in self.rooms)]
        return max(proofs, key=lambda proof: proof.bound)

    def _least_moving(self, values: Mapping[Stage, int]) -> int:
        harm = values.get(Stage.SHOULD_HARM, 0)
        known = [0] if values[Stage.HARM] else [0, *(rooms.bound(harm) for rooms in self.rooms)]
        return max(self._moves.moving(values).bound, *known)

    @cached_property
    def whatever_else(self) -> dict[Stage, int]:
        """The least harm of stages that keep some, whatever the others come to."""
        found = {s: self._harm.whatever_else(s) for s in (Stage.HARM, Stage.SHOULD_HARM) if s in self.problem.stages}
        return {s: least for s, least in found.items() if least > 0}

    @cached_property
    def floor(self) -> dict[Stage, int]:
        """The least harm that any plan can reach, stage by stage, as far as it is known before one is made."""
        clean = {s: 0 for s in self.problem.stages}
        broken = {Stage.HARM: UNLIMITED}
        proofs = {Stage.HARM: self._harm.harm(broken), Stage.SHOULD_HARM: self._harm.should_harm(clean)}
        return {s: p.bound for s, p in proofs.items() if s in self.problem.stages}

    def at_floor(self, values: Mapping[Stage, int]) -> bool:
        """Whether no plan can leave less harm than that."""
        return Stage.PRICED not in values and all(values[s] <= least for s, least in self.floor.items())

    def met(self, values: Mapping[Stage, int]) -> bool:
        """Whether nothing better is worth looking for: every stage is at its bound, as far as that is known quickly."""
        if Stage.PRICED not in values:
            return self.at_floor(values) and is_within(self.gap, values[Stage.MOVING], self._least_moving(values))
        chosen = [e for e in self.evictions if e and e.exact]
        harm = values[Stage.HARM] + values.get(Stage.SHOULD_HARM, 0)
        least = sum(e.cost for e in chosen)
        return is_within(self.gap, values[Stage.MOVING], least) and harm <= sum(sum(e.harms[:2]) for e in chosen)


def is_within(gap: float, value: int, bound: int) -> bool:
    """Whether a value is no further above its bound than `gap`, a share of the value."""
    return value - bound <= gap * value
