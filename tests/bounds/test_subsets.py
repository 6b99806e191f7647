"""Curves without a model against those that a model makes, over the components of random problems."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from optimizer.bounds.component_model import ComponentModel, curve
from optimizer.bounds.eviction_relaxation import Component, EvictionRelaxation
from optimizer.bounds.subsets import best_departures, best_subsets
from optimizer.parameters import Bounding
from optimizer.problem.rule import Hardness
from tests.problem.random_problems import HARMING, random_problem

GIVEN = Bounding(model_steps=40)


@pytest.mark.slow
def test_it_is_the_curve_of_the_model() -> None:
    said = {True: 0, False: 0}
    for seed in range(600):
        rng = Random(seed)
        problem = random_problem(rng, kinds=rng.sample(HARMING, 3))
        for component in EvictionRelaxation(problem).components:
            for hardness in (Hardness.MUST, Hardness.SHOULD):
                points = best_subsets(component, problem.moving, hardness, GIVEN) if component.of(hardness) else None
                said[points is not None] += 1
                assert points is None or points == curve(component, problem.moving, hardness, GIVEN), seed
    assert said[True] >= 400, "it has something to say of small ones"


@pytest.mark.slow
def test_the_best_departures_are_those_of_the_model() -> None:
    """Value for value; which of several equal sets it is may differ."""
    said = 0
    for seed in range(300):
        rng = Random(seed)
        problem = random_problem(rng, kinds=rng.sample(HARMING, 3))
        size = np.array([rng.random() for _ in range(problem.vms)])
        for component in EvictionRelaxation(problem).components:
            found = best_departures(component, problem.moving, size, GIVEN)
            expected = ComponentModel(component, problem.moving, GIVEN).lexicographic(size, 0)
            if found is not None and expected is not None:
                said += 1
                assert (found.harms, found.cost, found.exact) == (expected.harms, expected.cost, expected.exact), seed
                assert sum(size[list(found.vms)]) <= sum(size[list(expected.vms)]) + 0.01, seed
    assert said >= 100


def test_many_vms_are_left_to_a_model() -> None:
    problem = random_problem(Random(0), kinds=["linear"])
    many = Component(EvictionRelaxation(problem).rows, np.arange(GIVEN.subsets + 1))
    assert best_subsets(many, np.ones(GIVEN.subsets + 1, np.int64), Hardness.MUST, GIVEN) is None
