"""The last stage: among targets of equal cost, those by which no host ends hotter than it must.

Who moves, and what that comes to in every stage before, is settled; only the targets of moves are chosen anew. A host's
heat is its highest load of any resource, as a share of its limit. The hottest host that receives anything is made
cooler first, then the next one: other targets and exchanges of targets by local search, CP-SAT where that is stuck.
A new target needs no wait, so that no move comes to depend on another, and the whole order is checked at the end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.planning.solve_and_order import carry_out
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.minimize_heat import minimize_heat
from optimizer.repair.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.parameters import Parameters
    from optimizer.planning.solve_and_order import Answer
    from optimizer.problem.problem import Problem
    from optimizer.repair.solver import Solver

__all__ = ["even_out"]


def even_out(solver: Solver, answer: Answer) -> Answer:
    """Return the answer with cooler targets where there are any; every stage before placement is as it was."""
    moved = {m.move.vm for m in answer.ordered.moves}
    given = solver.parameters.even_out
    if not moved or not given.enabled or not answer.ordered.complete or solver.deadline.left() <= 0:
        return answer
    search = _Search(solver.problem, answer.placement, moved, solver.deadline.part(given.share), solver.parameters)
    search.run(solver.limits.seed)
    if np.array_equal(search.work.placement, answer.placement):
        return answer
    found = carry_out(solver.problem, search.work.placement, solver)
    if not found.ordered.complete or found.values != answer.values or _arcs(found) > _arcs(answer):
        return answer
    return replace(answer, ordered=found.ordered, placement=found.placement)


def _arcs(answer: Answer) -> int:
    return sum(len(m.after) for m in answer.ordered.moves)


class _Search:
    """Targets of the VMs that move, changed one by one or in pairs while that makes the hotter of the hosts cooler."""

    def __init__(
        self,
        problem: Problem,
        placement: NDArray[np.int32],
        moved: set[int],
        deadline: Deadline,
        parameters: Parameters,
    ) -> None:
        self.problem, self.deadline, self.given = problem, deadline, parameters.even_out
        self.work = WorkingPlacement(problem)
        self.work.become(placement)
        self.targets = Targets(self.work, parameters.repair.near)
        self.arrived = {v for v in moved if placement[v] != problem.start[v]}

    def run(self, seed: int) -> None:
        """Cool hosts, hottest first, until none that receives can be made cooler."""
        settled: set[int] = set()
        while (host := self._hottest(settled)) is not None and not self._over():
            if not self._cool(host):
                settled.add(host)
        for _ in range(self.given.models):
            hottest = self._hottest(set())
            if (
                hottest is None
                or self._over()
                or not minimize_heat(self.targets, self.arrived, hottest, self.deadline, seed, self.given)
            ):
                return

    def _over(self) -> bool:
        most = self.given.base + self.given.per_move * len(self.arrived)
        return self.targets.work_done > most or self.deadline.over()

    def _hottest(self, but: set[int]) -> int | None:
        hosts = sorted({int(self.work.placement[v]) for v in self.arrived} - but)
        if not hosts:
            return None
        heat = self.targets.heat(np.array(hosts))
        return hosts[int(np.argmax(heat))]

    def _cool(self, host: int) -> bool:
        """Send one VM that came to the host elsewhere, or exchange its target with that of another."""
        here = [v for v in sorted(self.arrived) if self.work.placement[v] == host]
        return any(self._elsewhere(v, host) for v in here) or any(self._exchanged(v, host) for v in here)

    def _elsewhere(self, vm: int, host: int) -> bool:
        heat = float(self.targets.heat(np.array([host]))[0])
        self.work.put(vm, int(self.problem.start[vm]))
        hosts = self.targets.equal(vm, host)
        if hosts.size:
            heats = self.targets.heat(hosts, vm)
            best = int(np.argmin(heats))
            if heats[best] < heat and hosts[best] != self.problem.start[vm]:
                self.work.put(vm, int(hosts[best]))
                return True
        self.work.put(vm, host)
        return False

    def _exchanged(self, vm: int, host: int) -> bool:
        heat = float(self.targets.heat(np.array([host]))[0])
        for other, there in self._partners(vm, host):
            if self._over():
                break
            self.work.put(vm, int(self.problem.start[vm]))
            self.work.put(other, int(self.problem.start[other]))
            if self.targets.may_go(vm, there, host) and self.targets.may_go(other, host, there):
                self.work.put(vm, there)
                if self.targets.may_go(other, host, there):
                    self.work.put(other, host)
                    if float(self.targets.heat(np.array([host, there])).max()) < heat:
                        return True
                    self.work.put(other, int(self.problem.start[other]))
                self.work.put(vm, int(self.problem.start[vm]))
            self.work.put(vm, host)
            self.work.put(other, there)
        return False

    def _partners(self, vm: int, host: int) -> Iterator[tuple[int, int]]:
        """Yield VMs with which an exchange of targets cools the hotter host, and where they are: the coolest first."""
        homes = self.problem.start
        others = [(int(self.work.placement[o]), o) for o in self.arrived if o != vm]
        others = [(at, o) for at, o in sorted(others) if at not in (host, homes[vm]) and homes[o] != host]
        if not others:
            return
        at, vms = (np.array(column, np.int64) for column in zip(*others, strict=True))
        now = float(self.targets.heat(np.array([host]))[0])
        heat = np.maximum(self.targets.exchanged(host, vm, vms), self.targets.exchanged(at, vms, vm))
        order = np.argsort(self.targets.heat(at), kind="stable")
        for i in order[heat[order] < now][: self.given.partners].tolist():
            yield int(vms[i]), int(at[i])
