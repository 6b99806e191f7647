"""CP-SAT on the atoms: some VMs free, each over some hosts, all others where they stand; stage by stage.

With every movable VM free over every host that may receive it the model is the problem itself and its bounds are the
problem's. With fewer it is a neighbourhood: its solutions are good, its bounds are not the problem's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.cp.atoms import LOWER
from optimizer.cp.exact import proven_bound
from optimizer.cp.solving import solve_within
from optimizer.fleet import ABSENT
from optimizer.problem.problem import Problem, Stage, stage_of
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.problem.atoms import Asked
    from optimizer.problem.instance import Instance

__all__ = ["Ended", "Model", "StageEnd", "complete_candidates"]

BUILDING = 5e-5
"""What a literal counts as work, for the making of the model."""

LEAST = 1e-3
"""Least time or work that a solver is given, and that a call counts as."""

Terms = list[tuple[cp_sat.IntVar, int]]


class Ended(Enum):
    """How a stage's search ended: what stopped it, and whether it proved what it says."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


_ENDS = {
    cp_sat.OPTIMAL: Ended.OPTIMAL,
    cp_sat.FEASIBLE: Ended.FEASIBLE,
    cp_sat.INFEASIBLE: Ended.INFEASIBLE,
    cp_sat.UNKNOWN: Ended.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class StageEnd:
    """What one stage came to: `value` of the best solution and `bound`, both of this model's own terms only."""

    stage: Stage
    ended: Ended
    value: int
    bound: int


def complete_candidates(problem: Problem) -> dict[int, NDArray[np.int64]]:
    """Every movable VM over every host that may receive it, and its own: the whole problem."""
    out = {}
    for vm in np.flatnonzero(problem.movable).tolist():
        mask = problem.may_enter(vm).copy()
        mask[problem.start[vm]] = True
        out[vm] = np.flatnonzero(mask)
    return out


class Model:
    """A CP-SAT model over `candidates` (VM -> hosts, its present and its first one among them).

    `placement` must be no worse than the start in any instance: it is where the others stand, and the first hint.
    `check` is asked while the model is made, which may take longer than to solve it: it raises what ends that.
    `covered` names the instances that the free VMs can exceed; the others' harm is
    constant.
    """

    def __init__(
        self,
        problem: Problem,
        placement: NDArray[np.int32],
        candidates: Mapping[int, NDArray[np.int64]],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.problem, self.placement, self.check = problem, placement, check
        self.cp = cp_sat.CpModel()
        self.literal: dict[int, dict[int, cp_sat.IntVar]] = {}
        self.objective: dict[Stage, Terms] = defaultdict(list)
        self.constant: Counter[Stage] = Counter()
        self.covered: set[Instance] = set()
        for vm, hosts in candidates.items():
            check()
            row = {int(h): self.cp.new_bool_var("") for h in hosts}
            self.literal[vm] = row
            self.cp.add_exactly_one(row.values())
        for number, atom in enumerate(problem.atoms):
            LOWER[atom](self, number, atom)
        self._moving()

    # -- what the atoms are made of ------------------------------------------------------------------------------

    def _moving(self) -> None:
        for vm, row in self.literal.items():
            home = int(self.problem.start[vm])
            weight = int(self.problem.moving[vm])
            stay = row[home]
            self.objective[Stage.MOVING].append((stay, -weight))
            self.constant[Stage.MOVING] += weight
            self.objective[Stage.PRICED].append((stay, -MILLI * weight))
            self.constant[Stage.PRICED] += MILLI * weight

    def by_domain(self, level: int, vms: Iterable[int]) -> dict[int, list[tuple[int, cp_sat.IntVar]]]:
        """For each domain that a free VM among `vms` may be in: its literals there."""
        self.check()
        domain = self.problem.domain[level]
        out: dict[int, list[tuple[int, cp_sat.IntVar]]] = defaultdict(list)
        for vm in vms:
            for host, lit in self.literal.get(vm, {}).items():
                out[int(domain[host])].append((vm, lit))
        return out

    def settled(self, level: int, vms: Iterable[int]) -> Counter[int]:
        """How many distinct VMs among `vms` that are not free stand in each domain (at either end)."""
        out: Counter[int] = Counter()
        for vm in vms:
            if vm not in self.literal:
                out.update(self.domains_of(level, vm, self.placement))
        return out

    def domains_of(self, level: int, vm: int, placement: NDArray[np.int32]) -> set[int]:
        """Domains in which a VM is present under a placement."""
        ends = (int(placement[vm]), int(self.problem.also_at[vm]))
        return {int(self.problem.domain[level, h]) for h in ends if h != ABSENT}

    def at_start(self, level: int, vms: Iterable[int]) -> Counter[int]:
        """How many distinct VMs among `vms` stood in each domain at the start."""
        return self.at(level, vms, self.problem.start)

    def at(self, level: int, vms: Iterable[int], placement: NDArray[np.int32]) -> Counter[int]:
        """How many distinct VMs among `vms` are in each domain under a placement."""
        out: Counter[int] = Counter()
        for vm in vms:
            out.update(self.domains_of(level, vm, placement))
        return out

    def excess(self, asked: Asked, instance: Instance, at_start: int, most: int) -> cp_sat.IntVar | int:
        """Return the variable that an instance's excess is measured by, or 0 where it may have none."""
        self.check()
        self.covered.add(instance)
        allowed = max(0, at_start)
        if asked.hardness in (Hardness.MUST, Hardness.GUARD):
            most = min(most, allowed)
        return self.cp.new_int_var(0, most, "") if most > 0 else 0

    def count_harm(self, asked: Asked, excess: cp_sat.IntVar | int, most: int, unit: int = 1) -> None:
        """Add an instance's harm, weight x ceil(1000 x excess / unit), to its stage."""
        if isinstance(excess, int) or asked.hardness not in (Hardness.MUST, Hardness.SHOULD):
            return
        stage, weight = stage_of(asked)
        if unit == 1:
            self.objective[stage].append((excess, weight * MILLI))
            return
        harm = self.cp.new_int_var(0, -(-MILLI * most // unit), "")
        self.cp.add(unit * harm >= MILLI * excess)
        self.objective[stage].append((harm, weight))

    def limit(self, number: int, total: cp_sat.LinearExpr, left: int, most: int) -> None:
        """Demand that moves cost no more than is left of the flow of that number; `most` is what they could."""
        self.cp.add(total <= left)

    # -- solving -------------------------------------------------------------------------------------------------

    def forbid(self, placement: NDArray[np.int32]) -> None:
        """Exclude exactly this placement of the free VMs."""
        self.check()
        self.cp.add_bool_or(row[int(placement[vm])].negated() for vm, row in self.literal.items())

    def cap(self, stage: Stage, most: int) -> None:
        """Demand that a stage's own terms stay within `most`."""
        self.cp.add(self._expression(stage) <= most)

    def bound(self, stage: Stage, least: int) -> None:
        """Tell the solver that a stage's own terms come to `least` at least: it need not find that out."""
        self.cp.add(self._expression(stage) >= least)

    def _expression(self, stage: Stage) -> cp_sat.LinearExpr | int:
        terms = self._terms(stage)
        return self.constant[stage] if terms is None else terms + self.constant[stage]

    def _terms(self, stage: Stage) -> cp_sat.LinearExpr | None:
        terms = self.objective[stage]
        return cp_sat.LinearExpr.weighted_sum([v for v, _ in terms], [c for _, c in terms]) if terms else None

    def hint(self, placement: NDArray[np.int32]) -> None:
        """Start the search from a placement."""
        self.cp.proto.clear_solution_hint()
        for vm, row in self.literal.items():
            here = int(placement[vm])
            for host, lit in row.items():
                self.cp.add_hint(lit, host == here)

    def run(
        self, stages: Sequence[Stage], *, work: float, deadline: Deadline, seed: int, workers: int = 1
    ) -> tuple[NDArray[np.int32] | None, list[StageEnd]]:
        """Minimize the stages one after the other, each without making a former one worse.

        Parameters
        ----------
        work
            CP-SAT's deterministic time for all stages together, the same on every machine: what one leaves is for the
            next.
        deadline
            Wall time, the last resort; asked all the time, so that an interrupt ends the search at once.

        Returns
        -------
        The best placement found (None if none), and one `StageEnd` for each stage that was begun.
        """
        best: NDArray[np.int32] | None = None if self.literal else self.placement
        ends: list[StageEnd] = []
        self.hint(self.placement)
        deadline.spend(BUILDING * sum(len(row) for row in self.literal.values()))
        for behind, stage in enumerate(stages):
            terms, constant = self._terms(stage), self.constant[stage]
            if terms is None:
                ends.append(StageEnd(stage, Ended.OPTIMAL, constant, constant))
                continue
            solver = _solver(work / (len(stages) - behind), deadline, seed, workers)
            self.cp.minimize(terms)
            ended = _ENDS.get(_solve(solver, self.cp, deadline), Ended.UNKNOWN)
            if ended in (Ended.INFEASIBLE, Ended.UNKNOWN):
                ends.append(StageEnd(stage, ended, 0, 0))
                break
            work -= solver.response_proto.deterministic_time
            best = self._read(solver)
            value = int(solver.value(terms))
            bound = min(value, proven_bound(solver))
            ends.append(StageEnd(stage, ended, value + constant, bound + constant))
            self.cp.add(terms <= value)
            self.hint(best)
        return best, ends

    def impossible(self, *, work: float, deadline: Deadline, seed: int) -> bool:
        """Whether it is proven, within `work` and the deadline, that no placement satisfies the model."""
        deadline.spend(BUILDING * sum(len(row) for row in self.literal.values()))
        return _solve(_solver(work, deadline, seed, 1), self.cp, deadline) == cp_sat.INFEASIBLE

    def _read(self, solver: cp_sat.CpSolver) -> NDArray[np.int32]:
        out = self.placement.copy()
        for vm, row in self.literal.items():
            out[vm] = next(h for h, lit in row.items() if solver.boolean_value(lit))
        return out


def _solve(solver: cp_sat.CpSolver, model: cp_sat.CpModel, deadline: Deadline) -> cp_sat.CpSolverStatus:
    status = solve_within(solver, model, deadline.over)
    deadline.spend(solver.response_proto.deterministic_time + LEAST if status is not None else LEAST)
    return cp_sat.UNKNOWN if status is None else status


def _solver(work: float, deadline: Deadline, seed: int, workers: int) -> cp_sat.CpSolver:
    solver = cp_sat.CpSolver()
    p = solver.parameters
    p.max_deterministic_time, p.max_time_in_seconds = max(work, LEAST), max(deadline.wall(), LEAST)
    if deadline.memory_mib is not None:
        p.max_memory_in_mb = deadline.memory_mib
    p.random_seed, p.num_workers = seed, workers
    p.interleave_search = workers > 1
    p.catch_sigint_signal = False
    return solver
