"""`plan --balance`: as even a use of resources as the moves that are allowed can buy, where nothing is left to repair.

What is measured is how far the loads of hosts are apart: on each host, what is over each of a ladder of levels,
`STEP` apart, through the mean and as far as the coolest and the hottest host go. Summed up over all levels this is, but
for the steps, what hosts may allocate x the square of their distance from the mean: one host far off counts more than
several that are a little off.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from constraints.mean_use import NO_SCOPE, MeanUse, Scoping, load_of_hosts
from constraints.scope.common import Switch
from optimizer.fleet import ABSENT, State
from optimizer.problem.amounts import pair, spoken
from optimizer.problem.atoms import UNLIMITED, Asked, Hinge, Linear
from optimizer.problem.rounding import limit_at_use
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from constraints.capacity import Overcommit
    from optimizer.fleet import Fleet
    from optimizer.problem.atoms import Atom

__all__ = ["BestBalance"]

STEP = Fraction(1, 50)
"""Between two levels, as a share of what a host may allocate."""

MOST_LEVELS = 64
"""Levels at most; the steps are wider where hosts are further apart than that."""


TEN_THOUSANDTHS = 10_000


@dataclass(frozen=True, kw_only=True)
class BestBalance(Switch):
    """The resources (`words`) whose use is to be as even as can be, over all hosts that are in service.

    Parameters
    ----------
    overcommit
        As the policy's capacity says it.
    """

    switch: ClassVar[str] = "--balance"

    overcommit: tuple[Overcommit, ...] = ()

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Lower to a `Hinge` for each level, and a guard: no host gets hotter than the hottest is at the start."""
        for word, mean in self._means(fleet):
            r = fleet.resource_index[word]
            amount, base = fleet.vms.demand[:, r], fleet.unexplained[:, r]
            inside = mean.of != NO_SCOPE
            never = -int(amount.sum()) - 1
            for more in _levels(mean, load_of_hosts(State.start(fleet), r)):
                offset = np.where(inside, base - _limits(mean, more), never)
                yield Hinge(f"{self.name} {word} {more}", amount, offset, 1)
            hottest = _hottest(mean, load_of_hosts(State.start(fleet), r))
            yield Linear(
                asked=Asked(self.name, Hardness.GUARD),
                resource=word,
                level=0,
                amount=amount,
                limit=np.where(inside, _hottest_limits(mean, hottest), UNLIMITED),
                unit=np.where(inside, np.maximum(mean.host_allocatable, 1), 1),
                base=base,
            )

    def check(self, state: State) -> Iterator[Violation]:
        """Name hosts that are hotter than the hottest was at the start."""
        fleet = state.fleet
        for word, mean in self._means(fleet):
            r = fleet.resource_index[word]
            hottest = _hottest(mean, load_of_hosts(State.start(fleet), r))
            now, limits = load_of_hosts(state, r), _hottest_limits(mean, hottest)
            for h in np.flatnonzero((mean.of != NO_SCOPE) & (now > limits)).tolist():
                yield Violation(
                    rule=self.name,
                    subject=fleet.hosts.ids[h],
                    hardness=Hardness.GUARD,
                    value=int(now[h]),
                    limit=int(limits[h]),
                    excess=int(now[h] - limits[h]),
                    resource=word,
                    unit=max(1, int(mean.host_allocatable[h])),
                )

    def cost(self, state: State) -> int:
        """Return how far the loads are apart: over all resources, hosts and levels, what is over the level."""
        fleet, total = state.fleet, 0
        for word, mean in self._means(fleet):
            r = fleet.resource_index[word]
            levels = _levels(mean, load_of_hosts(State.start(fleet), r))
            load = fleet.unexplained[:, r].copy()
            placed = np.flatnonzero(state.placement != ABSENT)
            np.add.at(load, state.placement[placed], fleet.vms.demand[placed, r])
            use = Fraction(int(mean.load[0]), int(mean.allocatable[0]))
            inside = np.flatnonzero(mean.of != NO_SCOPE)
            rooms = np.unique(mean.host_allocatable[inside]).tolist()
            at = {room: [floor(room * (use + more)) for more in levels] for room in rooms}
            for room, here in zip(mean.host_allocatable[inside].tolist(), load[inside].tolist(), strict=True):
                total += sum(max(0, here - limit) for limit in at[room])
        return total

    def figures(self, state: State) -> dict[str, dict[str, int]]:
        """Return for each resource the mean use, the lowest, the highest and the deviation, in 10^-4 of allocatable."""
        out = {}
        for word, mean in self._means(state.fleet):
            inside = mean.of != NO_SCOPE
            room = mean.host_allocatable[inside].astype(np.float64)
            use = load_of_hosts(state, state.fleet.resource_index[word])[inside] / room
            average = float((use * room).sum() / room.sum())
            deviation = float(np.sqrt((room * (use - average) ** 2).sum() / room.sum()))
            told = {"mean": average, "lowest": float(use.min()), "highest": float(use.max()), "deviation": deviation}
            out[word] = {name: round(TEN_THOUSANDTHS * value) for name, value in told.items()}
        return out

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say how hot the host would be."""
        resource = str(violation.resource)
        value, limit = pair(resource, violation.value, violation.limit)
        return (
            f"{violation.subject}: {spoken(resource)} {value}, more than {limit}: it would be hotter than the hottest "
            "host is now (--balance)"
        )

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name hosts that have no part in it, and resources that nobody has."""
        for word in self.words:
            if word not in fleet.resource_index:
                yield NotEvaluated(self.name, f"capacity.{word}", hosts=len(fleet.hosts))
                continue
            for what, left in self._scoping(word).left_out(fleet):
                if left.any():
                    yield NotEvaluated(self.name, what, hosts=int(left.sum()))

    def _scoping(self, resource: str) -> Scoping:
        return Scoping(resource, overcommit=self.overcommit)

    def _means(self, fleet: Fleet) -> Iterator[tuple[str, MeanUse]]:
        for word in self.words:
            mean = self._scoping(word).mean_use(fleet)
            if mean is not None and int(mean.allocatable[0]) > 0:
                yield word, mean


