"""What the atoms are said with in CP-SAT: literals of the free VMs, counts of the others, excesses and their harm."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from optimizer import cp_sat
from optimizer.fleet import ABSENT
from optimizer.problem.problem import Problem, Stage, stage_of
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.problem.atoms import Asked
    from optimizer.problem.instance import Instance

    Terms = list[tuple[cp_sat.IntVar, int]]

__all__ = ["Formulation"]


class Formulation:
    """CP-SAT's variables over `candidates` (VM -> hosts, its present and its first one among them).

    `placement` must be no worse than the start in any instance: it is where the others stand.
    `check` is asked while the model is made, which may take longer than to solve it: it raises what ends that.
    `covered` names the instances that the free VMs can exceed; the others' harm is constant.
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
        self._moving()

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
