"""The rules of the switches keep what every rule keeps: `check` and the evaluation of `lower` agree in every state."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from constraints.scope.drain import Drain
from constraints.scope.ends import Sources, Targets
from constraints.scope.exclude import Exclude
from constraints.scope.keep_room import KeepRoom
from constraints.scope.limits import MaxGib, MaxMoves
from constraints.scope.one_by_one import OneByOne
from constraints.scope.only import Only
from constraints.scope.scoped import scoped
from optimizer.policy import Policy
from optimizer.problem.evaluate import evaluate
from optimizer.problem.rule import Hardness
from optimizer.scope import KeptRoom, Scope
from tests.constraints.contract import by_atoms, by_check, named, random_states, rule_problem
from tests.constraints.generators import random_fleet
from tests.constraints.rule_generators import POLICIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.fleet import Fleet, State
    from optimizer.problem.rule import Rule

CASES = 120


def _words(rng: Random, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(rng.sample(names, rng.randint(1, max(1, len(names) // 2))))


def _hosts(rng: Random, fleet: Fleet) -> tuple[str, ...]:
    if rng.random() < 0.3 and len(fleet.levels) > 1:
        level = rng.randrange(1, len(fleet.levels))
        return (f"{fleet.levels[level]}:{rng.choice(fleet.domain_ids[level])}",)
    return _words(rng, fleet.hosts.ids)


def _coming(rng: Random, fleet: Fleet, number: int) -> KeptRoom:
    demand = tuple((r.name, int(rng.choice(fleet.vms.demand[:, i]))) for i, r in enumerate(fleet.resources))
    return KeptRoom(f"n{number}", rng.choice(fleet.hosts.ids), demand)


SWITCHES: dict[str, Callable[[Random, Fleet], Rule]] = {
    "--drain": lambda rng, fleet: Drain(words=_hosts(rng, fleet)),
    "--exclude": lambda rng, fleet: Exclude(words=_words(rng, fleet.vms.ids)),
    "--from": lambda rng, fleet: Sources(words=_hosts(rng, fleet)),
    "--to": lambda rng, fleet: Targets(words=_hosts(rng, fleet)),
    "--max-moves": lambda rng, fleet: MaxMoves(most=rng.randint(0, 3)),
    "--max-gib": lambda rng, fleet: MaxGib(most=rng.randint(0, 3)),
    "--place": lambda rng, fleet: KeepRoom(kept=tuple(_coming(rng, fleet, i) for i in range(rng.randint(1, 2)))),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_check_and_atoms_agree(switch: str) -> None:
    refusals = 0
    for seed in range(CASES):
        rng = Random(f"{switch} {seed}")
        fleet = random_fleet(rng)
        rule = SWITCHES[switch](rng, fleet)
        assert rule.name == switch
        problem = rule_problem(fleet, rule)
        for state in random_states(rng, fleet):
            found = by_check(rule, state)
            assert found == by_atoms(problem, rule, state), (seed, rule)
            refusals += found.refused or bool(found.instances)
            assert all(rule.explain(v, fleet) for v in rule.check(state))
    assert refusals


def _counters(rule: Rule, state: State) -> dict[bool, Counter[Any]]:
    """Return what a rule finds, apart: what counts, and what a guard keeps."""
    found: dict[bool, Counter[Any]] = {True: Counter(), False: Counter()}
    for v in rule.check(state):
        if v.hardness is not Hardness.HARD:
            key = (v.subject, v.resource or "", v.domain or "", v.excess)
            found[v.hardness is not Hardness.GUARD][key] += 1
    return found


def _evaluated(rule: Rule, state: State) -> dict[bool, Counter[Any]]:
    problem = rule_problem(state.fleet, rule)
    found: dict[bool, Counter[Any]] = {True: Counter(), False: Counter()}
    for instance, excess in evaluate(problem, state.placement.tolist(), state.in_flight).excess.items():
        atom: Any = problem.atoms[instance.atom]
        if atom.asked.rule != rule.name:
            continue  # what holds in every policy
        key = (*named(problem, instance)[:3], excess)
        found[atom.asked.hardness is not Hardness.GUARD][key] += 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["capacity", "anti_affinity", "apart", "spread", "together", "needs", "maintenance"])
def test_only_parts_a_rule_into_what_counts_and_guards_and_loses_nothing(kind: str) -> None:
    parted = 0
    for seed in range(CASES):
        rng = Random(f"only {kind} {seed}")
        inner, fleet = POLICIES[kind](rng), random_fleet(rng)
        groups = sorted(fleet.group_index)
        word = f"group:{rng.choice(groups)}" if groups and rng.random() < 0.5 else f"host:{rng.choice(fleet.hosts.ids)}"
        (rule,) = scoped(Policy("p", (inner,)), fleet, Scope(only=(word,))).rules
        assert isinstance(rule, Only)
        for state in random_states(rng, fleet):
            checked, whole = _counters(rule, state), _counters(inner, state)
            assert checked == _evaluated(rule, state), (seed, word)
            assert checked[True] + checked[False] == whole[True] + whole[False]
            parted += bool(checked[True]) and bool(checked[False])
    assert parted or kind in ("together", "needs", "spread", "apart")


@pytest.mark.slow
def test_hosts_as_a_whole_agree_and_count_every_vm_once() -> None:
    wholes = 0
    for seed in range(2 * CASES):
        rng = Random(f"whole {seed}")
        fleet = random_fleet(rng)
        scope = Scope(drain=_hosts(rng, fleet), max_moves=2, whole=True)
        rules = scoped(Policy("p", (POLICIES["maintenance"](rng),)), fleet, scope).rules
        for rule in rules:
            for state in random_states(rng, fleet):
                if isinstance(rule, OneByOne):
                    assert by_check(rule, state).instances == by_atoms(rule_problem(fleet, rule), rule, state).instances
                    wholes += 1
    assert wholes > 100


def test_a_rule_that_is_named_is_left_as_it_is_and_all_others_are_guards() -> None:
    rng = Random(1)
    fleet = random_fleet(rng)
    inner = tuple(POLICIES[kind](rng) for kind in ("capacity", "spread"))
    rules = scoped(Policy("p", inner), fleet, Scope(only=(f"rule:{inner[0].name}",))).rules
    assert rules[0] is inner[0]
    assert isinstance(rules[1], Only)
    assert not rules[1].chosen
