"""How each atom is said in CP-SAT: one function an atom, called by `Model` with itself.

Only instances that a free VM can touch are covered; a must's excess is a variable where it was broken at the start, and
none where it held.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.flow_index import in_flow
from optimizer.problem.instance import Instance
from optimizer.problem.presence import load_of
from optimizer.problem.problem import Stage
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from optimizer.cp.formulation import Formulation
    from optimizer.problem.atoms import (
        Apart,
        AtLeast,
        AtMost,
        Atom,
        Flow,
        Group,
        Hinge,
        Leave,
        Linear,
        MoveCost,
        Needs,
        Same,
        Sets,
    )

__all__ = ["LOWER"]


def _linear(model: Formulation, number: int, atom: Linear) -> None:
    problem, domain = model.problem, model.problem.domain[atom.level]
    first, settled = problem.start_loads[number], _settled_load(model, number, atom)
    for d, pairs in model.by_domain(atom.level, model.literal).items():
        if atom.union:
            pairs = [(v, lit) for v, lit in pairs if domain[problem.start[v]] != d]
        pairs = [(v, lit) for v, lit in pairs if atom.amount[v]]
        limit, base = int(atom.limit[d]), int(settled[d])
        most = base + sum({v: int(atom.amount[v]) for v, _ in pairs}.values()) - limit
        if limit >= UNLIMITED or not pairs or most <= 0:
            continue
        e = model.excess(atom.asked, Instance(number, 0, d), int(first[d]) - limit, most)
        total = cp_sat.LinearExpr.weighted_sum([lit for _, lit in pairs], [int(atom.amount[v]) for v, _ in pairs])
        model.cp.add(total <= limit - base + e)
        model.count_harm(atom.asked, e, most, int(atom.unit[d]))


def _settled_load(model: Formulation, number: int, atom: Linear) -> NDArray[np.int64]:
    """Load of VMs that are not free; a union has x0 everywhere, and settled VMs that are elsewhere now."""
    problem, domain = model.problem, model.problem.domain[atom.level]
    settled = np.ones(problem.vms, np.bool_)
    settled[list(model.literal)] = False
    if not atom.union:
        return load_of(atom, domain, model.placement, problem.also_at, settled)
    load = problem.start_loads[number].copy()
    placed = np.flatnonzero(settled & (model.placement != ABSENT))
    away = placed[domain[model.placement[placed]] != domain[problem.start[placed]]]
    np.add.at(load, domain[model.placement[away]], atom.amount[away])
    return load


def _members(model: Formulation, atom: Group) -> list[int]:
    """Numbers of the sets (or pairs) with a free VM."""
    return sorted({i for side in atom.sides for i in _touched(model, side)})


def _touched(model: Formulation, sets: Sets) -> list[int]:
    """Numbers of the sets with a free VM."""
    free = np.zeros(model.problem.vms, np.bool_)
    free[list(model.literal)] = True
    hits = np.flatnonzero(free[sets.members])
    return [int(i) for i in np.unique(np.searchsorted(sets.indptr, hits, side="right") - 1)]


def _at_most(model: Formulation, number: int, atom: AtMost) -> None:
    for i in _members(model, atom):
        vms, k = atom.sets[i].tolist(), int(atom.k[i])
        settled, first = model.settled(atom.level, vms), model.at_start(atom.level, vms)
        for d, pairs in model.by_domain(atom.level, vms).items():
            most = settled[d] + len({v for v, _ in pairs}) - k
            if most <= 0:
                continue
            e = model.excess(atom.asked, Instance(number, i, d), first[d] - k, most)
            model.cp.add(cp_sat.LinearExpr.sum([lit for _, lit in pairs]) <= k - settled[d] + e)
            model.count_harm(atom.asked, e, most)


def _apart(model: Formulation, number: int, atom: Apart) -> None:
    for i in _members(model, atom):
        sides = [_Side(model, atom.level, sets[i].tolist()) for sets in (atom.left, atom.right)]
        for d in sorted(sides[0].domains & sides[1].domains):
            most = [s.most(d) for s in sides]
            e = model.excess(atom.asked, Instance(number, i, d), min(s.first[d] for s in sides), min(most))
            left_gives = model.cp.new_bool_var("")
            model.cp.add(sides[0].count(d) <= e).only_enforce_if(left_gives)
            model.cp.add(sides[1].count(d) <= e).only_enforce_if(left_gives.negated())
            model.count_harm(atom.asked, e, min(most))


class _Side:
    """One set of VMs, counted by domain.

    `at` says in which domain each VM that others are moving is taken to be; those it does not name count at both ends.
    """

    def __init__(self, model: Formulation, level: int, vms: list[int], at: Mapping[int, int] | None = None) -> None:
        at = at or {}
        self.pairs = model.by_domain(level, vms)
        self.settled = model.settled(level, (v for v in vms if v not in at))
        self.first = model.at_start(level, (v for v in vms if v not in at))
        for vm in vms:
            if vm in at:
                self.settled[at[vm]] += 1
                self.first[at[vm]] += 1

    @property
    def domains(self) -> set[int]:
        return set(self.pairs) | {d for d, n in self.settled.items() if n}

    @property
    def occupied_at_start(self) -> set[int]:
        return {d for d, n in self.first.items() if n}

    def literals(self, d: int) -> list[cp_sat.IntVar]:
        return [lit for _, lit in self.pairs.get(d, ())]

    def count(self, d: int) -> cp_sat.LinearExpr:
        return cp_sat.LinearExpr.sum(self.literals(d)) + self.settled[d]

    def most(self, d: int) -> int:
        return self.settled[d] + len({v for v, _ in self.pairs.get(d, ())})


def _choices(model: Formulation, level: int, vms: Iterable[int]) -> list[dict[int, int]]:
    """Every way in which VMs that others are moving stand at one of their ends: AtLeast and Needs take the worst."""
    ends = {v: sorted(model.domains_of(level, v, model.problem.start)) for v in vms}
    loose = {v: domains for v, domains in ends.items() if len(domains) > 1}
    out = []
    for domains in product(*loose.values()):  # there are two to the power of them
        model.check()
        out.append(dict(zip(loose, domains, strict=True)))
    return out


def _at_least(model: Formulation, number: int, atom: AtLeast) -> None:
    for i in _members(model, atom):
        vms, k = atom.sets[i].tolist(), int(atom.k[i])
        sides = [_Side(model, atom.level, vms, at) for at in _choices(model, atom.level, vms)]
        e = model.excess(atom.asked, Instance(number, i, 0), k - min(len(s.occupied_at_start) for s in sides), k)
        for side in sides:
            occupied: list[cp_sat.IntVar] = []
            held = sum(n > 0 for n in side.settled.values())
            for d in sorted(side.pairs):
                if not side.settled[d]:
                    there = model.cp.new_bool_var("")
                    model.cp.add(there <= cp_sat.LinearExpr.sum(side.literals(d)))
                    occupied.append(there)
            model.cp.add(cp_sat.LinearExpr.sum(occupied) + held + e >= k)
        model.count_harm(atom.asked, e, k)


def _same(model: Formulation, number: int, atom: Same) -> None:
    domain, start = model.problem.domain[atom.level], model.problem.start
    for i in _members(model, atom):
        vms = atom.sets[i].tolist()
        moved_by_others = [v for v in vms if model.problem.also_at[v] != ABSENT and start[v] != ABSENT]
        side = _Side(model, atom.level, vms, {v: int(domain[start[v]]) for v in moved_by_others})
        size = side.first.total()
        e = model.excess(atom.asked, Instance(number, i, 0), size - max(side.first.values(), default=0), size)
        homes = []
        for d in sorted(side.domains):
            home = model.cp.new_bool_var("")
            model.cp.add(side.count(d) + e >= size).only_enforce_if(home)
            homes.append(home)
        model.cp.add_bool_or(homes)
        model.count_harm(atom.asked, e, size)


def _needs(model: Formulation, number: int, atom: Needs) -> None:
    for i in _members(model, atom):
        both = (atom.left[i].tolist(), atom.right[i].tolist())
        pairs = [
            tuple(_Side(model, atom.level, vms, at) for vms in both)
            for at in _choices(model, atom.level, sorted({*both[0], *both[1]}))
        ]
        size = len(both[0])
        before = max(sum(n for d, n in left.first.items() if not right.first[d]) for left, right in pairs)
        e = model.excess(atom.asked, Instance(number, i, 0), before, size)
        for left, right in pairs:
            model.cp.add(cp_sat.LinearExpr.sum(_lone(model, left, right)) <= e)
        model.count_harm(atom.asked, e, size)


def _lone(model: Formulation, left: _Side, right: _Side) -> list[cp_sat.IntVar]:
    """For each domain without a settled VM of the right: how many of the left are alone there, at least."""
    lone: list[cp_sat.IntVar] = []
    for d in sorted(left.domains):
        if right.settled[d]:
            continue
        alone = model.cp.new_int_var(0, left.most(d), "")
        served = model.cp.new_bool_var("")
        model.cp.add(served <= cp_sat.LinearExpr.sum(right.literals(d)))
        model.cp.add(alone >= left.count(d)).only_enforce_if(served.negated())
        lone.append(alone)
    return lone


def _leave(model: Formulation, number: int, atom: Leave) -> None:
    for vm in atom.vms.tolist():
        if vm not in model.literal:
            continue
        bad = [lit for h, lit in model.literal[vm].items() if atom.hosts[h]]
        if not bad:
            continue
        e = model.excess(atom.asked, Instance(number, vm, 0), int(atom.hosts[model.problem.start[vm]]), 1)
        model.cp.add(cp_sat.LinearExpr.sum(bad) <= e)
        model.count_harm(atom.asked, e, 1)


def _flow(model: Formulation, number: int, atom: Flow) -> None:
    start, left = model.problem.start, atom.limit
    literals, costs = [], []
    for vm in np.flatnonzero(model.placement != start).tolist():
        if vm not in model.literal and in_flow(atom, vm, int(start[vm]), int(model.placement[vm])):
            left -= int(atom.cost[vm])
    for vm, row in model.literal.items():
        home = int(start[vm])
        for host, lit in row.items():
            if host != home and atom.cost[vm] and in_flow(atom, vm, home, host):
                literals.append(lit)
                costs.append(int(atom.cost[vm]))
    if literals:
        most = sum(
            max((int(atom.cost[vm]) for h in row if h != int(start[vm])), default=0)
            for vm, row in model.literal.items()
        )
        model.limit(number, cp_sat.LinearExpr.weighted_sum(literals, costs), left, most)


def _hinge(model: Formulation, number: int, atom: Hinge) -> None:
    level = atom.offset.astype(np.int64).copy()
    settled = model.placement != ABSENT
    settled[list(model.literal)] = False
    np.add.at(level, model.placement[settled], atom.amount[settled])
    pairs_of = model.by_domain(0, model.literal)
    for h in np.flatnonzero(level > 0).tolist():
        if h not in pairs_of:
            model.constant[Stage.COST] += atom.weight * int(level[h])
    for h, pairs in pairs_of.items():
        amounts = [int(atom.amount[v]) for v, _ in pairs]
        most = int(level[h]) + sum(a for a in amounts if a > 0)
        if most <= 0:
            continue
        over = model.cp.new_int_var(0, most, "")
        model.cp.add(over >= cp_sat.LinearExpr.weighted_sum([lit for _, lit in pairs], amounts) + int(level[h]))
        model.objective[Stage.COST].append((over, atom.weight))


def _move_cost(model: Formulation, number: int, atom: MoveCost) -> None:
    start = model.problem.start
    for vm, row in model.literal.items():
        home = int(start[vm])
        for host, lit in row.items():
            if host == home:
                continue
            cost = atom.vm_weight * int(atom.vm_cost[vm])
            if atom.route is not None:
                cost += atom.route_weight * int(atom.route[home, host])
            if cost:
                model.objective[Stage.COST].append((lit, cost))
    if atom.sets is not None and atom.set_weight:
        _most_moved(model, atom.sets, atom.set_weight)


def _most_moved(model: Formulation, sets: Sets, weight: int) -> None:
    start = model.problem.start
    touched = set(_touched(model, sets))
    gone = (model.placement != start).astype(np.int64)
    gone[list(model.literal)] = 0
    settled = np.add.reduceat(np.append(gone[sets.members], 0), sets.indptr[:-1]) if len(sets) else np.zeros(0)
    settled[np.diff(sets.indptr) == 0] = 0
    largest = int(max(np.diff(sets.indptr), default=0))
    most = model.cp.new_int_var(int(settled.max(initial=0)), max(largest, 1), "")
    for i in sorted(touched):
        free = [v for v in sets[i].tolist() if v in model.literal]
        stays = cp_sat.LinearExpr.sum([model.literal[v][int(start[v])] for v in free])
        model.cp.add(most >= int(settled[i]) + len(free) - stays)
    model.objective[Stage.COST].append((most, weight))


def _candidates_say(model: Formulation, number: int, atom: Atom) -> None:
    """Enter and Fixed say which hosts a VM is a candidate for: who makes the model has asked them."""


LOWER: ByShape[Callable[..., None]] = ByShape(
    "the CP-SAT model",
    {
        SUM: _linear,
        COUNT: _at_most,
        PAIR: _apart,
        OCCUPANCY: _at_least,
        COMPANY: _needs,
        TOGETHER: _same,
        LEAVE: _leave,
        ENTER: _candidates_say,
        FIXED: _candidates_say,
        FLOW: _flow,
        MOVE_COST: _move_cost,
        HINGE: _hinge,
    },
    SHAPES,
)
