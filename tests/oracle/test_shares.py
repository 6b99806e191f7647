"""Whether the random problems are worth being asked: how often each rule binds, and how often order matters."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache

import pytest

from constraints import CATALOGUE
from optimizer.problem.atoms import Atom, Enter, Fixed, Flow, Hinge, MoveCost
from optimizer.problem.enumerate import Outcome, best, best_plan
from optimizer.problem.evaluate import evaluate
from optimizer.problem.rule import Hardness
from tests.oracle.judge import Case, case_of
from tests.oracle.problems import KINDS

Unasked = Enter | Fixed | Flow | MoveCost | Hinge
"""Atoms without a degree of hardness."""

SAMPLE = range(0, 2000, 4)
"""Every fourth of the oracle's problems."""


@lru_cache
def cases() -> tuple[Case, ...]:
    return tuple(case_of(number) for number in SAMPLE)


BY_SIGNALS = {"pressure"}
"""Rules that bind where signals say so: tests/constraints and tests/signals make their fleets."""


@pytest.mark.slow
def test_every_rule_of_the_catalogue_is_in_every_problem() -> None:
    said = "say in KINDS of parameters.py with which parameters a rule is drawn, or in BY_SIGNALS that it wants signals"
    assert {*KINDS, "balance", "prefer", *BY_SIGNALS} == set(CATALOGUE), said
    for case in cases()[:20]:
        assert {rule.name for rule in case.tiny.policy.rules} == set(CATALOGUE) - BY_SIGNALS


@pytest.mark.rotating
def test_every_rule_binds_in_a_tenth_of_the_problems() -> None:
    """It is broken at the start, or the best plan would be worth something else without it."""
    binding: Counter[str] = Counter()
    for case in cases():
        broken = broken_at_the_start(case)
        binding += Counter(rule for rule in CATALOGUE if rule in broken or matters(case, rule))
    assert {rule: binding[rule] for rule in set(CATALOGUE) - BY_SIGNALS if binding[rule] < len(SAMPLE) / 10} == {}


@pytest.mark.slow
def test_in_three_of_ten_problems_order_matters() -> None:
    """No best plan can start all its moves at once: some wait for others, or pass through a third host."""
    waiting = sum(needs_order(case) for case in cases())
    assert waiting >= 0.3 * len(SAMPLE)


@pytest.mark.slow
def test_some_problems_need_a_hop() -> None:
    hopping = sum(len({m.vm for m in case.best.moves}) < len(case.best.moves) for case in cases())
    assert hopping >= 0.01 * len(SAMPLE)


def broken_at_the_start(case: Case) -> set[str]:
    found = evaluate(case.problem, case.problem.start.tolist())
    return {asked_by(atom) for i in found.excess if not is_guard(atom := case.problem.atoms[i.atom])}


def is_guard(atom: Atom) -> bool:
    return not isinstance(atom, Unasked) and atom.asked.hardness is Hardness.GUARD


def matters(case: Case, rule: str) -> bool:
    """Whether the best plan is worth something else without the rule."""
    others = tuple(atom for atom in case.problem.atoms if asked_by(atom) != rule)
    without = replace(case.problem, atoms=others)
    return len(others) < len(case.problem.atoms) and best_plan(without).values != case.best.values


def asked_by(atom: Atom) -> str:
    if isinstance(atom, MoveCost | Hinge):
        return ""
    return atom.rule if isinstance(atom, Enter | Fixed | Flow) else atom.asked.rule


def needs_order(case: Case) -> bool:
    ties = [o for o in case.outcomes if o.rank == case.best.rank]
    return bool(case.best.moves) and not any(can_start_at_once(case, o) for o in ties)


def can_start_at_once(case: Case, outcome: Outcome) -> bool:
    """Where nothing waits, all in flight together is the worst there is: every other state is a part of it."""
    if len({m.vm for m in outcome.moves}) < len(outcome.moves):
        return False
    worse = evaluate(case.problem, case.problem.start.tolist(), outcome.moves).worse
    return all(i.atom in case.split_allowed for i in worse)


@pytest.mark.slow
def test_the_best_is_the_least_of_what_can_be_reached() -> None:
    for case in cases()[:20]:
        assert best(case.outcomes).rank == min(o.rank for o in case.outcomes)
