"""The model of making room: how many new VMs on each host, and which VMs move where first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.fleet import Move
from optimizer.problem.flow_index import in_flow
from optimizer.whatif.model import RoomModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.cp_sat import CpSolver, LinearExpr
    from optimizer.problem.problem import Problem
    from optimizer.whatif.room import Room, Row
    from optimizer.whatif.unit import Unit

__all__ = ["MovingModel"]


class MovingModel(RoomModel):
    """The room of new VMs (the kinds of a unit) and, after them, of VMs that may move (one a kind).

    Parameters
    ----------
    targets
        For each kind of a VM that may move, the hosts that it may go to.
    """

    def __init__(self, problem: Problem, room: Room, unit: Unit, targets: Mapping[int, Sequence[int]]) -> None:
        self.problem, self.unit, self.targets = problem, unit, targets
        self.new = range(len(unit.kinds))
        self.source = {k: int(problem.start[room.kinds[k].vms[0]]) for k in targets}
        super().__init__(room)
        self.goes = {(k, h): variable for k in targets for h, variable in self.number[k].items()}
        self._budgets()
        self.units = self._units()
        self.model.maximize(self.units)

    def _most(self, kind: int) -> NDArray[np.int64]:
        if kind in self.targets:
            most = np.zeros(self.room.hosts, np.int64)
            most[list(self.targets[kind])] = 1
            return most
        most = self.room.most(kind)
        freed = np.zeros(self.room.hosts, np.bool_)
        freed[list(self.source.values())] = True
        return np.where(freed & self.room.open[kind], self.room.kinds[kind].wanted, most)

    def _units(self) -> LinearExpr:
        if self.unit.alone:
            return self.made(0)
        units = self.model.new_int_var(0, self.unit.wanted, "units")
        for k, n in enumerate(self.unit.each):
            self.model.add(self.made(k) == n * units)
        if self.unit.spread is not None:
            self.add_cap(0, self.unit.cap(1), units)
        return units

    def _add_row(self, row: Row) -> None:
        """Targets have room before anything leaves; at the end everybody has."""
        coming: dict[int, list[LinearExpr]] = {}
        leaving: dict[int, list[LinearExpr]] = {}
        for k in self.targets:
            source = int(row.domain[self.source[k]])
            for h, goes in self.number[k].items() if row.amount[k] else ():
                target = int(row.domain[h])
                if source != target:
                    coming.setdefault(target, []).append(goes * int(row.amount[k]))
                    leaving.setdefault(source, []).append(goes * int(row.amount[k]))
        kinds = [k for k in self.new if row.amount[k]]
        new = {d: [n * int(row.amount[k]) for k, n in terms] for d, terms in self._by_domain(row.domain, kinds).items()}
        for domain in {*coming, *new}:
            left = int(row.left[domain])
            come, gone = coming.get(domain, []), [] if row.debt[domain] else leaving.get(domain, [])
            if come:
                self.model.add(cp_sat.LinearExpr.sum(come) <= left)
            if domain in new:
                self.model.add(cp_sat.LinearExpr.sum([*come, *new[domain], *(-1 * term for term in gone)]) <= left)

    def _budgets(self) -> None:
        for flow in self.problem.flows:
            spent = []
            for (k, host), goes in self.goes.items():
                vm = int(self.room.kinds[k].vms[0])
                if in_flow(flow, vm, self.source[k], host) and flow.cost[vm]:
                    spent.append(goes * int(flow.cost[vm]))
            if spent:
                self.model.add(cp_sat.LinearExpr.sum(spent) <= flow.limit)

    def limit(self, moves: int) -> None:
        """Allow at most `moves` moves."""
        if self.goes:
            self.model.add(cp_sat.LinearExpr.sum(list(self.goes.values())) <= moves)

    def begin_with(self, made: Sequence[Move], numbers: NDArray[np.int64]) -> None:
        """Begin with an answer that is known."""
        going = {(m.vm, m.target) for m in made}
        for (k, host), goes in self.goes.items():
            self.model.add_hint(goes, int((int(self.room.kinds[k].vms[0]), host) in going))
        for k in self.new:
            for host, variable in self.number[k].items():
                self.model.add_hint(variable, int(numbers[k, host]))

    def found(self, solver: CpSolver) -> tuple[tuple[Move, ...], NDArray[np.int64]]:
        """Return the moves of a solution, and how many of each new kind are on each host: int64 [K, H]."""
        moves = tuple(
            Move(int(self.room.kinds[k].vms[0]), self.source[k], host)
            for (k, host), goes in self.goes.items()
            if solver.value(goes)
        )
        return moves, self.numbers(solver)[: len(self.new)]
