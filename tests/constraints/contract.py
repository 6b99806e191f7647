"""What every rule keeps: `check` and the evaluation of `lower` say the same of every state, instance by instance.

Here stand the parts; `test_contract` tries them on every rule of the catalogue, and the oracle may use them too.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from optimizer.fleet import ABSENT, Move, State
from optimizer.problem.atoms import Enter, Fixed, Flow
from optimizer.problem.evaluate import evaluate, hard_breaches
from optimizer.problem.problem import build
from optimizer.problem.rounding import harm
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import COMPANY, LEAVE, PAIR, SUM

if TYPE_CHECKING:
    from random import Random

    from optimizer.fleet import Fleet
    from optimizer.problem.atoms import Asked
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Rule

__all__ = ["Found", "by_atoms", "by_check", "mine", "named", "random_states", "rule_problem"]


class Found(NamedTuple):
    """What a judge finds of a state: each exceeded instance with excess and harm, and whether a move is refused."""

    instances: Counter[tuple[str, str, str, str, int, int]]
    refused: bool


def random_states(rng: Random, fleet: Fleet, number: int = 6) -> list[State]:
    """Return the start and states that random moves lead to, some made and some in flight."""
    start = State.start(fleet)
    under_way = {m.vm for m in fleet.in_flight}
    free = [v for v, h in enumerate(fleet.vms.host.tolist()) if h != ABSENT and v not in under_way]
    return [start, *(_random_state(rng, start, free) for _ in range(number - 1 if free else 0))]


def _random_state(rng: Random, state: State, free: list[int]) -> State:
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        state = state.finish([_random_move(rng, state, rng.choice(free))])
    going = rng.sample(free, min(len(free), rng.choice((0, 0, 1, 1, 2, 3))))
    return state.begin(_random_move(rng, state, vm) for vm in going)


def _random_move(rng: Random, state: State, vm: int) -> Move:
    source = int(state.placement[vm])
    target = rng.choice([h for h in range(len(state.fleet.hosts)) if h != source])
    return Move(vm, source, target)


def rule_problem(fleet: Fleet, rule: Rule) -> Problem:
    """Return what the rule alone asks of the fleet."""
    return build(fleet, [rule])


def by_check(rule: Rule, state: State) -> Found:
    """Return what the rule's own judge finds."""
    violations = list(rule.check(state))
    return Found(
        Counter(
            (v.subject, v.resource or "", v.domain or "", v.hardness.value, v.excess, v.harm)
            for v in violations
            if v.hardness not in (Hardness.HARD, Hardness.GUARD)
        ),
        any(v.hardness is Hardness.HARD for v in violations),
    )


def by_atoms(problem: Problem, rule: Rule, state: State) -> Found:
    """Return what the reference evaluator finds in the rule's atoms."""
    judged = evaluate(problem, state.placement.tolist(), state.in_flight)
    instances: Counter[tuple[str, str, str, str, int, int]] = Counter()
    for instance, excess in judged.excess.items():
        asked = _asked(problem, instance)
        if asked.hardness is not Hardness.GUARD:
            hurts = harm(excess, _unit(problem, instance), asked.weight)
            instances[(*named(problem, instance), asked.hardness.value, excess, hurts)] += 1
    asked_by = [_asked(problem, instance) for instance in judged.worse]
    guards = any(asked.hardness is Hardness.GUARD and asked.rule == rule.name for asked in asked_by)
    refused = any(text.startswith(f"{rule.name}: ") for text in hard_breaches(problem, state.moves))
    return Found(instances, guards or refused)


def _asked(problem: Problem, instance: Instance) -> Asked:
    atom: Any = problem.atoms[instance.atom]
    asked: Asked = atom.asked
    return asked


def named(problem: Problem, instance: Instance) -> tuple[str, str, str]:
    """Return the subject, resource and domain that the architecture's table gives an instance."""
    atom: Any = problem.atoms[instance.atom]
    if atom.shape is SUM:
        return problem.domain_ids[atom.level][instance.domain], atom.resource, ""
    if atom.shape is LEAVE:
        return problem.vm_ids[instance.member], "", ""
    if atom.shape in (PAIR, COMPANY):
        subject = f"{atom.left.ids[instance.member]}|{atom.right.ids[instance.member]}"
    else:
        subject = atom.sets.ids[instance.member]
    if atom.shape.by_domain:
        return subject, "", f"{problem.levels[atom.level]}:{problem.domain_ids[atom.level][instance.domain]}"
    return subject, "", ""


def _unit(problem: Problem, instance: Instance) -> int:
    atom: Any = problem.atoms[instance.atom]
    return int(atom.unit[instance.domain]) if atom.shape is SUM else 1


def mine(problem: Problem, rule: Rule) -> list[int]:
    """Return the numbers of the atoms that the rule asked for, without those that `build` adds."""
    atoms: tuple[Any, ...] = problem.atoms
    asked_by = [a.rule if isinstance(a, Enter | Fixed | Flow) else a.asked.rule for a in atoms]
    return [i for i, name in enumerate(asked_by) if name == rule.name]
