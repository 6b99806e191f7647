"""The best balance that moves can buy: the move that gains most, again and again; then some taken back and made anew.

A move gains what the cost of levels falls by (`optimizer.problem.level_costs`). Since that is convex in a host's load,
what a VM can gain is guessed from its size alone, on the coolest hosts; of the few with the highest guesses the gain
itself is looked at, where the rules let them go. The scheme of what follows is ruin and recreate (Schrimpf et al.,
Record breaking optimization results using the ruin and recreate principle, 2000), by the same steps; CP-SAT over a few
hosts then finds exchanges. No step leaves more harm, or an instance of a must or a guard worse than at the start, or
the host that was the coolest as the hottest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.affordable import everywhere
from optimizer.cp.model import Model
from optimizer.limits import OutOfTime
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import Stage
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.parameters.balance import Balancing
    from optimizer.problem.atoms import Linear
    from optimizer.problem.working_placement import WorkingPlacement

    Ints = NDArray[np.int64]

__all__ = ["BalanceSearch"]

BEFORE = (Stage.HARM, Stage.SHOULD_HARM)
"""Stages that are never paid with."""


class BalanceSearch:
    """A search that starts where `work` is, and leaves it at the best that was found.

    Parameters
    ----------
    work
        A placement of a problem with the stage COST.
    met
        Whether a cost is as low as it can get.
    """

    def __init__(
        self, work: WorkingPlacement, deadline: Deadline, seed: int, given: Balancing, met: Callable[[int], bool]
    ) -> None:
        assert work.costs is not None
        self.work, self.problem, self.costs = work, work.problem, work.costs
        self.deadline, self.given, self.met = deadline, given, met
        self.seed, self.random = seed, np.random.default_rng(seed)
        self.kept = frozenset(work.displaced)
        """VMs that repair moved: they stay where it put them, but for CP-SAT's models."""
        self._flows = [i for i, f in enumerate(self.problem.flows) if any(f is e for e in everywhere(self.problem))]
        self._harm = self._harms()
        self._gain = np.zeros(self.problem.vms, np.int64)
        self._edges = [_edges(f.amount, given.sizes) for f in self.costs.families]
        sized = zip(self._edges, self.costs.families, strict=True)
        self._size = [np.searchsorted(edges, f.amount, "right") - 1 for edges, f in sized]
        self._watched = list(self._watch())
        self._refresh(np.arange(self.problem.hosts))

    def run(self) -> NDArray[np.int32]:
        """Search; return the placement of the moves that gained most, one after the other, as a second choice."""
        self._spend_all()
        first = self.work.placement.copy()
        self._make_anew()
        self._model_all()
        self._drop_idle()
        return first

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return self.deadline.over() or self.met(self.costs.total)

    def _harms(self) -> tuple[int, ...]:
        values = self.work.values()
        return tuple(values[s] for s in BEFORE if s in values)

    def _watch(self) -> Iterator[tuple[int, Linear, Ints, int]]:
        """Yield for each family the guard that says who is balanced, these hosts, and the one that was the coolest."""
        for i, family in enumerate(self.costs.families):
            for atom in self.problem.demands.sums.values():
                hosts = np.flatnonzero(atom.limit < UNLIMITED)
                guard = atom.asked.hardness is Hardness.GUARD and not atom.level
                if guard and hosts.size > 1 and np.array_equal(atom.amount, family.amount):
                    use = ((family.loads(self.problem.start) + atom.base) / atom.unit)[hosts]
                    first, second = np.partition(use, 1)[:2]
                    if first < second:
                        yield i, atom, hosts, int(hosts[np.argmin(use)])

    def _is_allowed(self) -> bool:
        """Whether no more harm is left than repair left, and no host that was the coolest is the hottest now."""
        return self._harms() <= self._harm and not any(self._is_hottest(*watched) for watched in self._watched)

    def _is_hottest(self, family: int, atom: Linear, hosts: Ints, coolest: int) -> bool:
        use = (self.costs.loads[family] + atom.base) / atom.unit
        return bool(use[coolest] > use[hosts[hosts != coolest]].max())

    # -- one move --------------------------------------------------------------------------------------------------

    def _spend_all(self) -> None:
        while not self.over and self._best_move():
            pass

    def _best_move(self) -> bool:
        """Make the move of a VM at home that gains most; return whether there was one that gains."""
        self.deadline.spend(self.given.step_work)
        cool = self._coolest()
        guess = self._guesses(cool)
        count = min(self.given.guesses, guess.size)
        likely = np.argpartition(-guess, count - 1)[:count] if count else np.zeros(0, np.int64)
        best, move = 0, None
        for vm in likely[np.lexsort((likely, -guess[likely]))].tolist():
            if guess[vm] <= best:
                break
            gain, host = self._best_target(vm, best, cool)
            if gain > best:
                best, move = gain, (vm, host)
        return move is not None and self._put(*move)

    def _guesses(self, cool: Ints) -> Ints:
        """Return int64 [V]: what a VM might gain by a move, hardly ever less than it does; 0 where it cannot move."""
        guess = self._gain.copy()
        for i, edges in enumerate(self._edges):
            nothing = [np.zeros(cool.size, np.int64)] * len(self._edges)
            losses = [
                int(self.costs.change(cool, [*nothing[:i], np.full(cool.size, e), *nothing[i + 1 :]]).min())
                for e in edges.tolist()
            ]
            guess -= np.array(losses, np.int64)[self._size[i]]
        guess[~self.problem.movable] = 0
        guess[list(self.work.displaced)] = 0
        return np.maximum(guess, 0)

    def _coolest(self) -> Ints:
        """Return the hosts that a little more load costs least, of those that are balanced at all."""
        _, rows = self.problem.enter_class
        open_ = np.flatnonzero(rows.any(axis=0))
        if open_.size <= self.given.coolest:
            return open_
        probe = [np.full(open_.size, int(edges[edges.size // 2])) for edges in self._edges]
        rise = self.costs.change(open_, probe)
        return open_[np.argpartition(rise, self.given.coolest)[: self.given.coolest]]

    def _best_target(self, vm: int, more_than: int, cool: Ints) -> tuple[int, int]:
        """Return the most that a VM can gain, and on which host it does: one of the coolest, if one will do."""
        gain, host = self._target_among(vm, more_than, cool)
        if host < 0 and gain > more_than:
            gain, host = self._target_among(vm, more_than, np.flatnonzero(self.work.tally.room(vm)))
        return (gain, host) if host >= 0 else (0, -1)

    def _target_among(self, vm: int, more_than: int, hosts: Ints) -> tuple[int, int]:
        """Return the most that a VM can gain on some hosts, and where; the most that it could and -1 if it may not."""
        if not hosts.size:
            return 0, -1
        amounts = [np.full(hosts.size, int(f.amount[vm])) for f in self.costs.families]
        gains = int(self._gain[vm]) - self.costs.change(hosts, amounts)
        for i in np.argsort(-gains, kind="stable")[: self.given.asked].tolist():
            if gains[i] <= more_than:
                return 0, -1
            if self.work.tally.fits(vm, int(hosts[i])) and self._may_go(vm, int(hosts[i])):
                return int(gains[i]), int(hosts[i])
        return int(gains.max()), -1

    def _may_go(self, vm: int, host: int) -> bool:
        now = int(self.work.placement[vm])
        self.work.put(vm, host)
        kept = self._is_allowed()
        self.work.put(vm, now)
        return kept

    def _put(self, vm: int, host: int) -> bool:
        now = int(self.work.placement[vm])
        self.work.put(vm, host)
        self._refresh(np.array([now, host]))
        return True

    def _refresh(self, hosts: Ints) -> None:
        """Compute anew what the VMs on hosts gain by leaving."""
        placement = self.work.placement
        vms = (
            np.flatnonzero(placement >= 0)
            if hosts.size == self.problem.hosts
            else np.concatenate([self.work.on(int(h)) for h in hosts])
        )
        amounts = [-f.amount[vms] for f in self.costs.families]
        self._gain[vms] = -self.costs.change(placement[vms].astype(np.int64), amounts)

    # -- moves made anew -------------------------------------------------------------------------------------------

    def _mine(self) -> list[int]:
        return sorted(self.work.displaced - self.kept)

    def _make_anew(self) -> None:
        """Take a few moves back and make others instead, as long as that gains now and then."""
        stale = 0
        while stale < self.given.stale and not self.over:
            mine = self._mine()
            if not mine:
                return
            count = int(self.random.integers(1, min(self.given.taken_back, len(mine)) + 1))
            before, cost = {v: int(self.work.placement[v]) for v in mine}, self.costs.total
            for vm in self._related(mine, count):
                self._put(vm, int(self.problem.start[vm]))
            if self.work.is_no_worse() and self._is_allowed():
                self._spend_all()
                if self.costs.total < cost:
                    stale = 0
                    continue
            self._back_to(before)
            stale += 1

    def _related(self, mine: list[int], count: int) -> list[int]:
        """Return VMs to take back: one by chance, and others that left or entered the same hosts, then any."""
        one = mine[int(self.random.integers(len(mine)))]
        ends = {int(self.problem.start[one]), int(self.work.placement[one])}
        near = [v for v in mine if v != one and ends & {int(self.problem.start[v]), int(self.work.placement[v])}]
        rest = [v for v in self.random.permutation(mine).tolist() if v != one and v not in near]
        return [one, *near, *rest][:count]

    def _back_to(self, before: dict[int, int]) -> None:
        for vm in self._mine():
            if vm not in before:
                self._put(vm, int(self.problem.start[vm]))
        for vm, host in before.items():
            if int(self.work.placement[vm]) != host:
                self._put(vm, host)

    # -- CP-SAT ----------------------------------------------------------------------------------------------------

    def _model_all(self) -> None:
        stale = 0
        while stale < self.given.models and not self.over:
            stale = 0 if self._model() else stale + 1

    def _model(self) -> bool:
        """Solve a model of a few hosts, some hot, some cool, with as many moves as are left; whether it gained."""
        hosts = self._few_hosts()
        inside = np.zeros(self.problem.hosts, np.bool_)
        inside[hosts] = True
        now, start = self.work.placement.copy(), self.problem.start
        vms = np.flatnonzero(self.problem.movable & (inside[now] | (inside[start] & (now != start))))
        vms = self.random.permutation(vms)[: self.given.model_moves]
        candidates = {}
        for vm in np.sort(vms).tolist():
            mask = self.problem.may_enter(vm) & inside
            mask[[now[vm], start[vm]]] = True
            candidates[vm] = np.flatnonzero(mask)
        try:
            model = Model(self.problem, now, candidates, self.deadline.check)
        except OutOfTime:
            return False
        stages = [s for s in self.problem.stages if s in (*BEFORE, Stage.COST)]
        found, _ = model.run(stages, work=self.given.model_work, deadline=self.deadline, seed=self.seed)
        if found is None or (found == now).all():
            return False
        cost = self.costs.total
        self.work.become(found)
        better = self.costs.total < cost and self._is_allowed() and self.work.is_no_worse()
        if not better:
            self.work.become(now)
        self._refresh(np.arange(self.problem.hosts))
        return better

    def _few_hosts(self) -> Ints:
        everywhere_ = np.arange(self.problem.hosts)
        cost = sum(f.cost(everywhere_, load) for f, load in zip(self.costs.families, self.costs.loads, strict=True))
        order = np.argsort(np.asarray(cost) + self.random.random(self.problem.hosts), kind="stable")
        half = self.given.model_hosts // 2
        hot = order[::-1][: 4 * half]
        cool = self.random.permutation(self._coolest())
        picked = [*self.random.permutation(hot)[:half].tolist(), *cool[:half].tolist()]
        return np.unique(np.array(picked, np.int64))

    # -- the end ---------------------------------------------------------------------------------------------------

    def _drop_idle(self) -> None:
        """Take back moves that gain nothing."""
        for vm in self._mine():
            now, cost = int(self.work.placement[vm]), self.costs.total
            self._put(vm, int(self.problem.start[vm]))
            if self.costs.total > cost or not self.work.is_no_worse() or not self._is_allowed():
                self._put(vm, now)


def _edges(amount: Ints, sizes: int) -> Ints:
    """Return sizes, ascending from 0, so that each amount is looked at as the one at or below it."""
    some = np.unique(amount[amount > 0])
    picked = some[np.unique(np.linspace(0, some.size - 1, sizes).astype(np.int64))] if some.size else some
    return np.concatenate([np.zeros(1, np.int64), picked])
