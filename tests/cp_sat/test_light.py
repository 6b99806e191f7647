"""The short way to CP-SAT builds what OR-Tools' own classes build, and gives way to them where it does not fit."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import pytest
from ortools.sat.python import cp_model

from optimizer import cp_sat
from optimizer.cp_sat import light

HIDDEN = """
import sys
from ortools.sat.python import cp_model_helper
del cp_model_helper.CpBaseModel._add_bool_argument_constraint
from optimizer import cp_sat
from ortools.sat.python import cp_model
assert cp_sat.CpModel is cp_model.CpModel and cp_sat.CpSolver is cp_model.CpSolver
assert cp_sat.OPTIMAL == cp_model.OPTIMAL
"""


def _random_model(made: Any, seed: int) -> Any:
    """Build a random model by the classes of `made`, with every method that is used anywhere."""
    rng, model = random.Random(seed), made.CpModel()
    bits = [model.new_bool_var("") for _ in range(8)]
    total = model.new_int_var(0, rng.randint(5, 90), "total")

    def some() -> list[Any]:
        return [b if rng.random() < 0.7 else b.negated() for b in rng.sample(bits, rng.randint(1, 4))]

    for _ in range(4):
        weights = [rng.randint(-3, 9) for _ in bits]
        model.add(made.LinearExpr.weighted_sum(bits, weights) + 2 <= total)
        model.add(made.LinearExpr.sum(bits) + total >= rng.randint(1, 4)).only_enforce_if(rng.choice(some()))
        model.add_bool_or(some())
        model.add_bool_or(b for b in some())
        model.add_exactly_one(iter(some()))
        model.add_implication(rng.choice(bits), rng.choice(bits).negated())
        model.add_bool_and(some()).only_enforce_if(rng.choice(bits))
    model.add(made.LinearExpr.sum([]) <= rng.randint(-1, 1))
    for bit in bits:
        model.add_hint(bit, rng.random() < 0.5)
    model.minimize(total)
    terms = made.LinearExpr.weighted_sum(bits, [rng.randint(1, 9) for _ in bits]) + total + 7
    (model.minimize if rng.random() < 0.5 else model.maximize)(terms)
    return model, terms, bits


@pytest.mark.parametrize("seed", range(30))
def test_what_it_builds_and_finds_is_what_the_long_way_does(seed):
    (ours, our_terms, our_bits), (theirs, their_terms, their_bits) = (_random_model(m, seed) for m in (light, cp_model))
    assert str(ours.proto) == str(theirs.proto)
    solvers: list[Any] = [light.CpSolver(), cp_model.CpSolver()]
    for solver in solvers:
        solver.parameters.num_workers = 1
    ended = [solver.solve(model) for solver, model in zip(solvers, (ours, theirs), strict=True)]
    assert ended[0] == ended[1]
    if ended[0] == cp_sat.OPTIMAL:
        assert solvers[0].value(our_terms) == solvers[1].value(their_terms)
        assert solvers[0].best_objective_bound == solvers[1].best_objective_bound
        found = zip(our_bits, their_bits, strict=True)
        assert all(solvers[0].boolean_value(a) == solvers[1].boolean_value(b) for a, b in found)


@pytest.mark.parametrize("add", ["minimize", "maximize"])
def test_an_objective_may_be_a_number(add):
    models: list[Any] = [light.CpModel(), cp_model.CpModel()]
    for model in models:
        getattr(model, add)(7)
    assert str(models[0].proto) == str(models[1].proto)


def test_a_solver_that_solved_nothing_says_so():
    with pytest.raises(RuntimeError):
        _ = light.CpSolver().response_proto
    light.CpSolver().stop_search()


def test_another_release_of_the_library_is_used_the_long_way():
    subprocess.run([sys.executable, "-c", HIDDEN], check=True)


def test_nothing_of_the_optimizer_loads_pandas():
    said = "import sys, optimizer.pipeline, optimizer.scoped_plan, optimizer.verify; sys.exit('pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", said], check=True)