def _levels(mean: MeanUse, load: NDArray[np.int64]) -> list[Fraction]:
    """Return the levels, as what they are above (or below) the mean, between the coolest host and the hottest."""
    use = Fraction(int(mean.load[0]), int(mean.allocatable[0]))
    inside = np.flatnonzero(mean.of != NO_SCOPE).tolist()
    uses = {Fraction(int(load[h]), int(mean.host_allocatable[h])) for h in inside}
    low, high = min(uses) - use, max(uses) - use
    step = STEP * max(1, ceil((high - low) / STEP / MOST_LEVELS))
    first, last = min(0, ceil(low / step)), max(0, floor(high / step))
    return [step * j for j in range(first, last + 1)]


def _hottest(mean: MeanUse, load: NDArray[np.int64]) -> Fraction:
    inside = np.flatnonzero(mean.of != NO_SCOPE).tolist()
    return max(Fraction(int(load[h]), int(mean.host_allocatable[h])) for h in inside)


def _limits(mean: MeanUse, more: Fraction) -> NDArray[np.int64]:
    """Return int64 [H]: what each host carries at a level."""
    kinds, which = np.unique(mean.host_allocatable, return_inverse=True)
    limits = [limit_at_use(a, int(mean.load[0]), int(mean.allocatable[0]), more) for a in kinds.tolist()]
    return np.array(limits, np.int64)[which]


def _hottest_limits(mean: MeanUse, use: Fraction) -> NDArray[np.int64]:
    kinds, which = np.unique(mean.host_allocatable, return_inverse=True)
    return np.array([limit_at_use(a, use.numerator, use.denominator, 0) for a in kinds.tolist()], np.int64)[which]
