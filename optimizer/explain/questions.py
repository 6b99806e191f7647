"""Questions of an operator as goals: what stops this violation, this drain, this place, a plan of fewer moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.errors import InputError
from optimizer.explain.goals import Goal
from optimizer.explain.stops import allowed_at_start
from optimizer.grammar import count
from optimizer.problem.amounts import amount, spoken
from optimizer.problem.naming import name_of
from optimizer.problem.problem import Least, Stage
from optimizer.problem.rule import Hardness
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.similar import similar, similar_or_some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem

__all__ = ["end_of", "to_empty", "to_leave", "to_move_less", "to_place", "to_repair"]


WHERE = "explain"


def to_repair(problem: Problem, word: str, fleet: Fleet, plan: Plan | None = None) -> Goal:
    """Return the goal that a violation of the start ends, with nothing else worse than at the start.

    Parameters
    ----------
    word
        As it is printed: ``RULE:SUBJECT``, then the resource or the domain where there are several, with spaces.
    plan
        What this plan repairs stays repaired as well.

    Raises
    ------
    InputError
        If no violation is called so, or several are.
    """
    names = {instance: _called(problem, instance) for instance in allowed_at_start(problem)}
    exact = {i: called[0] for i, called in names.items() if word in called}
    found = exact or {i: called[0] for i, called in names.items() if any(c.startswith(f"{word} ") for c in called)}
    if not found:
        shown = [names[i][0] for i in names if problem.demands.harming[i.atom].asked.hardness is not Hardness.GUARD]
        raise InputError(WHERE, "--blocked", word, "a violation of the start, as RULE:SUBJECT", _meant(word, shown))
    if len(set(found.values())) > 1:
        raise InputError(WHERE, "--blocked", word, "one violation", f"say which: {', '.join(sorted(found.values()))}")
    kept = {} if plan is None else {i: most for i, most in _kept(problem, fleet, plan).items() if i not in found}
    beside = " beside what the plan repairs" if kept else ""
    return Goal(f"the repair of {next(iter(found.values()))}{beside}", ended=tuple(sorted(found)), kept=kept)


def _called(problem: Problem, instance: Instance) -> tuple[str, str]:
    """Return what a violation is called: with its resource as people say it, and as documents name it."""
    name = name_of(problem, instance)
    reason = name.reason if not (name.resource or name.domain) else ""
    spelt = (name._replace(resource=spoken(name.resource)), name)
    said, written = (" ".join(part for part in (str(one), reason) if part) for one in spelt)
    return said, written


def _meant(word: str, names: Iterable[str]) -> str:
    """Say which violation may have been meant; its resource or domain may be left out where there is one alone."""
    known = sorted(set(names))
    if not known:
        return "nothing is violated at the start"
    short = [name.partition(" ")[0] for name in known]
    return similar(word, known) or similar(word.partition(" ")[0], dict.fromkeys(short)) or similar_or_some(word, known)


def to_empty(problem: Problem, hosts: NDArray[np.bool_]) -> Goal:
    """Return the goal that no VM is on these hosts (bool [H])."""
    indices = np.flatnonzero(hosts).tolist()
    names = [problem.host_ids[h] for h in indices]
    text = ", ".join(names[:3]) + (f" and {len(names) - 3} more hosts" if len(names) > 3 else "")
    return Goal(f"emptying {text}", empty=tuple(indices))


def to_place(problem: Problem, vm: int, host: int) -> Goal:
    """Return the goal that a VM is on a host, wherever others go."""
    return Goal(f"{problem.vm_ids[vm]} on {problem.host_ids[host]}", on=((vm, host),))


def to_leave(problem: Problem, vm: int) -> Goal:
    """Return the goal that a VM is on any other host."""
    return Goal(f"moving {problem.vm_ids[vm]}", off=((vm, int(problem.start[vm])),))


def end_of(problem: Problem, fleet: Fleet, plan: Plan) -> NDArray[np.int32]:
    """Return int32 [V]: where each VM is at the end of a plan."""
    placement = problem.start.copy()
    for move in plan.moves:
        placement[fleet.vm_index[move.vm]] = fleet.host_index[move.target]
    return placement


def _kept(problem: Problem, fleet: Fleet, plan: Plan) -> dict[Instance, int]:
    """Return what a plan leaves of each instance that it lessens."""
    work = WorkingPlacement(problem)
    work.become(end_of(problem, fleet, plan))
    end = work.exceeded()
    asked = {number: atom.asked.hardness for number, atom in problem.demands.harming.items()}
    lessened = {i: end.get(i, 0) for i, before in allowed_at_start(problem).items() if end.get(i, 0) < before}
    return {i: left for i, left in lessened.items() if asked[i.atom] is not Hardness.GUARD}


def to_move_less(problem: Problem, fleet: Fleet, plan: Plan) -> Goal:
    """Return the goal that less is moved than by a plan, and that everything which it repairs is repaired as far."""
    value = next((s.value for s in plan.objective if s.stage == Stage.MOVING.value), len(plan.moves))
    if not value:
        hint = "it moves nothing that counts; --blocked asks what stops a repair"
        raise InputError("--fewer", "", plan.id, "a plan that could move less", hint)
    less = _LESS[problem.least](value)
    return Goal(f"a plan with {less} that repairs as much", moving=value - 1, kept=_kept(problem, fleet, plan))


_LESS: dict[Least, Callable[[int], str]] = {
    Least.MOVES: lambda value: f"fewer than {count(value, 'move')}",
    Least.GIB: lambda value: f"less than {amount('copied_mib', value)} copied",
    Least.SECONDS: lambda value: f"less than {value / 10:,.1f} s of migrations",
    Least.WEIGHTED: lambda value: f"less than {value / 1000:,.3f} of move_cost",
}
"""How much less a plan would have to move, in the measure of the policy."""
