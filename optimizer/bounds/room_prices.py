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
from optimizer.bounds.too_large import too_large
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

__all__ = ["PriceSteps", "PricedRooms"]

STEP_WORK = 2e-9
"""What a step counts as work: for each cell of the table, once for each size."""


class PricedRooms:
    """The bound for one problem, better from step to step.

    Parameters
    ----------
    harm
        The harm of shoulds that plans leave (musts are kept by all). Where it is no more than VMs do that are too large
        for every host, nothing else is left: then all limits that should hold do, once these VMs count less.
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
        self.rows = [row for component in components for row in component.rows]
        harmful = too_large(problem, Stage.SHOULD_HARM) if harm else {}
        harmful = harmful if sum(harmful.values()) >= harm else {}
        self.harmful, self.clean = harmful, not harm or bool(harmful)
        self.axes = _axes(problem, None if self.clean else Stage.SHOULD_HARM, given, harmful)
        self.exchange: HostsExchange | None = None
        self.least = _least(problem, components, evictions, harmful, clean=self.clean)
        if self.axes is not None:
            found = HostsExchange(problem, self.axes, self.least)
            self.exchange = found if found.usable else None
        self.prices = np.zeros(0 if self.exchange is None else len(self.exchange.order), np.int64)
        self.of_harm = self.value = 0

    def raise_bound(self, known: int, most: int, deadline: Deadline) -> None:
        """Look for prices until the time is over, or the bound is `most` moves; `known` are needed without prices."""
        exchange, given = self.exchange, self.given
        if exchange is None:
            return
        now = np.full(len(exchange.size), np.inf)
        np.minimum.at(now, exchange.size_of, self.prices)  # every size is that of some VM
        of_harm = 0.0 if self.clean else MOVE * given.of_harm
        steps = PriceSteps(now, given.steps, given.first_step)
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
                self.value, self.prices, self.of_harm = found.value, prices[exchange.size_of], int(of_harm)
            bound = self.bound(self.harm)
            if bound >= most or (step >= patience and bound <= known):
                return
            now = steps.after(found.balance)
            if not self.clean:
                over = float(np.clip((found.harm - self.harm) / self.harm, -1, 1))
                of_harm *= 1 + harm_step * (1 - step / given.steps) * over

    def bound(self, harm: int) -> int:
        """Return the fewest moves that leave no more harm of shoulds than that."""
        unknown = harm > self.harm if self.clean else not self.of_harm
        if unknown or not self.prices.any():
            return 0
        return -(-(self.value - self.of_harm * harm) // MOVE)

    def offer(self, prices: NDArray[np.int64], value: int) -> None:
        """Take prices that somebody else has found, if they prove more than those that are known.

        Parameters
        ----------
        prices
            int64 [movable VMs, as the exchange has them in order], in millionths of a move.
        value
            What hosts come to at these at least, where limits that should hold do.
        """
        if self.clean and value > self.value:
            self.value, self.prices, self.of_harm = value, prices, 0

    def proof(self, values: Mapping[Stage, int]) -> Proof:
        """Return what the prices prove of moving, given the harm that is left: 0 where they say nothing of it."""
        bound = 0 if values[Stage.HARM] else self.bound(values.get(Stage.SHOULD_HARM, 0))
        if bound <= 0 or self.exchange is None:
            return Proof(Stage.MOVING.value, 0, ())
        priced = np.flatnonzero(self.prices > 0)
        vms = tuple(self.problem.vm_ids[v] for v in self.exchange.order[priced].tolist())
        paid = tuple(self.prices[priced].tolist())
        assert self.axes is not None
        steps = " ".join(f"{axis.resource} {axis.step}" for axis in self.axes)
        part = Part(self.problem.host_ids, vms, bound, f"receivers: {steps} {self.of_harm}", prices=paid)
        return Proof(Stage.MOVING.value, bound, (part,))


class PriceSteps:
    """Moves prices after what is out of balance at them.

    Parameters
    ----------
    first
        float64 [sizes]: where they begin, in millionths of a move.
    steps, first_step
        How many there will be, and the first one, in moves; they become shorter with each.
    """

    def __init__(self, first: NDArray[np.float64], steps: int, first_step: float) -> None:
        self.now, self.done = first.copy(), 0
        self._steps, self._first = steps, first_step * MOVE
        self._mean, self._square = np.zeros_like(first), np.zeros_like(first)

    def after(self, balance: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the next prices, in millionths of a move.

        Parameters
        ----------
        balance
            int64 [sizes]: how many VMs of each size leave at the present ones, less those that come.
        """
        slower = max(0.0, 1 - self.done / self._steps)
        self._mean += 0.1 * (balance - self._mean)
        self._square += 0.01 * (balance**2 - self._square)
        step = self._first * slower * self._mean / (np.sqrt(self._square) + 0.3)
        self.now = np.maximum(0.0, self.now + step)
        self.done += 1
        return self.now


def _least(
    problem: Problem,
    components: Sequence[Component],
    evictions: Sequence[Eviction | None],
    harmful: Mapping[int, int],
    *,
    clean: bool,
) -> NDArray[np.int64]:
    """Return int64 [H]: how many VMs leave each host at least; of components on several hosts nothing is said.

    Where a VM stands that is too large for every host it may be what stays, or what leaves: nothing is said of shoulds.
    """
    least = np.zeros(problem.hosts, np.int64)
    unsaid = {int(problem.start[vm]) for vm in harmful}
    for component, eviction in zip(components, evictions, strict=True):
        hosts = np.unique(problem.start[component.vms])
        if eviction is None or not eviction.exact or any(eviction.harms) or len(hosts) != 1:
            continue
        kept = clean and int(hosts[0]) not in unsaid
        if kept or all(row.asked.hardness is Hardness.MUST for row in component.rows):
            least[hosts[0]] += eviction.cost
    return least


def _axes(
    problem: Problem, stage: Stage | None, given: RoomPrices, harmful: Mapping[int, int]
) -> tuple[Axis, Axis] | None:
    """Choose two resources: the scarcest, and of the others what most hosts exceed; None where there are no two."""
    names: dict[str, list[Linear]] = {}
    for atom in problem.demands.sums.values():
        if not atom.level and atom.asked.hardness is not Hardness.GUARD:
            names.setdefault(atom.resource, []).append(atom)
    found = [Axis.of(problem, name, 1, stage, harmful) for name in names]
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
