"""A smaller problem for large fleets: what excludes a goal there excludes it in the whole fleet.

Few VMs (those that the goal is about, and those of their groups) are free over every host. Every other VM that could
move stays or is *elsewhere*: on a host that does not exist, has no limit and is in no domain of another; or it is left
out, where it could be elsewhere in any case. Of groups that reach beyond the few only that part is asked which follows
for the few:

=========  ================================================================================
shape      asked of the few
=========  ================================================================================
count      at most as many of them
pair       those of either side
occupancy  as many domains, less one for each VM that is not among the few
company    those of the left, where all of the right are among the few; else nothing
together   those of them
=========  ================================================================================

So each placement of the whole fleet that reaches the goal has one here that does, with no more exceeded: a proof is a
proof. The other way round it is not so, and nothing is claimed of what is possible here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from optimizer.explain.model import free_vms
from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED, Sets
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
from optimizer.problem.working_placement import sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from optimizer.explain.goals import Goal
    from optimizer.problem.atoms import Apart, AtLeast, AtMost, Atom, Enter, Flow, Leave, Linear, Needs, Same
    from optimizer.problem.problem import Problem

__all__ = ["candidates_among", "concerned", "held_back", "relaxed"]


def concerned(problem: Problem, goal: Goal, most: int) -> list[int]:
    """Return VMs that the goal is about, and of those that share groups with them as many as `most` allows.

    Of hosts that are to be empty these are, up to `most`, the VMs that are hardest to place: who is pinned, bound to
    certain hosts or in a group first, then the largest.
    """
    free = np.zeros(problem.vms, np.bool_)
    free[free_vms(problem)] = True
    few = dict.fromkeys(v for v in _named(problem, goal) if free[v])
    leaving = [int(v) for v in np.flatnonzero(free & np.isin(problem.start, goal.empty))]
    hard = _hardness(problem, leaving) if leaving else {}
    few.update(dict.fromkeys(sorted(leaving, key=lambda v: hard[v])[: max(0, most - len(few))]))
    for vm in list(few):
        for atom in problem.demands.groups.values():
            for side in atom.sides:
                for i in _sets_with(side, vm):
                    mates = [int(v) for s in atom.sides for v in s[i] if free[v]]
                    if len({*few, *mates}) <= 4 * most:
                        few.update(dict.fromkeys(mates))
    return list(few)


def _hardness(problem: Problem, vms: list[int]) -> dict[int, tuple[int, float, int]]:
    """Return what VMs are sorted by: the hardest to place first."""
    bound = np.zeros(problem.vms, np.int64)
    for pin in problem.demands.fixed.values():
        bound[pin.vms] += 1
    for enter in problem.demands.enters.values():
        if enter.vms is not None:
            bound[enter.vms] += 1
    for atom in problem.demands.groups.values():
        for side in atom.sides:
            bound[side.members] += 1
    size = sizes(problem)
    return {v: (-int(bound[v]), -float(size[v]), v) for v in vms}


def _named(problem: Problem, goal: Goal) -> list[int]:
    out = list(goal.vms)
    for instance in goal.ended:
        atom = problem.atoms[instance.atom]
        if atom.shape is LEAVE:
            out.append(instance.member)
        elif atom.shape is not SUM and hasattr(atom, "sides"):
            out += [int(v) for side in atom.sides for v in side[instance.member]]
    return out


def _sets_with(sets: Sets, vm: int) -> list[int]:
    hits = np.flatnonzero(sets.members == vm)
    return [int(i) for i in np.unique(np.searchsorted(sets.indptr, hits, side="right") - 1)]


def held_back(problem: Problem, goal: Goal, few: Collection[int]) -> list[int]:
    """Return the other free VMs that are needed where budgets and pools do not count: all that something keeps.

    Those that are pinned, and those in a domain that the goal asks to be less loaded.
    """
    kept = np.zeros(problem.vms, np.bool_)
    for pin in problem.demands.fixed.values():
        kept[pin.vms] = True
    for instance in goal.ended:
        atom = problem.atoms[instance.atom]
        if atom.shape is SUM:
            domain = problem.domain[cast("Linear", atom).level]
            kept |= (problem.start != ABSENT) & (domain[problem.start] == instance.domain)
    mine = set(few)
    return [v for v in free_vms(problem) if kept[v] and v not in mine]


def relaxed(problem: Problem, few: Collection[int], others: Collection[int]) -> Problem:
    """Return the problem with one host more, `elsewhere`, of its groups what follows for the few, and nobody else."""
    free = free_vms(problem)
    inside = np.ones(problem.vms, np.bool_)
    inside[free] = False
    inside[list(few)] = True
    start = problem.start.copy()
    start[sorted(set(free) - set(few) - set(others))] = ABSENT
    column = [[len(ids)] for ids in problem.domain_ids]
    return replace(
        problem,
        host_ids=(*problem.host_ids, ""),
        domain=np.hstack([problem.domain, np.array(column, np.int32)]).astype(np.int32),
        domain_ids=tuple((*ids, "") for ids in problem.domain_ids),
        start=start,
        atoms=tuple(_RELAXED[atom](atom, inside) for atom in problem.atoms),
    )


def candidates_among(problem: Problem, few: Collection[int], others: Collection[int]) -> dict[int, NDArray[np.int64]]:
    """Return the few over every host, and the others over their own and elsewhere."""
    everywhere = np.arange(problem.hosts, dtype=np.int64)
    return dict.fromkeys(few, everywhere) | {v: np.array([problem.start[v], problem.hosts]) for v in others}


def _more(values: NDArray[np.int64], last: int) -> NDArray[np.int64]:
    return np.append(values, last).astype(np.int64)


def _with(mask: NDArray[np.bool_], last: bool) -> NDArray[np.bool_]:
    return np.append(mask, last).astype(np.bool_)


def _sum(atom: Linear, inside: NDArray[np.bool_]) -> Atom:
    return replace(atom, limit=_more(atom.limit, UNLIMITED), unit=_more(atom.unit, 1), base=_more(atom.base, 0))


def _leave(atom: Leave, inside: NDArray[np.bool_]) -> Atom:
    return replace(atom, hosts=_with(atom.hosts, False))


def _enter(atom: Enter, inside: NDArray[np.bool_]) -> Atom:
    return replace(atom, hosts=_with(atom.hosts, True))


def _flow(atom: Flow, inside: NDArray[np.bool_]) -> Atom:
    sources, targets = (None if m is None else _with(m, False) for m in (atom.sources, atom.targets))
    return replace(atom, sources=sources, targets=targets)


def _same_as_before(atom: Atom, inside: NDArray[np.bool_]) -> Atom:
    return atom


def _kept(sets: Sets, inside: NDArray[np.bool_], which: Collection[int] | None = None) -> Sets:
    """Return the sets with those of their VMs that are inside; those not in `which` are empty."""
    mine = range(len(sets)) if which is None else set(which)
    return Sets.of((sets.ids[i], sets[i][inside[sets[i]]] if i in mine else ()) for i in range(len(sets)))


def _group(atom: AtMost | Same, inside: NDArray[np.bool_]) -> Atom:
    return replace(atom, sets=_kept(atom.sets, inside))


def _pair(atom: Apart, inside: NDArray[np.bool_]) -> Atom:
    return replace(atom, left=_kept(atom.left, inside), right=_kept(atom.right, inside))


def _occupancy(atom: AtLeast, inside: NDArray[np.bool_]) -> Atom:
    lost = np.array([int((~inside[atom.sets[i]]).sum()) for i in range(len(atom.sets))], np.int64)
    return replace(atom, sets=_kept(atom.sets, inside), k=np.maximum(0, atom.k - lost))


def _company(atom: Needs, inside: NDArray[np.bool_]) -> Atom:
    whole = [i for i in range(len(atom.right)) if inside[atom.right[i]].all()]
    return replace(atom, left=_kept(atom.left, inside, whole), right=_kept(atom.right, inside, whole))


_RELAXED: ByShape[Callable[..., Atom]] = ByShape(
    "the relaxed problem of a proof",
    {
        SUM: _sum,
        COUNT: _group,
        PAIR: _pair,
        OCCUPANCY: _occupancy,
        COMPANY: _company,
        TOGETHER: _group,
        LEAVE: _leave,
        ENTER: _enter,
        FLOW: _flow,
        FIXED: _same_as_before,
        MOVE_COST: _same_as_before,
        HINGE: _same_as_before,
    },
    SHAPES,
)
