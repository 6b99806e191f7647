"""Curves without a model against those that a model makes, over the knots of random problems."""

from __future__ import annotations

from random import Random

from optimizer.problem.rule import Hardness
from optimizer.solve.departures import Departures
from optimizer.solve.knots import curve
from optimizer.solve.staircase import staircase
from tests.problem.random_problems import random_problem

KINDS = ("linear", "at_most", "apart", "at_least", "same", "needs", "leave")


def test_it_is_the_curve_of_the_model() -> None:
    said = {True: 0, False: 0}
    for seed in range(600):
        rng = Random(seed)
        problem = random_problem(rng, kinds=rng.sample(KINDS, 3))
        for knot in Departures(problem).knots:
            for hardness in (Hardness.MUST, Hardness.SHOULD):
                points = staircase(knot, problem.moving, hardness) if knot.of(hardness) else None
                said[points is not None] += 1
                assert points is None or points == curve(knot, problem.moving, hardness), seed
    assert said[True] >= 100, "it has something to say of the ones that are simple"
