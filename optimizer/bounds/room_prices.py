"""Prices for receiving VMs that give a high bound on moves, and the proof: see `hosts_exchange`.

Prices rise while more VMs of a size leave their hosts than others would take, and fall while fewer do; so does that of
harm while more of it is left than the plan leaves. Steps are scaled by the history of each price (D. P. Kingma, J. Ba,
"Adam: a method for stochastic optimization", 2015).
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.hosts_exchange import MOVE, HostsExchange
from optimizer.bounds.room_axis import Axis
from optimizer.fleet import ABSENT
from optimizer.plan import Part, Proof
from optimizer.problem.problem import Stage
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.bounds.eviction_relaxation import Component
    from optimizer.bounds.greedy_eviction import Eviction
    from optimizer.limits import Deadline
    from optimizer.parameters import RoomPrices
    from optimizer.problem.atoms import Linear
    from optimizer.problem.problem import Problem

__all__ = ["PricedRooms"]

STEP_WORK = 2e-9
"""What a step counts as work: for each cell of the table, once for each size."""


class PricedRooms:
    """The bound for one problem, better from step to step.

    Parameters
    ----------
    harm
        The harm of shoulds that plans leave (musts are kept by all).
    """

    def __init__(
        self,
        problem: Problem,
        components: Sequence[Component],
        evictions: Sequence[Eviction | None],
        harm: int,
        given: RoomPrices,
    ) -> None:
        self.problem, self.harm, self.given = problem, harm, given
        stage = Stage.SHOULD_HARM if harm else None
        self.axes = _axes(problem, stage, given)
        self.exchange: HostsExchange | None = None
        if self.axes is not None:
            least = _least(problem, components, evictions, clean=not harm)
            found = HostsExchange(problem, self.axes, least)
            self.exchange = found if found.usable else None
        self.prices = np.zeros(0 if self.exchange is None else len(self.exchange.size), np.int64)
        self.of_harm = self.value = 0

    def raise_bound(self, known: int, most: int, deadline: Deadline) -> None:
        """Look for prices until the time is over, or the bound is `most` moves; `known` are needed without prices."""
        exchange, given = self.exchange, self.given
        if exchange is None:
            return
        now = np.zeros(len(self.prices))
        of_harm = MOVE * given.of_harm * bool(self.harm)
        mean, square = np.zeros_like(now), np.zeros_like(now)
        harm_step, patience = given.harm_step, given.patience
        for step in range(given.steps):
            if deadline.over():
                return
            deadline.spend(STEP_WORK * exchange.shape[0] * exchange.shape[1] * (1 + int((now > 0).sum())))
            prices = np.rint(now).astype(np.int64)
            if not exchange.countable(prices, int(of_harm)):
                return
            found = exchange.at(prices, int(of_harm))
            value = found.value - int(of_harm) * self.harm
            if value > self.value - self.of_harm * self.harm:
                self.value, self.prices, self.of_harm = found.value, prices, int(of_harm)
            bound = self.bound(self.harm)
            if bound >= most or (step >= patience and bound <= known):
                return
            slower = 1 - step / given.steps
            mean += 0.1 * (found.balance - mean)
            square += 0.01 * (found.balance**2 - square)
            now = np.maximum(0.0, now + given.first_step * MOVE * slower * mean / (np.sqrt(square) + 0.3))
            if self.harm:
                over = float(np.clip((found.harm - self.harm) / self.harm, -1, 1))
                of_harm *= 1 + harm_step * slower * over

    def bound(self, harm: int) -> int:
        """Return the fewest moves that leave no more harm of shoulds than that."""
        if not self.prices.any() or (harm and not self.of_harm):
            return 0
        return -(-(self.value - self.of_harm * harm) // MOVE)

    def proof(self, values: Mapping[Stage, int]) -> Proof:
        """Return what the prices prove of moving, given the harm that is left: 0 where they say nothing of it."""
        bound = 0 if values[Stage.HARM] else self.bound(values.get(Stage.SHOULD_HARM, 0))
        if bound <= 0 or self.exchange is None:
            return Proof(Stage.MOVING.value, 0, ())
        priced = np.flatnonzero(self.prices[self.exchange.size_of] > 0)
        vms = tuple(self.problem.vm_ids[v] for v in self.exchange.order[priced].tolist())
        paid = tuple(self.prices[self.exchange.size_of[priced]].tolist())
        assert self.axes is not None
        steps = " ".join(f"{axis.resource} {axis.step}" for axis in self.axes)
        part = Part(self.problem.host_ids, vms, bound, f"receivers: {steps} {self.of_harm}", prices=paid)
        return Proof(Stage.MOVING.value, bound, (part,))


def _least(
    problem: Problem, components: Sequence[Component], evictions: Sequence[Eviction | None], *, clean: bool
) -> NDArray[np.int64]:
    """Return int64 [H]: how many VMs leave each host at least; of components on several hosts nothing is said."""
    least = np.zeros(problem.hosts, np.int64)
    for component, eviction in zip(components, evictions, strict=True):
        hosts = np.unique(problem.start[component.vms])
        if eviction is None or not eviction.exact or any(eviction.harms) or len(hosts) != 1:
            continue
        if clean or all(row.asked.hardness is Hardness.MUST for row in component.rows):
            least[hosts[0]] += eviction.cost
    return least


def _axes(problem: Problem, stage: Stage | None, given: RoomPrices) -> tuple[Axis, Axis] | None:
    """Choose two resources: the scarcest, and of the others what most hosts exceed; None where there are no two."""
    names: dict[str, list[Linear]] = {}
    for atom in problem.demands.sums.values():
        if not atom.level and atom.asked.hardness is not Hardness.GUARD:
            names.setdefault(atom.resource, []).append(atom)
    found = [Axis.of(problem, name, 1, stage) for name in names]
    usable = [axis for axis in found if axis is not None and axis.limited and (axis.amount > 0).any()]
    if len(usable) < 2:
        return None
    urgency = {axis.resource: _urgency(problem, names[axis.resource]) for axis in usable}
    scarcest = max(usable, key=lambda axis: urgency[axis.resource][1])
    other = max((a for a in usable if a is not scarcest), key=lambda axis: urgency[axis.resource])
    return _stepped(problem, scarcest, given.cells), _stepped(problem, other, given.cells)


def _urgency(problem: Problem, atoms: Sequence[Linear]) -> tuple[int, float]:
    over, full = 0, 0.0
    numbers = {id(a): n for n, a in problem.demands.sums.items()}
    for atom in atoms:
        load = problem.start_loads[numbers[id(atom)]]
        over += int((load > atom.limit).sum())
        full = max(full, float(load.sum()) / max(1.0, float(atom.limit.astype(np.float64).sum())))
    return over, full


def _stepped(problem: Problem, axis: Axis, cells: int) -> Axis:
    """Return the axis with a step for which the largest room has at most `cells`: a power of two of what all share."""
    vms = problem.movable & (problem.start != ABSENT)
    frees = np.bincount(problem.start[vms], axis.amount[vms], problem.hosts).astype(np.int64)
    step = gcd(*axis.amount[vms].tolist()) or 1
    while int((axis.room + frees).max()) // step > cells:
        step *= 2
    return Axis(axis.resource, axis.amount, step, axis.room, axis.soft, axis.harm, axis.unit)
