"""Harm that no plan can repair: what departures cannot, more VMs than places, more load than room, short budgets."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.affordable import everywhere
from optimizer.bounds.knapsack import knapsack
from optimizer.bounds.proof_parts import part_of, proof_of
from optimizer.fleet import ABSENT
from optimizer.limits import OutOfTime
from optimizer.plan import Part, Proof
from optimizer.problem.atoms import UNLIMITED, Flow, Linear
from optimizer.problem.problem import Stage, stage_of
from optimizer.problem.rounding import MILLI, harm
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from optimizer.bounds.evictions import Evictions
    from optimizer.bounds.tradeoff_curves import TradeoffCurves

__all__ = ["HarmBounds"]


class HarmBounds:
    """Bounds of the stages harm and should_harm, each the largest of several arguments."""

    def __init__(self, evictions: Evictions, curves: TradeoffCurves) -> None:
        self.evictions, self.curves = evictions, curves
        self.departures, self.problem = evictions.departures, evictions.problem

    def harm(self, values: Mapping[Stage, int]) -> Proof:
        """Return the best proof for the harm of musts; budgets are asked where the others leave a gap."""
        candidates = [
            self._irreducible(Stage.HARM, Hardness.MUST, 0),
            self._pigeonhole(Stage.HARM),
            self._room(Stage.HARM),
        ]
        if values[Stage.HARM] > max(p.bound for p in candidates):
            candidates.append(self._budget())
        return max(candidates, key=lambda p: p.bound)

    def whatever_else(self, stage: Stage) -> int:
        """Return a bound of a stage that holds whatever the other stages come to."""
        least = self._too_large.bound if stage is Stage.SHOULD_HARM else 0
        return max(self._pigeonhole(stage).bound, self._room(stage).bound, least)

    def should_harm(self, values: Mapping[Stage, int]) -> Proof:
        """Return the best proof for the harm of unpriced shoulds, given that of musts."""
        candidates = [self._pigeonhole(Stage.SHOULD_HARM), self._stuck(values), self._room(Stage.SHOULD_HARM)]
        return max(*candidates, self._too_large, key=lambda p: p.bound)

    def _stuck(self, values: Mapping[Stage, int]) -> Proof:
        if values[Stage.HARM] == 0:
            return self._irreducible(Stage.SHOULD_HARM, Hardness.SHOULD, 1)
        parts = []
        for component in self.departures.components:
            least = sum(r.harm(r.least_excess) for r in component.of(Hardness.SHOULD))
            if least:
                parts.append(part_of(self.problem, component, least, "irreducible"))
        return proof_of(Stage.SHOULD_HARM, parts)

    def _irreducible(self, stage: Stage, hardness: Hardness, which: int) -> Proof:
        parts = []
        for component, eviction in zip(self.departures.components, self.evictions.least, strict=True):
            if eviction and eviction.exact and eviction.harms[which] and component.of(hardness):
                parts.append(part_of(self.problem, component, eviction.harms[which], "irreducible"))
        return proof_of(stage, parts)

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
        return proof_of(stage, [Part((), (), kept, f"pigeonhole: {rule}") for rule, kept in least.items() if kept])

    @cached_property
    def _too_large(self) -> Proof:
        """Add up what VMs that no host has room for do wherever they are."""
        found = self.evictions.too_large
        vms = tuple(self.problem.vm_ids[v] for v in found)
        part = Part(self.problem.host_ids, vms, sum(found.values()), "too large")
        return proof_of(Stage.SHOULD_HARM, [part] if found else [])

    def _room(self, stage: Stage) -> Proof:
        """Load beyond all limits together has to stay somewhere; cheapest where the unit is largest."""
        parts = []
        for linear in self.departures.tally.linears:
            atom = linear.atom
            counts = atom.asked.hardness in (Hardness.MUST, Hardness.SHOULD) and stage_of(atom.asked)[0] is stage
            if not counts or (atom.limit >= UNLIMITED).any() or atom.level:
                continue
            over = int(linear.load.sum()) - int(atom.limit.sum())
            if over > 0:
                parts.append(
                    Part(self.problem.host_ids, (), _cheapest(linear.load, atom, over), f"room: {atom.resource}")
                )
        return proof_of(stage, parts)

    def _budget(self) -> Proof:
        """Put the components' curves under the tightest Flow that counts every move."""
        best = proof_of(Stage.HARM, [])
        for flow in everywhere(self.problem):
            if self._binds(flow):
                best = max(best, self._under(flow), key=lambda p: p.bound)
        return best

    def _binds(self, flow: Flow) -> bool:
        """Whether the least eviction is beyond the flow; where it is not, the budget takes nothing from it."""
        return any(e is None for e in self.evictions.least) or (
            sum(int(flow.cost[v]) for e in self.evictions.least if e for v in e.vms) > flow.limit
        )

    def _under(self, flow: Flow) -> Proof:
        curves = self.curves.of(Hardness.MUST, flow)
        try:
            frontier, step = knapsack([c for _, c in curves], self.evictions.given.frontier, self.curves.few_more())
        except OutOfTime:
            return proof_of(Stage.HARM, [])
        least = int(frontier[min(flow.limit // step, len(frontier) - 1)])
        parts = [part_of(self.problem, component, 0, "budget", points) for component, points in curves]
        return Proof(Stage.HARM.value, least, tuple(parts))


def _cheapest(load: NDArray[np.int64], atom: Linear, over: int) -> int:
    """Return the least harm of that much load over the limits; only a should may put more on a host than was there."""
    if atom.asked.hardness is Hardness.SHOULD:
        return harm(over, int(atom.unit.max()), atom.asked.weight)
    found = Fraction(0)
    for h in np.lexsort((np.arange(load.size), -atom.unit)).tolist():
        kept = min(over, max(0, int(load[h]) - int(atom.limit[h])))
        found += Fraction(MILLI * kept, int(atom.unit[h]))
        over -= kept
    return atom.asked.weight * ceil(found)
