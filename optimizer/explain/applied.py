"""A correction applied: the problem with its elements lifted as far as they give way, planned again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence  # noqa: TC003 - the type of a table
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from optimizer.explain.goals import is_reached
from optimizer.fleet import ABSENT
from optimizer.planning.obstacles import Kind
from optimizer.planning.solve_and_order import carry_out, solve_and_order
from optimizer.problem.atoms import Asked, Leave, Sets
from optimizer.problem.evaluate import evaluate, hard_breaches
from optimizer.problem.shapes import COMPANY, COUNT, ENTER, GROUPS, OCCUPANCY, PAIR, TOGETHER, ByShape
from optimizer.repair.solver import Method, Solver

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.explain.corrections import Correction
    from optimizer.explain.elements import Element, Given
    from optimizer.explain.goals import Goal
    from optimizer.limits import Deadline, Limits
    from optimizer.planning.solve_and_order import Answer
    from optimizer.problem.atoms import Apart, AtLeast, AtMost, Atom, Enter, Fixed, Flow, Group, Linear, Needs, Same
    from optimizer.problem.problem import Problem

__all__ = ["Planned", "lifted", "ordered", "plan_for"]

URGENT = 1000
"""Weight of leaving a host that a goal asks to leave, beside the policy's own demands."""


@dataclass(frozen=True)
class Planned:
    """Moves, in an order, after which the goal is reached."""

    moves: int
    placement: NDArray[np.int32]


def plan_for(
    problem: Problem, goal: Goal, limits: Limits, deadline: Deadline, hint: NDArray[np.int32] | None = None
) -> Planned | None:
    """Plan, and return what was found if its end is the goal; else order the moves to `hint`, and see whether that is.

    The end is judged by the reference evaluator, which shares nothing with the planner or the model.
    """
    solver = Solver(_asking(problem, goal), limits, deadline)
    found = _as_planned(problem, goal, solve_and_order(solver, Method.EXACT if solver.small else Method.AUTO))
    if found is not None or hint is None:
        return found
    return ordered(problem, goal, limits, deadline, hint)


def ordered(
    problem: Problem, goal: Goal, limits: Limits, deadline: Deadline, placement: NDArray[np.int32]
) -> Planned | None:
    """Order the moves to a placement; None where they do not come to the goal."""
    return _as_planned(problem, goal, carry_out(problem, placement, Solver(problem, limits, deadline)))


def _as_planned(problem: Problem, goal: Goal, answer: Answer) -> Planned | None:
    """Return what an answer comes to; None where its end is not the goal."""
    return Planned(len(answer.ordered.moves), answer.placement) if _is_good(problem, goal, answer) else None


def _asking(problem: Problem, goal: Goal) -> Problem:
    """Return the problem with what the goal asks of single VMs as demands of its own, at the end of its atoms."""
    wanted = []
    for vm, hosts in _unwanted(problem, goal).items():
        if problem.start[vm] != ABSENT and hosts[problem.start[vm]]:
            wanted.append(Leave(Asked("goal", weight=URGENT), np.array([vm], np.int32), hosts))
    return replace(problem, atoms=(*problem.atoms, *wanted)) if wanted else problem


def _unwanted(problem: Problem, goal: Goal) -> dict[int, NDArray[np.bool_]]:
    out: defaultdict[int, NDArray[np.bool_]] = defaultdict(lambda: np.zeros(problem.hosts, np.bool_))
    for vm, host in goal.off:
        out[vm][host] = True
    for vm, host in goal.on:
        out[vm] |= np.arange(problem.hosts) != host
    for host in goal.empty:
        for vm in np.flatnonzero(problem.start == host).tolist():
            out[vm][host] = True
    return out


def _is_good(problem: Problem, goal: Goal, answer: Answer) -> bool:
    moves = [m.move for m in answer.ordered.moves]
    judged = evaluate(problem, answer.placement.tolist())
    if judged.worse or hard_breaches(problem, moves):
        return False
    return is_reached(goal, problem, answer.placement, judged.excess)


