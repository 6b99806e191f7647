"""What no plan can beat: bounds of every stage, with the parts that prove them.

A stage's bound holds given the values that the stages before it reached: a plan that leaves more harm may get away
with fewer moves. The parts are stated in docs/architecture.md; `optimizer.verify.verify` computes them again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import ceil, inf
from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.affordable import affordable, everywhere
from optimizer.bounds.component_model import ComponentModel, curve, least_eviction
from optimizer.bounds.greedy_tradeoff import greedy_tradeoff
from optimizer.bounds.subsets import best_departures, best_subsets
from optimizer.fleet import ABSENT
from optimizer.limits import OutOfTime
from optimizer.parameters import Bounding
from optimizer.plan import Part, Proof
from optimizer.problem.atoms import UNLIMITED, Flow, Linear
from optimizer.problem.problem import Problem, Stage, stage_of
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.bounds.eviction_relaxation import Component, EvictionRelaxation
    from optimizer.bounds.greedy_eviction import Eviction

__all__ = ["Bounds", "is_within", "knapsack"]


@dataclass(frozen=True)
class Bounds:
    """Bounds from the departures relaxation of a problem.

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
    """

    departures: EvictionRelaxation
    size: NDArray[np.float64]
    stop: Callable[[], bool]
    seed: int = 0
    left: Callable[[], float] = lambda: inf
    gap: float = 0.0
    given: Bounding = field(default_factory=Bounding)

    @property
    def problem(self) -> Problem:
        """The problem that is bounded."""
        return self.departures.problem

    @cached_property
    def evictions(self) -> tuple[Eviction | None, ...]:
        """The least eviction of each component; None where time ran out."""
        left = self._share(self.given.evictions_share)
        return tuple(
            None if self.stop() else self._least(component, self.size, left) for component in self.departures.components
        )

    def _least(self, component: Component, size: NDArray[np.float64], left: Callable[[], float]) -> Eviction:
        cost = self.problem.moving
        simple = best_departures(component, cost, size, self.given) if len(component.rows) > 1 else None
        return simple or least_eviction(component, cost, size, self.given, self.seed, left)

    def _share(self, share: float) -> Callable[[], float]:
        """Return what says how much is left of a share of the time that is left now."""
        kept = self.left() * (1 - share)
        return self.left if kept == inf else lambda: self.left() - kept

    @cached_property
    def purse(self) -> NDArray[np.int64] | None:
        """What a move of each VM costs in the budget that the least evictions overdraw most; None where they do not."""
        worst, purse = 1.0, None
        for flow in everywhere(self.problem):
            over = sum(int(flow.cost[v]) for e in self.evictions if e for v in e.vms) / max(flow.limit, 1)
            if over > worst:
                worst, purse = over, flow.cost
        return purse

    @cached_property
    def affordable(self) -> frozenset[int]:
        """Who leaves where a budget does not pay for all; nobody where it does, or where there was no time to say."""
        if self.purse is None or not self.given.affordable or self.stop():
            return frozenset()
        seconds = self.left() * self.given.affordable_share
        components = self.departures.components
        return affordable(self.problem, components, self.size, self.seed, seconds, self.given, self.stop)

    @cached_property
    def thrifty(self) -> tuple[Eviction | None, ...]:
        """The least eviction of each component that, among equals, spends least of a budget that is short."""
        if self.purse is None:
            return self.evictions
        spent = self.purse.astype(np.float64)
        left = self._share(self.given.evictions_share)
        return tuple(
            None if self.stop() else self._least(component, spent, left) for component in self.departures.components
        )

    def prove(self, values: Mapping[Stage, int]) -> dict[Stage, Proof]:
        """Return a proof for each of the stages harm, should_harm, priced and moving that is among `values`.

        Parameters
        ----------
        values
            What a plan reached, stage by stage.
        """
        makers = {
            Stage.HARM: self._harm,
            Stage.SHOULD_HARM: self._should_harm,
            Stage.PRICED: self._priced,
            Stage.MOVING: self._moving,
        }
        return {stage: make(values) for stage, make in makers.items() if stage in values}

    @cached_property
    def floor(self) -> dict[Stage, int]:
        """The least harm that any plan can reach, stage by stage, as far as it is known before one is made."""
        clean = {s: 0 for s in self.problem.stages}
        broken = {Stage.HARM: UNLIMITED}
        proofs = {Stage.HARM: self._harm(broken), Stage.SHOULD_HARM: self._should_harm(clean)}
        return {s: p.bound for s, p in proofs.items() if s in self.problem.stages}

    def at_floor(self, values: Mapping[Stage, int]) -> bool:
        """Whether no plan can leave less harm than that."""
        return Stage.PRICED not in values and all(values[s] <= least for s, least in self.floor.items())

    def met(self, values: Mapping[Stage, int]) -> bool:
        """Whether nothing better is worth looking for: every stage is at its bound, as far as that is known quickly."""
        if Stage.PRICED not in values:
            return self.at_floor(values) and is_within(self.gap, values[Stage.MOVING], self._moving(values).bound)
        chosen = [e for e in self.evictions if e and e.exact]
        harm = values[Stage.HARM] + values.get(Stage.SHOULD_HARM, 0)
        least = sum(e.cost for e in chosen)
        return is_within(self.gap, values[Stage.MOVING], least) and harm <= sum(sum(e.harms[:2]) for e in chosen)

    # -- harm ----------------------------------------------------------------------------------------------------

    def _harm(self, values: Mapping[Stage, int]) -> Proof:
        candidates = [
            self._irreducible(Stage.HARM, Hardness.MUST, 0),
            self._pigeonhole(Stage.HARM),
            self._room(),
        ]
        if values[Stage.HARM] > max(p.bound for p in candidates):
            candidates.append(self._budget())
        return max(candidates, key=lambda p: p.bound)

    def _should_harm(self, values: Mapping[Stage, int]) -> Proof:
        crowds = self._pigeonhole(Stage.SHOULD_HARM)
        return max(crowds, self._stuck(values), key=lambda p: p.bound)

    def _stuck(self, values: Mapping[Stage, int]) -> Proof:
        if values[Stage.HARM] == 0:
            return self._irreducible(Stage.SHOULD_HARM, Hardness.SHOULD, 1)
        parts = []
        for component in self.departures.components:
            least = sum(r.harm(r.least_excess) for r in component.of(Hardness.SHOULD))
            if least:
                parts.append(self._part(component, least, "irreducible"))
        return _proof(Stage.SHOULD_HARM, parts)

    def _irreducible(self, stage: Stage, hardness: Hardness, which: int) -> Proof:
        parts = []
        for component, eviction in zip(self.departures.components, self.evictions, strict=True):
            if eviction and eviction.exact and eviction.harms[which] and component.of(hardness):
                parts.append(self._part(component, eviction.harms[which], "irreducible"))
        return _proof(stage, parts)

    def _pigeonhole(self, stage: Stage) -> Proof:
        """Count, in sets with more VMs than all domains together may hold, what has to be over somewhere."""
        least: dict[str, int] = {}
        for atom in self.problem.demands.counts.values():
            if atom.asked.hardness is Hardness.GUARD:
                continue
            of, weight = stage_of(atom.asked)
            if of is stage:
                placed = np.diff(
                    np.append(0, np.cumsum(self.problem.start[atom.sets.members] != ABSENT))[atom.sets.indptr]
                )
                over = placed - atom.k * len(self.problem.domain_ids[atom.level])
                kept = MILLI * weight * int(np.maximum(over, 0).sum())
                least[atom.asked.rule] = least.get(atom.asked.rule, 0) + kept
        return _proof(stage, [Part((), (), kept, f"pigeonhole: {rule}") for rule, kept in least.items() if kept])

    def _room(self) -> Proof:
        """Load beyond all limits together has to stay somewhere; cheapest where the unit is largest."""
        parts = []
        for linear in self.departures.tally.linears:
            atom = linear.atom
            if atom.asked.hardness is not Hardness.MUST or (atom.limit >= UNLIMITED).any() or atom.level:
                continue
            over = int(linear.load.sum()) - int(atom.limit.sum())
            if over > 0:
                parts.append(
                    Part(self.problem.host_ids, (), _cheapest(linear.load, atom, over), f"room: {atom.resource}")
                )
        return _proof(Stage.HARM, parts)

    def _budget(self) -> Proof:
        """Put the components' curves under the tightest Flow that counts every move."""
        best = _proof(Stage.HARM, [])
        for flow in everywhere(self.problem):
            if self._binds(flow):
                best = max(best, self._under(flow), key=lambda p: p.bound)
        return best

    def _binds(self, flow: Flow) -> bool:
        """Whether the least eviction is beyond the flow; where it is not, the budget takes nothing from it."""
        return any(e is None for e in self.evictions) or (
            sum(int(flow.cost[v]) for e in self.evictions if e for v in e.vms) > flow.limit
        )

    def _under(self, flow: Flow) -> Proof:
        curves = self._curves(flow.cost, Hardness.MUST)
        try:
            frontier, step = knapsack([c for _, c in curves], self.given.frontier, self.stop)
        except OutOfTime:
            return _proof(Stage.HARM, [])
        least = int(frontier[min(flow.limit // step, len(frontier) - 1)])
        parts = [self._part(component, 0, "budget", points) for component, points in curves]
        return Proof(Stage.HARM.value, least, tuple(parts))

    # -- moving --------------------------------------------------------------------------------------------------

    def _priced(self, values: Mapping[Stage, int]) -> Proof:
        parts = []
        clean = values[Stage.HARM] == 0 and values.get(Stage.SHOULD_HARM, 0) == 0
        for component in self.departures.components:
            model = self._model(component, clean=clean)
            _, least = model.minimum(model.priced + MILLI * model.cost, self.seed)
            if least:
                parts.append(self._part(component, least, "own minimum"))
        return _proof(Stage.PRICED, parts)

    def _moving(self, values: Mapping[Stage, int]) -> Proof:
        for stage, hardness in ((Stage.HARM, Hardness.MUST), (Stage.SHOULD_HARM, Hardness.SHOULD)):
            if values.get(stage, 0) > 0:
                return self._moving_with_harm(hardness, values[stage])
        parts = []
        for component, eviction in zip(self.departures.components, self.evictions, strict=True):
            if Stage.PRICED in values:
                model = self._model(component, clean=True)
                _, least = model.minimum(model.cost, self.seed)
            else:
                least = eviction.cost if eviction and eviction.exact else 0
            if least:
                parts.append(self._part(component, least, "own minimum"))
        return _proof(Stage.MOVING, parts)

    def _model(self, component: Component, *, clean: bool) -> ComponentModel:
        model = ComponentModel(component, self.problem.moving, self.given, self.left)
        if clean:
            model.cp.add(model.must <= 0)
            model.cp.add(model.should <= 0)
        return model

    def _moving_with_harm(self, hardness: Hardness, harm: int) -> Proof:
        curves = self._curves(self.problem.moving, hardness)
        try:
            frontier, step = knapsack([c for _, c in curves], self.given.frontier, self.stop)
        except OutOfTime:
            return _proof(Stage.MOVING, [])
        enough = np.flatnonzero(frontier <= harm)
        bound = int(enough[0]) * step if enough.size else 0
        parts = [self._part(component, points[0][0], "own minimum", points) for component, points in curves]
        return Proof(Stage.MOVING.value, bound, tuple(parts))

    def _curves(
        self, cost: NDArray[np.int64], hardness: Hardness
    ) -> list[tuple[Component, tuple[tuple[int, int], ...]]]:
        """Return the curves of the components that have such harm; those that time allows, unless they are simple."""
        out = []
        known = self._known_curves.setdefault((id(cost), hardness), {})
        for i, component in enumerate(self.departures.components):
            if component.of(hardness) or (hardness is Hardness.SHOULD and component.of(Hardness.MUST)):
                points = known.get(i)
                if points is None and self.stop():
                    continue
                points = points or self._simple_curve(component, cost, hardness)
                if points is None and not self.stop():
                    points = curve(component, cost, hardness, self.given, self.stop, self.left)
                if points is not None:
                    known[i] = points
                    out.append((component, points))
        return out

    def _simple_curve(
        self, component: Component, cost: NDArray[np.int64], hardness: Hardness
    ) -> tuple[tuple[int, int], ...] | None:
        """Return a curve that takes no model; None where it takes one."""
        simple = greedy_tradeoff(component, cost, hardness, self.given.curve_steps) if self.given.tradeoff else None
        return simple or best_subsets(component, cost, hardness, self.given)

    @cached_property
    def _known_curves(self) -> dict[tuple[int, Hardness], dict[int, tuple[tuple[int, int], ...]]]:
        """Curves by (id of the costs, which the problem keeps; hardness) and number of the component."""
        return {}

    def _part(self, component: Component, at_least: int, by: str, points: tuple[tuple[int, int], ...] = ()) -> Part:
        hosts = sorted({int(self.problem.start[v]) for v in component.vms.tolist()})
        return Part(
            tuple(self.problem.host_ids[h] for h in hosts),
            tuple(self.problem.vm_ids[v] for v in component.vms.tolist()),
            at_least,
            by,
            points,
        )


def _proof(stage: Stage, parts: Sequence[Part]) -> Proof:
    return Proof(stage.value, sum(p.at_least for p in parts), tuple(parts))


def is_within(gap: float, value: int, bound: int) -> bool:
    """Whether a value is no further above its bound than `gap`, a share of the value."""
    return value - bound <= gap * value


def _cheapest(load: NDArray[np.int64], atom: Linear, over: int) -> int:
    harm = Fraction(0)
    for h in np.lexsort((np.arange(load.size), -atom.unit)).tolist():
        kept = min(over, max(0, int(load[h]) - int(atom.limit[h])))
        harm += Fraction(MILLI * atom.asked.weight * kept, int(atom.unit[h]))
        over -= kept
    return ceil(harm)


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
