"""A higher bound on moves by refutation: no clean placement moves just as many VMs as the components want, or one more.

The components' minima add up to a bound B. That B + e moves are enough is refuted case by case: the e extra moves are
spent by some components, or by VMs of no component on some hosts; in each case only those VMs may move, and only to
where such a spending can make room. A case that was not closed counts as possible.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.cp.model import Model
from optimizer.limits import OutOfTime
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import Stage
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from optimizer.bounds.bounds import Bounds
    from optimizer.limits import Deadline
    from optimizer.parameters import Refutation
    from optimizer.problem.problem import Problem

__all__ = ["refuted_bound"]


@dataclass(frozen=True)
class _Spender:
    """VMs that may leave together, and how many of them leave at least."""

    vms: tuple[int, ...]
    least: int


def refuted_bound(bounds: Bounds, most: int, deadline: Deadline, given: Refutation) -> int:
    """Return how many VMs have to be displaced at least until no must and no unpriced should is broken.

    Parameters
    ----------
    bounds
        The components' least evictions, where the refutation starts.
    most
        What need not be refuted: the value of a plan, or any number.
    deadline
        Ends it; what was refuted by then stands.

    Returns
    -------
    The bound in moves; 0 where moves are not what is counted, or a component has no exact and clean minimum.
    """
    evictions = [e for e in bounds.evictions if e is not None and e.exact and not any(e.harms[:2])]
    if len(evictions) < len(bounds.departures.components) or (bounds.problem.moving != 1).any():
        return 0
    least = sum(e.cost for e in evictions)
    components = [
        _Spender(tuple(k.vms.tolist()), e.cost) for k, e in zip(bounds.departures.components, evictions, strict=True)
    ]
    cases = _Cases(bounds.problem, components, bounds.seed, given)
    for extra in range(given.extra):
        if least + extra >= most or deadline.over() or not cases.refuted(extra, deadline):
            return least + extra
    return least + given.extra


class _Cases:
    """The ways to spend extra moves on one problem."""

    def __init__(self, problem: Problem, components: Sequence[_Spender], seed: int, given: Refutation) -> None:
        self.problem, self.components, self.seed, self.given = problem, components, seed, given

    @cached_property
    def others(self) -> list[_Spender]:
        """Movable VMs of no component, host by host."""
        free = self.problem.movable.copy()
        for component in self.components:
            free[list(component.vms)] = False
        start = self.problem.start
        hosts = np.unique(start[free]).tolist()
        return [_Spender(tuple(np.flatnonzero(free & (start == h)).tolist()), 0) for h in hosts]

    def refuted(self, extra: int, deadline: Deadline) -> bool:
        """Whether no way to spend exactly that many extra moves leaves nothing broken."""
        spenders = [*self.components, *self.others]
        for spent in combinations_with_replacement(range(len(spenders)), extra):
            if deadline.over() or not self._impossible(spenders, Counter(spent), deadline):
                return False
        return True

    def _impossible(self, spenders: Sequence[_Spender], extra: Counter[int], deadline: Deadline) -> bool:
        moves = [(s.vms, s.least + extra[i]) for i, s in enumerate(spenders) if s.least + extra[i]]
        arcs = _Arcs(self.problem, moves)
        candidates = None if deadline.over() else arcs.candidates(self.given.arcs)
        if candidates is None:
            return False
        try:
            model = Model(self.problem, self.problem.start, candidates, deadline.check)
        except OutOfTime:
            return False
        for vms, count in moves:
            stays = [model.literal[v][int(self.problem.start[v])] for v in vms]
            model.cp.add(cp_sat.LinearExpr.sum(stays) == len(vms) - count)
        for stage in (Stage.HARM, Stage.SHOULD_HARM):
            if model.objective[stage]:
                model.cap(stage, 0)
        return model.impossible(work=self.given.case_work, deadline=deadline, seed=self.seed)


class _Arcs:
    """Where VMs can go if of each set of VMs just that many leave.

    Only what no placement without harm can do is left out: arrivals beyond a must's limit on a host even after the
    largest departures. All other atoms are left to the model.
    """

    def __init__(self, problem: Problem, moves: Sequence[tuple[tuple[int, ...], int]]) -> None:
        self.problem, self.moves = problem, moves

    def candidates(self, most: int) -> dict[int, NDArray[np.int64]] | None:
        """Return the hosts of each VM that may move, its own among them; None where there are more than `most`."""
        rooms = [*self._rooms()]
        out = {}
        for vms, _ in self.moves:
            for vm in vms:
                mask = self.problem.may_enter(vm).copy()
                for amount, room in rooms:
                    mask &= amount[vm] <= room
                mask[self.problem.start[vm]] = True
                out[vm] = np.flatnonzero(mask)
                most -= out[vm].size
                if most < 0:
                    return None
        return out

    def _rooms(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield, for each must about hosts, the VMs' amounts and the most room that each host can come to have."""
        problem = self.problem
        for number, atom in problem.demands.sums.items():
            if atom.level or atom.union or atom.asked.hardness is not Hardness.MUST:
                continue
            limit = np.minimum(atom.limit, UNLIMITED // 2)
            room = limit - problem.start_loads[number] + self._gone(atom.amount)
            yield atom.amount, np.where(atom.limit >= UNLIMITED, UNLIMITED, room)

    def _gone(self, amount: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the most that can leave each host: of each set, its largest there."""
        gone = np.zeros(self.problem.hosts, np.int64)
        for vms, count in self.moves:
            left: Counter[int] = Counter()
            for vm in sorted(vms, key=lambda v: -int(amount[v])):
                home = int(self.problem.start[vm])
                if left[home] < count:
                    left[home] += 1
                    gone[home] += amount[vm]
        return gone
