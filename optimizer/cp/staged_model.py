"""Placements that can be carried out where hardly anything fits: CP-SAT that knows in which phase each VM moves.

A placement says nothing of the way there, and on a nearly full fleet most have none. Here each VM that moves does
so in one of a few phases; in each phase what arrives counts at both ends, and only what left in a former phase is gone.
So holes have to be opened before they are used, and what comes out can be ordered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.cp.model import Model
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from optimizer.problem.atoms import AtMost
    from optimizer.problem.working_placement import WorkingPlacement

__all__ = ["StagedModel"]


class StagedModel(Model):
    """The model of a placement reached from the present one of `work`, and beside it in which phase each VM moves.

    Three phases open a hole, use it, and use what that opened: longer chains come from several neighbourhoods.
    """

    def __init__(
        self,
        work: WorkingPlacement,
        candidates: Mapping[int, NDArray[np.int64]],
        phases: int,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(work.problem, work.placement, candidates, check)
        self.phases = phases
        self.arrives: dict[int, dict[int, list[cp_sat.IntVar]]] = {}
        for vm, row in self.literal.items():
            self.arrives[vm] = {}
            for host, lit in row.items():
                if host != int(work.placement[vm]):
                    when = [self.cp.new_bool_var("") for _ in range(phases)]
                    self.cp.add(cp_sat.LinearExpr.sum(when) == lit)
                    self.arrives[vm][host] = when
        for linear in work.tally.linears:
            if linear.atom.asked.hardness is not Hardness.SHOULD:
                limited = np.flatnonzero(linear.ceiling < UNLIMITED).tolist()
                room = {d: int(linear.ceiling[d] - linear.load[d]) for d in limited}
                self._each_phase(linear.atom.level, {v: int(linear.atom.amount[v]) for v in self.literal}, room)
        for atom in work.problem.demands.counts.values():
            if atom.asked.hardness is not Hardness.SHOULD:
                self._sets(atom)

    def _sets(self, atom: AtMost) -> None:
        domain = self.problem.domain[atom.level]
        for i in range(len(atom.sets)):
            self.check()
            vms = [v for v in atom.sets[i].tolist() if v in self.literal]
            if not vms:
                continue
            everyone, k = atom.sets[i].tolist(), int(atom.k[i])
            now, first = self.at(atom.level, everyone, self.placement), self.at_start(atom.level, everyone)
            reached = {int(domain[h]) for v in vms for h in self.literal[v]}
            self._each_phase(atom.level, dict.fromkeys(vms, 1), {d: max(k, first[d]) - now[d] for d in reached})

    def _each_phase(self, level: int, amount: Mapping[int, int], room: Mapping[int, int]) -> None:
        """In each phase: arrivals so far <= room at first + what left in former phases, of VMs with an amount."""
        self.check()
        domain = self.problem.domain[level].tolist()
        came: dict[int, list[tuple[list[cp_sat.IntVar], int]]] = {}
        left: dict[int, list[tuple[list[cp_sat.IntVar], int]]] = {}
        for vm, a in amount.items():
            source = domain[self.placement[vm]]
            for host, when in self.arrives[vm].items() if a else ():
                if source != domain[host]:
                    came.setdefault(domain[host], []).append((when, a))
                    left.setdefault(source, []).append((when, -a))
        for d, arrivals in came.items():
            for phase in range(self.phases if d in room else 0):
                terms = [(w[p], a) for w, a in arrivals for p in range(phase + 1)]
                terms += [(w[p], a) for w, a in left.get(d, ()) for p in range(phase)]
                total = cp_sat.LinearExpr.weighted_sum([v for v, _ in terms], [a for _, a in terms])
                self.cp.add(total <= room[d])
