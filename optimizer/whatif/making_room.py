"""How many VMs more fit after at most K moves: a curve over K, with the moves.

Each move counts at both ends while it is in flight, so its target must have room for it before anything leaves there:
the moves can be made in any order, and any of them may fail. What they free is counted for new VMs once they are done.

The search is a CP-SAT model over candidates: VMs whose departure lets more in, and for each of them the hosts that lose
the least by taking it. The bound knows no candidates: what K departures at most can free on each host, wherever they
go; what the fleet has left of each resource in all, which moves do not change; and `optimizer.whatif.moving_bound`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.cp.solving import solve_within
from optimizer.cp_sat import FEASIBLE, OPTIMAL, CpModel, LinearExpr
from optimizer.fleet import ABSENT, Move
from optimizer.problem.flow_index import in_flow
from optimizer.whatif.greedy import CLOSED, Greedy
from optimizer.whatif.making_bound import Bound, Sums
from optimizer.whatif.room import Kind, Room, Row, room_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.cp_sat import CpSolver, IntVar
    from optimizer.problem.problem import Problem
    from optimizer.whatif.effort import Effort

__all__ = ["Step", "curve", "most_after"]

LOOKED_AT, CANDIDATES, TARGETS = 3000, 240, 10
"""VMs that are looked at closely, those of them that may move, and hosts for each of these."""


@dataclass(frozen=True, eq=False)
class Step:
    """After at most `moves` moves, `value` fit, and `bound` at most; `made` are the moves, `numbers` int64 [H]."""

    moves: int
    value: int
    bound: int
    made: tuple[Move, ...]
    numbers: NDArray[np.int64]


def curve(problem: Problem, kind: Kind, now: NDArray[np.int64], steps: Sequence[int], effort: Effort) -> list[Step]:
    """Return how many fit after moves, for each number of moves.

    Parameters
    ----------
    kind
        The VMs, without a host; `wanted` of them at most.
    now
        int64 [H]: how many fit on each host without a move.
    steps
        Numbers of moves, ascending.
    """
    bounds = Bound(problem, kind).most(max(steps, default=0))
    best = Step(0, int(now.sum()), max(int(now.sum()), min(kind.wanted, bounds[0])), (), now)
    search = _Search(problem, kind, now)
    out = []
    for i, moves in enumerate(steps):
        found = best
        if moves and not effort.over():
            seconds = effort.left() / (len(steps) - i)
            found = search.best(moves, best, seconds, effort)
        bound = max(found.value, min(kind.wanted, bounds[moves]))
        best = Step(moves, found.value, bound, found.made, found.numbers)
        out.append(best)
    return out


def most_after(problem: Problem, kind: Kind, moves: int) -> int:
    """Return how many of a kind can fit at most after `moves` moves."""
    return Bound(problem, kind).most(moves)[-1]


class _Search:
    def __init__(self, problem: Problem, kind: Kind, now: NDArray[np.int64]) -> None:
        self.problem, self.kind, self.now = problem, kind, now
        self.sums = Sums(problem, kind)
        self.room = self._room(self._candidates())
        self.targets = self._targets()

    def _candidates(self) -> list[int]:
        """Return the VMs whose departure lets most in, then those that come closest to it."""
        problem = self.problem
        open_ = problem.may_enter(int(self.kind.vms[0]))
        movable = np.flatnonzero(problem.movable & (problem.also_at == ABSENT))
        vms = movable[open_[problem.start[movable]]]
        if not vms.size or not len(self.sums.takes):
            return []
        at = problem.start[vms]
        left = self.sums.left[:, at]
        freed = self.sums.freed(vms, at)
        gain = self.sums.count(left + freed) - self.sums.count(left)
        size = (self.sums.amount[:, vms][self.sums.limiting] / self.sums.takes[:, None]).max(axis=0)
        short = self._shortage(left, freed)
        alone, together = np.flatnonzero(gain > 0), np.flatnonzero(gain <= 0)
        alone = alone[np.lexsort((vms[alone], size[alone] / gain[alone]))][:LOOKED_AT]
        loss = self.sums.least_loss(vms[alone], open_)
        net = np.where(loss < 0, -1, gain[alone] - loss)
        alone = alone[np.lexsort((size[alone], -net))]
        useful = min(int((net > 0).sum()), CANDIDATES * 3 // 4)
        together = together[np.lexsort((size[together], short[together]))]
        order = np.concatenate([alone[:useful], together[:CANDIDATES], alone[useful:]])
        return [int(v) for v in vms[order[:CANDIDATES]]]

    def _shortage(self, left: NDArray[np.int64], freed: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what is still missing for one VM more, as a share of what it takes."""
        takes = self.sums.takes[:, None]
        wanted = (self.sums.count(left) + 1)[None, :] * takes
        missing = (wanted - left[self.sums.limiting] - freed[self.sums.limiting]) / takes
        return np.asarray(np.maximum(missing, 0).max(axis=0), np.float64)

    def _room(self, vms: list[int]) -> Room:
        """Return the room of the new VMs (kind 0) and of the candidates that no demand ties to others."""
        kinds = [self.kind, *(Kind(self.problem.vm_ids[v], np.array([v], np.int32), 1) for v in vms)]
        room = room_of(self.problem, kinds)
        tied = np.zeros(len(kinds), np.bool_)
        for coupling in room.couplings:
            tied |= coupling.members[0] | coupling.members[1]
        free = [kind for kind, is_tied in zip(kinds[1:], tied[1:], strict=True) if not is_tied]
        return room_of(self.problem, [self.kind, *free])

    def _targets(self) -> dict[int, list[int]]:
        """Return for each candidate (its kind) the hosts that lose least by taking it, the fullest of these first."""
        greedy = Greedy(self.room)
        out: dict[int, list[int]] = {}
        base = self.sums.count(self.sums.left)
        for k in range(1, len(self.room.kinds)):
            vm = int(self.room.kinds[k].vms[0])
            fullest, _ = greedy.scores(k)
            fullest[self.problem.start[vm]] = CLOSED
            open_ = np.flatnonzero(fullest < CLOSED)
            loss = base[open_] - self.sums.count(self.sums.left[:, open_] - self.sums.amount[:, [vm]])
            loss = np.where(self.room.open[0][open_], loss, 0)
            order = np.lexsort((-fullest[open_], loss))
            out[k] = [int(h) for h in open_[order[:TARGETS]]]
        return out

    def quick(self, moves: int) -> Step:
        """Return what the best move, then the next best, and so on come to, by the sums over hosts alone: a start."""
        sums, open_ = self.sums, self.room.open[0]
        room, end = self.sums.left.copy(), self.sums.left.copy()
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
        numbers = np.where(open_, np.minimum(sums.count(np.maximum(end, 0)), self.kind.wanted), 0)
        return Step(moves, int(numbers.sum()), 0, tuple(made), numbers)

    def best(self, moves: int, before: Step, seconds: float, effort: Effort) -> Step:
        """Return the best that is found with at most `moves` moves, no worse than `before`."""
        quick = self.quick(moves)
        model = _Model(self.problem, self.room, self.now, self.targets)
        model.limit(moves)
        model.hint(quick if quick.value > before.value else before)
        solver = effort.solver(seconds)
        solver.parameters.cp_model_probing_level = 0  # seconds of it find nothing here
        status = solve_within(solver, model.model, effort.over)
        if status not in (OPTIMAL, FEASIBLE):
            return before
        found = model.step(solver, moves)
        return found if found.value > before.value else before


