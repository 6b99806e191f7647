"""How many units more fit after at most K moves: a curve over K, with the moves.

Each move counts at both ends while it is in flight, so its target must have room for it before anything leaves there:
the moves can be made in any order, and any of them may fail. What they free is counted for new VMs once they are done.

The search is a CP-SAT model over candidates: VMs whose departure lets more in, and for each of them the hosts that lose
the least by taking it. What ties new VMs to others (apart, together, needs, spread) and groups of replicas are in it as
they are without moves; a VM that is tied to new ones is no candidate. The bound (`making_bound`) knows no candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.cp.solving import solve_within
from optimizer.fleet import ABSENT, Move
from optimizer.whatif.greedy import CLOSED, Greedy
from optimizer.whatif.making_bound import Bound
from optimizer.whatif.moving_model import MovingModel
from optimizer.whatif.room import Kind, Room, room_of
from optimizer.whatif.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem
    from optimizer.whatif.effort import Effort
    from optimizer.whatif.unit import Unit

__all__ = ["Step", "curve", "most_after"]

LOOKED_AT, CANDIDATES, TARGETS = 3000, 240, 10
"""VMs that are looked at closely, those of them that may move, and hosts for each of these."""


@dataclass(frozen=True, eq=False)
class Step:
    """After at most `moves` moves, `value` units fit, and `bound` at most.

    `made` are the moves, `numbers` int64 [K, H] how many VMs of each kind are on each host. `capped`: more would have
    to be counted.
    """

    moves: int
    value: int
    bound: int
    made: tuple[Move, ...]
    numbers: NDArray[np.int64]
    capped: bool = False

    @property
    def proven(self) -> bool:
        """Whether no more can fit after as many moves; where not all were counted, nothing is proven."""
        return self.value >= self.bound and not self.capped


def curve(
    problem: Problem, unit: Unit, now: NDArray[np.int64], most: int, steps: Sequence[int], effort: Effort
) -> list[Step]:
    """Return how many fit after moves, for each number of moves.

    Parameters
    ----------
    now
        int64 [K, H]: how many VMs of each kind fit on each host without a move.
    most
        How many units fit at most without a move.
    steps
        Numbers of moves, ascending.
    """
    bounds = Bound(problem, unit).most(max(steps, default=0))
    bounds[0] = min(bounds[0], most)
    best = Step(0, unit.made(now), 0, (), now)
    search = _Search(problem, unit)
    out = []
    for i, moves in enumerate(steps):
        found = best
        if moves and not effort.over():
            seconds = effort.left() / (len(steps) - i)
            found = search.best(moves, best, seconds, effort)
        best = Step(moves, found.value, max(found.value, bounds[moves]), found.made, found.numbers)
        out.append(best)
    return out


def most_after(problem: Problem, unit: Unit, moves: int) -> int:
    """Return how many units can fit at most after `moves` moves."""
    return Bound(problem, unit).most(moves)[-1]


class _Search:
    def __init__(self, problem: Problem, unit: Unit) -> None:
        self.problem, self.unit = problem, unit
        self.sums = Sums(problem, unit.kinds)
        self.room = self._room(self._candidates())
        self.targets = self._targets()

    def _candidates(self) -> list[int]:
        """Return the VMs that help most, kind by kind."""
        ranked = [self._helping(k) for k in range(len(self.unit.kinds))]
        each_in_turn = chain.from_iterable(zip_longest(*ranked))
        return list(dict.fromkeys(vm for vm in each_in_turn if vm is not None))[:CANDIDATES]

    def _helping(self, k: int) -> list[int]:
        """Return the VMs whose departure lets most of a kind in, then those that come closest to it."""
        problem, sums = self.problem, self.sums
        open_ = problem.may_enter(sums.first[k])
        movable = np.flatnonzero(problem.movable & (problem.also_at == ABSENT))
        vms = movable[open_[problem.start[movable]]]
        limiting = sums.limiting[k]
        if not vms.size or not len(limiting):
            return []
        at = problem.start[vms]
        left = sums.left[:, at]
        freed = sums.freed(vms, at)
        gain = sums.count(left + freed, k) - sums.count(left, k)
        size = (sums.amount[:, vms][limiting] / sums.takes[k, limiting][:, None]).max(axis=0)
        short = self._shortage(k, left, freed)
        alone, together = np.flatnonzero(gain > 0), np.flatnonzero(gain <= 0)
        alone = alone[np.lexsort((vms[alone], size[alone] / gain[alone]))][:LOOKED_AT]
        loss = sums.least_loss(vms[alone], open_, k)
        net = np.where(loss < 0, -1, gain[alone] - loss)
        alone = alone[np.lexsort((size[alone], -net))]
        useful = min(int((net > 0).sum()), CANDIDATES * 3 // 4)
        together = together[np.lexsort((size[together], short[together]))]
        order = np.concatenate([alone[:useful], together[:CANDIDATES], alone[useful:]])
        return [int(v) for v in vms[order[:CANDIDATES]]]

    def _shortage(self, k: int, left: NDArray[np.int64], freed: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what is still missing for one VM more of a kind, as a share of what it takes."""
        limiting = self.sums.limiting[k]
        takes = self.sums.takes[k, limiting][:, None]
        wanted = (self.sums.count(left, k) + 1)[None, :] * takes
        missing = (wanted - left[limiting] - freed[limiting]) / takes
        return np.asarray(np.maximum(missing, 0).max(axis=0), np.float64)

    def _room(self, vms: list[int]) -> Room:
        """Return the room of the new VMs (the first kinds) and of the candidates that no demand ties to others."""
        new = self.unit.kinds
        kinds = [*new, *(Kind(self.problem.vm_ids[v], np.array([v], np.int32), 1) for v in vms)]
        room = room_of(self.problem, kinds)
        tied = np.zeros(len(kinds), np.bool_)
        for coupling in room.couplings:
            tied |= coupling.members[0] | coupling.members[1]
        free = [kind for kind, is_tied in zip(kinds[len(new) :], tied[len(new) :], strict=True) if not is_tied]
        return room_of(self.problem, [*new, *free])

    def _targets(self) -> dict[int, list[int]]:
        """Return for each candidate (its kind) the hosts that lose least by taking it, the fullest of these first."""
        greedy, sums = Greedy(self.room), self.sums
        out: dict[int, list[int]] = {}
        new = range(len(self.unit.kinds))
        base = [sums.count(sums.left, k) for k in new]
        for c in range(len(new), len(self.room.kinds)):
            vm = int(self.room.kinds[c].vms[0])
            fullest, _ = greedy.scores(c)
            fullest[self.problem.start[vm]] = CLOSED
            open_ = np.flatnonzero(fullest < CLOSED)
            after = np.maximum(sums.left[:, open_] - sums.amount[:, [vm]], 0)
            loss = np.zeros(len(open_))
            for k in new:
                lost = base[k][open_] - sums.count(after, k)
                loss += np.where(self.room.open[k][open_], lost, 0) / self.unit.each[k]
            order = np.lexsort((-fullest[open_], loss))
            out[c] = [int(h) for h in open_[order[:TARGETS]]]
        return out

    def quick(self, moves: int) -> Step:
        """Return what the best move, then the next best, and so on come to, by the sums over hosts alone: a start."""
        sums, open_ = self.sums, self.room.open[0]
        room, end = sums.left.copy(), sums.left.copy()
        pairs = [(k, h) for k, hosts in self.targets.items() for h in hosts]
        made: list[Move] = []
        while pairs and len(made) < moves:
            kinds = np.array([k for k, _ in pairs])
            to = np.array([h for _, h in pairs])
            vms = np.array([int(self.room.kinds[k].vms[0]) for k in kinds.tolist()])
            at = self.problem.start[vms]
            amount, freed = sums.amount[:, vms], sums.freed(vms, at)
            here, there = end[:, at], end[:, to]
            gain = np.where(open_[at], sums.count(here + freed) - sums.count(here), 0)
            gain = gain - np.where(open_[to], sums.count(there) - sums.count(np.maximum(there - amount, 0)), 0)
            gain[(room[:, to] < amount).any(axis=0)] = -1
            best = int(np.argmax(gain))
            if gain[best] <= 0:
                break
            made.append(Move(int(vms[best]), int(at[best]), int(to[best])))
            room[:, to[best]] -= amount[:, best]
            end[:, to[best]] -= amount[:, best]
            end[:, at[best]] += freed[:, best]
            pairs = [pair for pair in pairs if pair[0] != kinds[best]]
        numbers = np.where(open_, np.minimum(sums.count(np.maximum(end, 0)), self.unit.kinds[0].wanted), 0)[None, :]
        return Step(moves, self.unit.made(numbers), 0, tuple(made), numbers)

    def best(self, moves: int, before: Step, seconds: float, effort: Effort) -> Step:
        """Return the best that is found with at most `moves` moves, no worse than `before`."""
        start = before
        if len(self.unit.kinds) == 1:
            quick = self.quick(moves)
            start = quick if quick.value > before.value else before
        model = MovingModel(self.problem, self.room, self.unit, self.targets)
        model.limit(moves)
        model.begin_with(start.made, start.numbers)
        solver = effort.solver(seconds)
        solver.parameters.cp_model_probing_level = 0  # seconds of it find nothing here
        status = solve_within(solver, model.model, effort.over)
        if status not in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
            return before
        made, numbers = model.found(solver)
        value = self.unit.made(numbers)
        return Step(moves, value, 0, made, numbers) if value > before.value else before
