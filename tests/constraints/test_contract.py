"""Every rule of the catalogue: `check` agrees with the atoms of `lower`, and would notice if `lower` were wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from constraints import CATALOGUE
from optimizer.problem.rule import Hardness
from tests.constraints.contract import Found, by_atoms, by_check, mine, random_states, rule_problem
from tests.constraints.generators import random_fleet
from tests.constraints.mutations import MUTATIONS
from tests.constraints.rule_generators import POLICIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.fleet import State
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Rule

CASES = 150
"""Random fleets for each rule, with a handful of states of each."""


@dataclass(frozen=True)
class Case:
    """A rule on a fleet, and what its judge says of some states."""

    seed: int
    rule: Rule
    problem: Problem
    states: tuple[tuple[State, Found], ...]


@lru_cache
def cases(kind: str) -> tuple[Case, ...]:
    return tuple(case_of(kind, seed) for seed in range(CASES))


def case_of(kind: str, seed: int) -> Case:
    rng = Random(f"{kind} {seed}")
    rule, fleet = POLICIES[kind](rng), random_fleet(rng)
    states = tuple((state, by_check(rule, state)) for state in random_states(rng, fleet))
    return Case(seed, rule, rule_problem(fleet, rule), states)


def test_every_rule_is_tried() -> None:
    assert sorted(POLICIES) == sorted(CATALOGUE), "say in POLICIES of rule_generators.py how a random rule is made"


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_a_generator_makes_rules_of_its_kind(kind: str) -> None:
    assert type(POLICIES[kind](Random(0))) is CATALOGUE[kind]


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_a_misspelt_requirement_is_refused(kind: str) -> None:
    """A rule calls `check_facts` in its `__post_init__`, also one that reads no facts."""
    rule: Any = POLICIES[kind](Random(0))
    with pytest.raises(ValidationError, match="require"):
        replace(rule, require=("misspelt",))


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_check_and_the_atoms_agree_on_every_state(kind: str) -> None:
    for case in cases(kind):
        for state, found in case.states:
            assert by_atoms(case.problem, case.rule, state) == found, (case.seed, case.rule, state)


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_no_instance_is_named_twice(kind: str) -> None:
    for case in cases(kind):
        for state, _ in case.states:
            seen = [v.instance for v in case.rule.check(state) if v.hardness is not Hardness.HARD]
            assert len(seen) == len(set(seen)), (case.seed, case.rule)


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_the_rule_binds_often(kind: str) -> None:
    binding = sum(any(found.instances or found.refused for _, found in case.states) for case in cases(kind))
    said = "it breaks too few random fleets: let its generator in POLICIES ask for more"
    assert binding >= CASES // 10, said


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_nothing_is_refused_at_rest(kind: str) -> None:
    assert not any(case.states[0][1].refused for case in cases(kind))


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_every_violation_is_explained_with_its_subject(kind: str) -> None:
    for case in cases(kind):
        assert case.rule.name
        for state, _ in case.states:
            for violation in case.rule.check(state):
                assert violation.excess > 0
                assert violation.vms or violation.resource is not None, "who could leave is named"
                text = case.rule.explain(violation, state.fleet)
                assert all(part in text for part in violation.subject.split("|")), f"the subject is not in: {text}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_a_faulty_lower_is_noticed(kind: str) -> None:
    tried: dict[str, bool] = {}
    for case in cases(kind):
        for fault, problem in faulty(case):
            if not tried.setdefault(fault, False):
                tried[fault] = any(by_atoms(problem, case.rule, state) != found for state, found in case.states)
    assert tried
    assert [fault for fault, noticed in tried.items() if not noticed] == []


def faulty(case: Case) -> Iterator[tuple[str, Problem]]:
    """Yield the case's problem with one fault each."""
    rng = Random(case.seed)
    for i in mine(case.problem, case.rule):
        atom = case.problem.atoms[i]
        name = type(atom).__name__
        others = case.problem.atoms[:i], case.problem.atoms[i + 1 :]
        yield f"{name} left out", replace(case.problem, atoms=(*others[0], *others[1]))
        for fault, mutate in MUTATIONS.get(type(atom), {}).items():
            changed = mutate(rng, case.problem, atom)
            if changed is not None:
                yield f"{name}: {fault}", replace(case.problem, atoms=(*others[0], changed, *others[1]))
