"""A correction applied: the problem with its elements lifted as far as they give way, planned again."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.explain.goals import is_reached
from optimizer.fleet import ABSENT
from optimizer.planning.obstacles import Kind
from optimizer.planning.solve_and_order import carry_out, solve_and_order
from optimizer.problem.atoms import Asked, AtLeast, AtMost, Enter, Fixed, Flow, Leave, Linear, Sets
from optimizer.problem.evaluate import evaluate, hard_breaches
from optimizer.repair.solver import Method, Solver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from optimizer.explain.corrections import Correction, Given
    from optimizer.explain.elements import Element
    from optimizer.explain.goals import Goal
    from optimizer.limits import Deadline, Limits
    from optimizer.planning.solve_and_order import Answer
    from optimizer.problem.atoms import Atom
    from optimizer.problem.problem import Problem

__all__ = ["Planned", "lifted", "plan_for"]

URGENT = 1000
"""Weight of leaving a host that a goal asks to leave, beside the policy's own demands."""


@dataclass(frozen=True)
class Planned:
    """Moves, in an order, after which the goal is reached."""

    moves: int
    placement: NDArray[np.int32]


def plan_for(problem: Problem, goal: Goal, limits: Limits, deadline: Deadline, hint: NDArray[np.int32] | None = None) -> Planned | None:
    """Plan, and return what was found if its end is the goal; else order the moves to `hint`, and see whether that is.

    The end is judged by the reference evaluator, which shares nothing with the planner or the model.
    """
    asking = _asking(problem, goal)
    found = solve_and_order(Solver(asking, limits, deadline), Method.AUTO)
    if _is_good(problem, goal, found):
        return Planned(len(found.ordered.moves), found.placement)
    if hint is None:
        return None
    straight = carry_out(problem, hint, Solver(problem, limits, deadline))
    return Planned(len(straight.ordered.moves), straight.placement) if _is_good(problem, goal, straight) else None


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
    return max((g.part.allowed + g.amount for g in gives if g.part is not None), default=0)


def _room(atoms: list[Atom], element: Element, gives: Sequence[Given]) -> None:
    atom = atoms[element.atom]
    assert isinstance(atom, Linear)
    limit = atom.limit.copy()
    limit[element.index] += _most(gives)
    atoms[element.atom] = replace(atom, limit=limit)


def _group(atoms: list[Atom], element: Element, gives: Sequence[Given]) -> None:
    """Change the limit of one set, where it has one; else the set is asked nothing any more."""
    atom, i = atoms[element.atom], element.index
    if isinstance(atom, AtMost | AtLeast):
        k = atom.k.copy()
        k[i] = k[i] + _most(gives) if isinstance(atom, AtMost) else max(0, int(k[i]) - _most(gives))
        atoms[element.atom] = replace(atom, k=k)
        return
    names = [name for name in ("sets", "left", "right") if hasattr(atom, name)]
    atoms[element.atom] = replace(atom, **{name: _without(getattr(atom, name), i) for name in names})  # type: ignore[type-var]


def _without(sets: Sets, i: int) -> Sets:
    return Sets.of((sets.ids[n], () if n == i else sets[n]) for n in range(len(sets)))


def _vm(atoms: list[Atom], element: Element, gives: Sequence[Given]) -> None:
    """Take the VM out of all atoms of the rule that say the same of it."""
    for n, atom in enumerate(atoms):
        if isinstance(atom, Fixed) and element.kind is Kind.PINNED and (atom.rule, atom.reason) == _said(element):
            atoms[n] = replace(atom, vms=atom.vms[atom.vms != element.index])
        if isinstance(atom, Leave) and element.kind is Kind.LEAVING and (atom.asked.rule, atom.reason) == _said(element):
            atoms[n] = replace(atom, vms=atom.vms[atom.vms != element.index])


def _refused(atoms: list[Atom], element: Element, gives: Sequence[Given]) -> None:
    for n, atom in enumerate(atoms):
        if not isinstance(atom, Enter) or (atom.rule, atom.reason) != _said(element):
            continue
        if atom.vms is not None and element.item.level == "vm":
            atoms[n] = replace(atom, vms=atom.vms[atom.vms != element.index])
        elif atom.vms is None and element.item.level != "vm":
            hosts = atom.hosts.copy()
            hosts[element.index] = True
            atoms[n] = replace(atom, hosts=hosts)


def _budget(atoms: list[Atom], element: Element, gives: Sequence[Given]) -> None:
    atom = atoms[element.atom]
    assert isinstance(atom, Flow)
    atoms[element.atom] = replace(atom, limit=atom.limit + _most(gives))


def _said(element: Element) -> tuple[str, str]:
    return element.item.rule, element.item.subject


_LIFT: dict[Kind, Callable[[list[Atom], Element, Sequence[Given]], None]] = {
    Kind.ROOM: _room,
    Kind.GROUP: _group,
    Kind.LEAVING: _vm,
    Kind.PINNED: _vm,
    Kind.REFUSED: _refused,
    Kind.BUDGET: _budget,
}