# -- lifting ---------------------------------------------------------------------------------------------------------


def lifted(problem: Problem, correction: Correction) -> Problem:
    """Return the problem with the correction's elements lifted as far as each gives way."""
    atoms = list(problem.atoms)
    for element, gives in correction.given.items():
        _LIFT[element.kind](atoms, element, gives)
    return replace(problem, atoms=tuple(atoms))


def _most(gives: Sequence[Given]) -> int:
    """Return the excess that the element may have then."""
    return max((g.allowed + g.amount for g in gives if g.allowed is not None), default=0)


def _room(atoms: list[Atom], element: Element, gives: Sequence[Given]) -> None:
    atom = cast("Linear", atoms[element.atom])
    limit = atom.limit.copy()
    limit[element.index] += _most(gives)
    atoms[element.atom] = replace(atom, limit=limit)


def _group(atoms: list[Atom], element: Element, gives: Sequence[Given]) -> None:
    """Change the limit of one set, where it has one; else the set is asked nothing any more."""
    atom, most = cast("Group", atoms[element.atom]), _most(gives)
    atoms[element.atom] = _GIVE_WAY[atom](atom, element.index, most)


def _more_together(atom: AtMost, i: int, most: int) -> Atom:
    k = atom.k.copy()
    k[i] += most
    return replace(atom, k=k)


def _fewer_domains(atom: AtLeast, i: int, most: int) -> Atom:
    k = atom.k.copy()
    k[i] = max(0, int(k[i]) - most)
    return replace(atom, k=k)


def _no_set(atom: Same, i: int, most: int) -> Atom:
    return replace(atom, sets=_without(atom.sets, i))


def _no_pair(atom: Apart | Needs, i: int, most: int) -> Atom:
    return replace(atom, left=_without(atom.left, i), right=_without(atom.right, i))


def _without(sets: Sets, i: int) -> Sets:
    return Sets.of((sets.ids[n], () if n == i else sets[n]) for n in range(len(sets)))


_GIVE_WAY: ByShape[Callable[..., Atom]] = ByShape(
    "lifting an element",
    {COUNT: _more_together, OCCUPANCY: _fewer_domains, TOGETHER: _no_set, PAIR: _no_pair, COMPANY: _no_pair},
    GROUPS,
)


def _leaving(atoms: list[Atom], element: Element, gives: Sequence[Given]) -> None:
    atom = cast("Leave", atoms[element.atom])
    atoms[element.atom] = replace(atom, vms=atom.vms[atom.vms != element.index])


def _pinned(atoms: list[Atom], element: Element, gives: Sequence[Given]) -> None:
    atom = cast("Fixed", atoms[element.atom])
    atoms[element.atom] = replace(atom, vms=atom.vms[atom.vms != element.index])


def _refused(atoms: list[Atom], element: Element, gives: Sequence[Given]) -> None:
    """Lift what all atoms of the rule say of the subject: several may say the same."""
    for n, atom in enumerate(atoms):
        if atom.shape is not ENTER:
            continue
        enter = cast("Enter", atom)
        if (enter.rule, enter.reason) != (element.item.rule, element.item.subject):
            continue
        if enter.vms is not None and element.item.level == "vm":
            atoms[n] = replace(enter, vms=enter.vms[enter.vms != element.index])
        elif enter.vms is None and element.item.level != "vm":
            hosts = enter.hosts.copy()
            hosts[element.index] = True
            atoms[n] = replace(enter, hosts=hosts)


def _budget(atoms: list[Atom], element: Element, gives: Sequence[Given]) -> None:
    atom = cast("Flow", atoms[element.atom])
    atoms[element.atom] = replace(atom, limit=atom.limit + _most(gives))


_LIFT: dict[Kind, Callable[[list[Atom], Element, Sequence[Given]], None]] = {
    Kind.ROOM: _room,
    Kind.GROUP: _group,
    Kind.LEAVING: _leaving,
    Kind.PINNED: _pinned,
    Kind.REFUSED: _refused,
    Kind.BUDGET: _budget,
}