class _Model:
    """New VMs on hosts, and which candidates move where."""

    def __init__(self, problem: Problem, room: Room, now: NDArray[np.int64], targets: dict[int, list[int]]) -> None:
        self.problem, self.room, self.now, self.model = problem, room, now, CpModel()
        self.goes = {(k, host): self.model.new_bool_var("") for k, hosts in targets.items() for host in hosts}
        self.source = {k: int(problem.start[room.kinds[k].vms[0]]) for k in targets}
        for k in targets:
            if targets[k]:
                self.model.add(LinearExpr.sum([self.goes[k, h] for h in targets[k]]) <= 1)
        self.made = self._made()
        for row in room.rows:
            self._add(row)
        self._budgets()
        self.total = LinearExpr.sum(list(self.made.values()))
        self.model.add(self.total <= room.kinds[0].wanted)
        self.model.maximize(self.total)

    def _made(self) -> dict[int, IntVar]:
        open_ = np.flatnonzero(self.room.open[0]).tolist()
        freed = set(self.source.values())
        most = self.room.most(0)
        return {
            h: self.model.new_int_var(0, self.room.kinds[0].wanted if h in freed else int(most[h]), "")
            for h in open_
            if h in freed or most[h]
        }

    def _add(self, row: Row) -> None:
        """Targets have room before anything leaves; at the end everybody has."""
        arriving: dict[int, list[LinearExpr]] = {}
        leaving: dict[int, list[LinearExpr]] = {}
        for (k, host), goes in self.goes.items():
            source, target = int(row.domain[self.source[k]]), int(row.domain[host])
            if row.amount[k] and source != target:
                term = goes * int(row.amount[k])
                arriving.setdefault(target, []).append(term)
                leaving.setdefault(source, []).append(term)
        new: dict[int, list[LinearExpr]] = {}
        if row.amount[0]:
            for host, made in self.made.items():
                new.setdefault(int(row.domain[host]), []).append(made * int(row.amount[0]))
        for domain in {*arriving, *new}:
            left, debt = int(row.left[domain]), int(row.debt[domain])
            come = arriving.get(domain, [])
            gone = [] if debt else leaving.get(domain, [])
            if come:
                self.model.add(LinearExpr.sum(come) <= left)
            if domain in new or come:
                terms = [*come, *new.get(domain, []), *(-1 * term for term in gone)]
                self.model.add(LinearExpr.sum(terms) <= left)

    def _budgets(self) -> None:
        for flow in self.problem.flows:
            spent = []
            for (k, host), goes in self.goes.items():
                vm = int(self.room.kinds[k].vms[0])
                if in_flow(flow, vm, self.source[k], host) and flow.cost[vm]:
                    spent.append(goes * int(flow.cost[vm]))
            if spent:
                self.model.add(LinearExpr.sum(spent) <= flow.limit)

    def limit(self, moves: int) -> None:
        """Allow at most `moves` moves."""
        if self.goes:
            self.model.add(LinearExpr.sum(list(self.goes.values())) <= moves)

    def hint(self, before: Step) -> None:
        """Begin with an answer that is known."""
        going = {(m.vm, m.target) for m in before.made}
        for (k, host), goes in self.goes.items():
            self.model.add_hint(goes, int((int(self.room.kinds[k].vms[0]), host) in going))
        for host, made in self.made.items():
            self.model.add_hint(made, int(before.numbers[host]))

    def step(self, solver: CpSolver, moves: int) -> Step:
        """Return a solution."""
        numbers = np.zeros(self.room.hosts, np.int64)
        for host, made in self.made.items():
            numbers[host] = solver.value(made)
        goes = [
            Move(int(self.room.kinds[k].vms[0]), self.source[k], host)
            for (k, host), variable in self.goes.items()
            if solver.value(variable)
        ]
        return Step(moves, int(numbers.sum()), 0, tuple(goes), numbers)
