"""The complete model once more, for the judge: every VM that may move, every host that may receive it, as CP-SAT.

Only what holds of any placement that any plan reaches: where this model has no solution, no plan has. So it may be
looser than the truth (VMs that others move count for least, budgets between two ends are left out), never tighter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.fleet import ABSENT
from optimizer.problem.problem import Stage
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import (
    COMPANY,
    COUNT,
    ENTER,
    FIXED,
    FLOW,
    HINGE,
    LEAVE,
    MOVE_COST,
    OCCUPANCY,
    PAIR,
    SHAPES,
    SUM,
    TOGETHER,
    ByShape,
)
from optimizer.verify.proof_component import weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from optimizer.problem.atoms import (
        Apart,
        Asked,
        AtLeast,
        AtMost,
        Enter,
        Fixed,
        Flow,
        Hinge,
        Leave,
        Linear,
        MoveCost,
        Needs,
        Same,
        Sets,
    )
    from optimizer.problem.problem import Problem
    from optimizer.verify.proof_rows import Relaxed

    Terms = list[tuple[int, cp_sat.IntVar]]

__all__ = ["WholeModel"]


@dataclass
class Sum:
    """A constant and weighted variables."""

    constant: int = 0
    terms: Terms = field(default_factory=list)

    @property
    def expression(self) -> cp_sat.LinearExpr:
        """The sum as an expression."""
        return weighted(self.terms) + self.constant

    @property
    def most(self) -> int:
        """A bound of the sum from above."""
        return self.constant + sum(c for c, _ in self.terms if c > 0)


class WholeModel:
    """Placements at rest that are no worse than the start, with the value of each stage as an expression."""

    def __init__(self, problem: Problem, relaxed: Relaxed, most: int) -> None:
        """Build; `too_large` is set, and nothing is built, where it takes more than `most` booleans."""
        self.problem, self.relaxed = problem, relaxed
        self.cp = cp_sat.CpModel()
        self.hosts: dict[int, list[int]] = {}
        pairs = 0
        for v in np.flatnonzero(problem.movable).tolist():
            self.hosts[v] = [int(problem.start[v]), *self._receivers(v)]
            pairs += len(self.hosts[v])
            if pairs > most:
                break
        self.too_large = pairs > most
        if self.too_large:
            return
        self.x = {(v, h): self.cp.new_bool_var(f"x{v}@{h}") for v, hosts in self.hosts.items() for h in hosts}
        for v, hosts in self.hosts.items():
            self.cp.add_exactly_one(self.x[v, h] for h in hosts)
        self.sums = {stage: Sum() for stage in (Stage.HARM, Stage.SHOULD_HARM, Stage.PRICED, Stage.MOVING)}
        moved = [(int(problem.moving[v]), self.x[v, hosts[0]]) for v, hosts in self.hosts.items()]
        self.sums[Stage.MOVING] = Sum(sum(c for c, _ in moved), [(-c, x) for c, x in moved])
        self._demand_all()
        cost = self.sums[Stage.MOVING]
        self.sums[Stage.PRICED].constant += MILLI * cost.constant
        self.sums[Stage.PRICED].terms += [(MILLI * c, x) for c, x in cost.terms]

    def at_most(self, stage: Stage, value: int) -> None:
        """Admit only placements whose stage comes to at most `value`."""
        self.cp.add(self.sums[stage].expression <= value)

    def solve(self, seconds: float) -> tuple[int, ...] | bool | None:
        """Return a placement; False where there is provably none; None where time ran out."""
        solver = cp_sat.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = 1
        solver.parameters.catch_sigint_signal = False
        status = solver.solve(self.cp)
        if status == cp_sat.INFEASIBLE:
            return False
        if status not in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
            return None
        placement = self.problem.start.tolist()
        for (v, h), x in self.x.items():
            if solver.boolean_value(x):
                placement[v] = h
        return tuple(placement)

    def forbid(self, placement: tuple[int, ...]) -> None:
        """Admit this placement no longer."""
        self.cp.add_bool_or(self.x[v, placement[v]].negated() for v in self.hosts)

    # -- where a VM may be -----------------------------------------------------------------------------------------

    def _receivers(self, vm: int) -> Iterator[int]:
        if not self.relaxed.can_leave(vm):
            return
        for h in np.flatnonzero(self.problem.may_enter(vm)).tolist():
            if h != self.problem.start[vm]:
                yield h

    def _presence(self, level: int, vm: int) -> dict[int, Sum]:
        """For each domain of a level, the VM's presence there at rest: a constant, or a sum of its variables."""
        domain = self.problem.domain[level]
        out: dict[int, Sum] = defaultdict(Sum)
        if vm in self.hosts:
            for h in self.hosts[vm]:
                out[int(domain[h])].terms.append((1, self.x[vm, h]))
        else:
            for d in {int(domain[h]) for h in self._ends(vm)}:
                out[d].constant = 1
        return out

    def _ends(self, vm: int) -> list[int]:
        return [int(h) for h in (self.problem.start[vm], self.problem.also_at[vm]) if h != ABSENT]

    def _count(self, level: int, vms: Iterable[int]) -> dict[int, Sum]:
        total: dict[int, Sum] = defaultdict(Sum)
        for vm in vms:
            for d, here in self._presence(level, vm).items():
                total[d].constant += here.constant
                total[d].terms += here.terms
        return total

    # -- demands ---------------------------------------------------------------------------------------------------

    def _demand_all(self) -> None:
        for number, atom in enumerate(self.problem.atoms):
            _DEMANDS[atom](self, number, atom)

    def _candidates_say(self, number: int, atom: Enter | Fixed) -> None:
        """Who may move, and where to, is what the variables are made by."""

    def _cost(self, number: int, atom: Hinge | MoveCost) -> None:
        """Leave out what no stage of such a proof counts."""

    def _excess(self, asked: Asked, most: int, start: int, unit: int = 1) -> cp_sat.IntVar:
        """Return a variable for an instance's excess: bounded by the start where it binds, and counted."""
        top = max(0, most) if asked.hardness is Hardness.SHOULD else max(0, start)
        excess = self.cp.new_int_var(0, top, "")
        if not top or asked.hardness is Hardness.GUARD:
            return excess
        steps = self.cp.new_int_var(0, -(-MILLI * top // unit), "")
        self.cp.add(unit * steps >= MILLI * excess)
        if asked.hardness is Hardness.MUST:
            self.sums[Stage.HARM].terms.append((asked.weight, steps))
        elif asked.price is None:
            self.sums[Stage.SHOULD_HARM].terms.append((asked.weight, steps))
        else:
            self.sums[Stage.PRICED].terms.append((asked.price, steps))
        return excess

    def _linear(self, number: int, atom: Linear) -> None:
        load = self.relaxed.loads[number]
        totals = [Sum(int(b)) for b in atom.base]
        for vm in np.flatnonzero(atom.amount).tolist():
            amount = int(atom.amount[vm])
            home = self._home(atom, vm)
            for d, here in self._presence(atom.level, vm).items():
                if d != home:
                    totals[d].constant += amount * here.constant
                    totals[d].terms += [(amount, x) for _, x in here.terms]
            if home != ABSENT:
                totals[home].constant += amount
        for d, total in enumerate(totals):
            limit = int(atom.limit[d])
            if total.most > limit:
                excess = self._excess(atom.asked, total.most - limit, int(load[d]) - limit, int(atom.unit[d]))
                self.cp.add(total.expression <= limit + excess)

    def _home(self, atom: Linear, vm: int) -> int:
        """Return the domain in which a union counts the VM whatever happens; `ABSENT` where there is none."""
        start = self.problem.start[vm]
        return int(self.problem.domain[atom.level, start]) if atom.union and start != ABSENT else ABSENT

    def _leave(self, number: int, atom: Leave) -> None:
        for vm in atom.vms.tolist():
            there = Sum(0 if vm in self.hosts else int(any(atom.hosts[h] for h in self._ends(vm))))
            there.terms += [(1, self.x[vm, h]) for h in self.hosts.get(vm, ()) if atom.hosts[h]]
            if there.most:
                start = int(any(atom.hosts[h] for h in self._ends(vm)))
                self.cp.add(self._excess(atom.asked, 1, start) >= there.expression)

    def _flow(self, number: int, atom: Flow) -> None:
        """Budgets that a staging hop cannot go round: of what leaves, or of what arrives."""
        if atom.sources is not None and atom.targets is not None:
            return
        used: Terms = []
        for vm, hosts in self.hosts.items():
            if (atom.vms is None or atom.vms[vm]) and (atom.sources is None or atom.sources[hosts[0]]):
                used += [
                    (int(atom.cost[vm]), self.x[vm, h]) for h in hosts[1:] if atom.targets is None or atom.targets[h]
                ]
        if used:
            self.cp.add(weighted(used) <= atom.limit)

    def _placed(self, sets: Sets) -> Iterator[tuple[int, list[int]]]:
        """Yield each set's number and those of its VMs that are somewhere."""
        for i in range(len(sets)):
            yield i, [v for v in sets[i].tolist() if self._ends(v)]

    def _at_most(self, number: int, atom: AtMost) -> None:
        for i, vms in self._placed(atom.sets):
            k, start = int(atom.k[i]), self._at_start(atom.level, vms)
            for d, total in self._count(atom.level, vms).items():
                if total.most > k:
                    excess = self._excess(atom.asked, total.most - k, start.get(d, 0) - k)
                    self.cp.add(total.expression <= k + excess)

    def _at_least(self, number: int, atom: AtLeast) -> None:
        """Count what others are moving at both ends, which is least demanding; so the start is not bounded."""
        for i, vms in self._placed(atom.sets):
            if vms:
                k = int(atom.k[i])
                occupied = [self._held(total) for total in self._count(atom.level, vms).values()]
                slack = self._slack(vms, k - len(self._at_start(atom.level, vms)), k)
                self.cp.add(weighted([(1, x) for x in occupied]) + self._excess(atom.asked, k, slack) >= k)

    def _slack(self, vms: Iterable[int], excess: int, most: int) -> int:
        """Return what an excess may be: as at the start, or anything where others move some of the VMs."""
        return most if any(self.problem.also_at[v] != ABSENT for v in vms) else excess

    def _at_start(self, level: int, vms: Iterable[int]) -> dict[int, int]:
        there: dict[int, int] = defaultdict(int)
        for vm in vms:
            for d in {int(self.problem.domain[level, h]) for h in self._ends(vm)}:
                there[d] += 1
        return there

    def _held(self, total: Sum) -> cp_sat.IntVar:
        """Return a boolean that may be true only where somebody is."""
        held = self.cp.new_bool_var("")
        if not total.constant:
            self.cp.add(total.expression >= held)
        return held

    def _same(self, number: int, atom: Same) -> None:
        for _, vms in self._placed(atom.sets):
            if vms:
                self._in_one(atom, vms)

    def _in_one(self, atom: Same, vms: list[int]) -> None:
        domain = self.problem.domain[atom.level]
        count: dict[int, Sum] = defaultdict(Sum)
        for vm in vms:
            if vm in self.hosts:
                for d, here in self._presence(atom.level, vm).items():
                    count[d].terms += here.terms
            else:
                count[int(domain[self._ends(vm)[0]])].constant += 1
        start = len(vms) - max(Counter(int(domain[self._ends(v)[0]]) for v in vms).values())
        excess = self._excess(atom.asked, len(vms), start)
        chosen = [self.cp.new_bool_var("") for _ in count]
        self.cp.add_exactly_one(chosen)
        for total, most in zip(count.values(), chosen, strict=True):
            self.cp.add(excess + total.expression >= len(vms)).only_enforce_if(most)

    def _apart(self, number: int, atom: Apart) -> None:
        for i in range(len(atom.left)):
            self._pair(atom.asked, atom.level, atom.left[i].tolist(), atom.right[i].tolist())

    def _pair(self, asked: Asked, level: int, left: list[int], right: list[int]) -> None:
        mine, theirs = (self._count(level, vms) for vms in (left, right))
        first, second = (self._at_start(level, vms) for vms in (left, right))
        for d in sorted(mine.keys() & theirs.keys()):
            most = min(mine[d].most, theirs[d].most)
            excess = self._excess(asked, most, min(first.get(d, 0), second.get(d, 0)))
            which = self.cp.new_bool_var("")
            self.cp.add(mine[d].expression <= excess).only_enforce_if(which)
            self.cp.add(theirs[d].expression <= excess).only_enforce_if(which.negated())

    def _needs(self, number: int, atom: Needs) -> None:
        for i in range(len(atom.left)):
            self._company(atom.asked, atom.level, atom.left[i].tolist(), set(atom.right[i].tolist()))

    def _company(self, asked: Asked, level: int, left: list[int], both: set[int]) -> None:
        mine = [v for v in left if v not in both and self._ends(v) and self.problem.also_at[v] == ABSENT]
        held = {d: self._held(total) for d, total in self._count(level, both).items()}
        here = self._at_start(level, both)
        start = sum(int(self.problem.domain[level, self._ends(v)[0]]) not in here for v in mine)
        excess = self._excess(asked, len(mine), self._slack([*left, *both], start, len(mine)))
        lone: Terms = []
        for vm in mine:
            for d, there in self._presence(level, vm).items():
                alone = self.cp.new_bool_var("")
                with_ = [held[d]] if d in held else []
                self.cp.add(alone + weighted([(1, x) for x in with_]) >= there.expression)
                lone.append((1, alone))
        if lone:
            self.cp.add(weighted(lone) <= excess)


_DEMANDS: ByShape[Callable[..., None]] = ByShape(
    "the judge's complete model",
    {
        SUM: WholeModel._linear,
        COUNT: WholeModel._at_most,
        PAIR: WholeModel._apart,
        OCCUPANCY: WholeModel._at_least,
        COMPANY: WholeModel._needs,
        TOGETHER: WholeModel._same,
        LEAVE: WholeModel._leave,
        ENTER: WholeModel._candidates_say,
        FIXED: WholeModel._candidates_say,
        FLOW: WholeModel._flow,
        MOVE_COST: WholeModel._cost,
        HINGE: WholeModel._cost,
    },
    SHAPES,
)
