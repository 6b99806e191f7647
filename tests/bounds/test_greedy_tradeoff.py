"""Curves without a model against those that a model makes, over the components of random problems."""

from __future__ import annotations

from random import Random

import pytest

from optimizer.bounds.component_model import curve
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.bounds.greedy_tradeoff import greedy_tradeoff
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
                points = (
                    greedy_tradeoff(component, problem.moving, hardness, GIVEN.curve_steps)
                    if component.of(hardness)
                    else None
                )
                said[points is not None] += 1
                assert points is None or points == curve(component, problem.moving, hardness, GIVEN), seed
    assert said[True] >= 100, "it has something to say of the ones that are simple"
