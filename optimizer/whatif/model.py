"""The exact model of a room: how many of each kind on each host, for CP-SAT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.cp.solving import solve_within
from optimizer.problem.shapes import LEFT, RIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.cp_sat import CpSolver, IntVar, LinearExpr
    from optimizer.whatif.effort import Effort
    from optimizer.whatif.fill import Cap
    from optimizer.whatif.room import Coupling, Room, Row

__all__ = ["RoomModel"]


class RoomModel:
    """Variables ``number[k][h]`` under all that a room demands; callers add what they want of it."""

    def __init__(self, room: Room) -> None:
        self.room, self.model = room, cp_sat.CpModel()
        self.number: list[dict[int, IntVar]] = []
        for k in range(len(room.kinds)):
            most = self._most(k)
            self.number.append(
                {h: self.model.new_int_var(0, int(most[h]), f"n{k}_{h}") for h in np.flatnonzero(most).tolist()}
            )
        for k, kind in enumerate(room.kinds):
            self.model.add(self.made(k) <= kind.wanted)
        for row in room.rows:
            self._add_row(row)
        for coupling in room.couplings:
            self._add_coupling(coupling)

    def _most(self, kind: int) -> NDArray[np.int64]:
        """Return int64 [H]: how many of a kind each host may come to have."""
        return self.room.most(kind)

    def made(self, kind: int) -> LinearExpr:
        """Return how many of a kind are made."""
        return (
            cp_sat.LinearExpr.sum(list(self.number[kind].values())) if self.number[kind] else cp_sat.LinearExpr.sum([0])
        )

    def add_cap(self, kind: int, cap: Cap, times: IntVar | int) -> None:
        """Let each domain of a cap take at most its number x `times` of a kind."""
        domain, most = cap
        for d, terms in self._by_domain(domain, [kind]).items():
            self.model.add(cp_sat.LinearExpr.sum([v for _, v in terms]) <= int(most[d]) * times)

    def hint(self, numbers: NDArray[np.int64]) -> None:
        """Let the search begin with numbers that hold: int64 [K, H]."""
        for k, by_host in enumerate(self.number):
            for h, variable in by_host.items():
                self.model.add_hint(variable, int(numbers[k, h]))

    def solve(
        self, effort: Effort, work: float | None = None, *, prepared: bool = True
    ) -> tuple[bool, CpSolver | None]:
        """Return whether the search ended by itself, and the solver if it has a solution.

        Parameters
        ----------
        work
            Deterministic time after which it ends: less than the effort would allow.
        prepared
            Whether CP-SAT first looks for symmetries and tries values (probing): for small models most of the time.
        """
        solver = effort.solver()
        if work is not None:
            solver.parameters.max_deterministic_time = work
        if not prepared:
            solver.parameters.symmetry_level = solver.parameters.cp_model_probing_level = 0
        status = solve_within(solver, self.model, effort.over)
        return status in (cp_sat.OPTIMAL, cp_sat.INFEASIBLE), solver if status in (
            cp_sat.OPTIMAL,
            cp_sat.FEASIBLE,
        ) else None

    def numbers(self, solver: CpSolver) -> NDArray[np.int64]:
        """Return int64 [K, H] of a solution."""
        out = np.zeros((len(self.number), self.room.hosts), np.int64)
        for k, by_host in enumerate(self.number):
            for h, variable in by_host.items():
                out[k, h] = solver.value(variable)
        return out

    def _by_domain(self, domain: NDArray[np.int32], kinds: Sequence[int]) -> dict[int, list[tuple[int, IntVar]]]:
        found: dict[int, list[tuple[int, IntVar]]] = {}
        for k in kinds:
            for h, variable in self.number[k].items():
                found.setdefault(int(domain[h]), []).append((k, variable))
        return found

    def _add_row(self, row: Row) -> None:
        kinds = np.flatnonzero(row.amount).tolist()
        if not row.level and len(kinds) < 2:
            return  # the variables' own limits say it
        for d, terms in self._by_domain(row.domain, kinds).items():
            weighted = [v * int(row.amount[k]) for k, v in terms]
            self.model.add(cp_sat.LinearExpr.sum(weighted) <= int(row.left[d]))

    def _side(self, coupling: Coupling, side: int) -> tuple[dict[int, LinearExpr], int]:
        """Return how many VMs of a side each domain that can have any has, and more than any domain ever has."""
        kinds = np.flatnonzero(coupling.members[side]).tolist()
        new = self._by_domain(coupling.domain, kinds)
        there = coupling.there[side]
        counts = {
            d: cp_sat.LinearExpr.sum([int(there.get(d, 0)), *(v for _, v in new.get(d, ()))])
            for d in sorted({*there, *new})
        }
        return counts, sum(there.values()) + sum(self.room.kinds[k].wanted for k in kinds) + 1

    def _add_coupling(self, coupling: Coupling) -> None:
        {
            "pair": self._add_pair,
            "occupancy": self._add_occupancy,
            "company": self._add_company,
            "together": self._add_together,
        }[coupling.shape](coupling)

    def _add_pair(self, c: Coupling) -> None:
        (left, most_left), (right, most_right) = self._side(c, LEFT), self._side(c, RIGHT)
        for d in left.keys() & right.keys():
            allowed = min(c.there[LEFT].get(d, 0), c.there[RIGHT].get(d, 0))
            which = self.model.new_bool_var("")
            self.model.add(left[d] <= allowed + most_left * which)
            self.model.add(right[d] <= allowed + most_right * (1 - which))

    def _add_occupancy(self, c: Coupling) -> None:
        counts, most = self._side(c, LEFT)
        somewhere = self.model.new_bool_var("")
        occupied = {d: self.model.new_bool_var("") for d in counts}
        for d, count in counts.items():
            self.model.add(count >= occupied[d])
            self.model.add(count <= most * somewhere)
        self.model.add(cp_sat.LinearExpr.sum(list(occupied.values())) >= (c.limit - c.allowed) * somewhere)

    def _add_company(self, c: Coupling) -> None:
        (left, most), (right, _) = self._side(c, LEFT), self._side(c, RIGHT)
        alone = []
        for d, count in left.items():
            lone, met = self.model.new_int_var(0, most, ""), self.model.new_bool_var("")
            self.model.add(right[d] >= met) if d in right else self.model.add(met <= 0)
            self.model.add(lone >= count - most * met)
            alone.append(lone)
        self.model.add(cp_sat.LinearExpr.sum(alone) <= c.allowed)

    def _add_together(self, c: Coupling) -> None:
        counts, most = self._side(c, LEFT)
        outside, home = [], []
        for count in counts.values():
            away, here = self.model.new_int_var(0, most, ""), self.model.new_bool_var("")
            self.model.add(away >= count - most * here)
            outside.append(away)
            home.append(here)
        if home:
            self.model.add_exactly_one(home)
            self.model.add(cp_sat.LinearExpr.sum(outside) <= c.allowed)
