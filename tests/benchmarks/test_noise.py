"""What is a difference and what is noise, on simulated series: false alarms, and what is caught."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.regression.check import SERIES, SLOWER, WORSE
from benchmarks.regression.noise import Estimate, judge, of_instances, of_ratios, of_series, settled
from benchmarks.regression.speed import LEAST_ROUNDS, MOST_ROUNDS

RUNS = 400
SERIES_SPREAD = 0.03
"""Of the logarithm of a ratio, from process to process: what a baseline of this project has been measured to have."""


def pairs(rng: np.random.Generator, slower: float, noise: float) -> list[float]:
    """Ratios of a run, of which a tenth were disturbed by up to a factor of three, either way."""
    wild = rng.random(MOST_ROUNDS) < 0.1
    return [slower * math.exp(rng.normal(0.0, noise) + w * rng.uniform(-1.1, 1.1)) for w in wild]


def run(rng: np.random.Generator, before: Estimate, slower: float, noise: float) -> bool:
    """Whether a simulated check fails."""
    ratios = pairs(rng, slower * math.exp(rng.normal(0.0, SERIES_SPREAD)), noise)
    rounds = next(
        (n for n in range(LEAST_ROUNDS, MOST_ROUNDS) if settled(of_ratios(ratios[:n]), before, SLOWER)), MOST_ROUNDS
    )
    return judge(of_ratios(ratios[:rounds]), before, SLOWER).failed


def failures(slower: float, noise: float) -> int:
    rng = np.random.default_rng(7)
    failed = 0
    for _ in range(RUNS):
        before = of_series([math.exp(rng.normal(0.0, SERIES_SPREAD)) for _ in range(SERIES)])
        failed += run(rng, before, slower, noise)
    return failed


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.1])
def test_what_is_as_before_passes(noise: float) -> None:
    assert failures(1.0, noise) <= RUNS * 0.0125  # of one check; CI makes another in a process of its own if it fails


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.1])
def test_a_kernel_made_20_per_cent_slower_is_caught(noise: float) -> None:
    assert failures(1.2, noise) >= RUNS * 0.9


def costs(rng: np.random.Generator, worse: float) -> Estimate:
    """Three instances, 36 seeds each, which differ by about a per cent."""
    return of_instances([[worse * mean * (1 + rng.normal(0.0, 0.01)) for _ in range(36)] for mean in (1.1, 1.2, 1.15)])


@pytest.mark.slow
def test_a_solver_made_1_per_cent_worse_is_caught_and_one_that_takes_other_ways_is_not() -> None:
    rng = np.random.default_rng(7)
    assert sum(judge(costs(rng, 1.01), costs(rng, 1.0), WORSE).failed for _ in range(RUNS)) >= RUNS * 0.99
    assert sum(judge(costs(rng, 1.0), costs(rng, 1.0), WORSE).failed for _ in range(RUNS)) <= RUNS * 0.005


def test_one_per_cent_more_moves_are_caught() -> None:
    before = of_instances([[25.0]] * 12)
    assert judge(of_instances([[25.0]] * 9 + [[26.0]] * 3), before, WORSE).failed
    assert not judge(of_instances([[25.0]] * 11 + [[26.0]]), before, WORSE).failed
    assert judge(of_instances([[24.0]] * 12), before, WORSE).improved


def test_anything_above_nothing_is_worse() -> None:
    nothing = of_instances([[0.0], [0.0]])
    assert judge(of_instances([[0.0], [1.0]]), nothing, WORSE).failed
    assert not judge(nothing, nothing, WORSE).failed
    assert not judge(nothing, of_instances([[0.0], [1.0]]), WORSE).failed


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=40), st.floats(0.1, 10.0))
def test_the_estimate_of_ratios_scales_with_them_and_lies_among_them(ratios: list[float], factor: float) -> None:
    one, other = of_ratios(ratios), of_ratios([factor * ratio for ratio in ratios])
    assert min(ratios) * 0.999999 <= one.value <= max(ratios) * 1.000001
    assert other.value == pytest.approx(factor * one.value)
    assert other.error == pytest.approx(one.error, abs=1e-9)


@given(st.floats(0.1, 10.0), st.floats(0.1, 10.0), st.floats(0.0, 0.3), st.floats(0.0, 0.3), st.floats(0.001, 0.3))
def test_what_is_worse_one_way_is_better_the_other(a: float, b: float, u: float, v: float, allowed: float) -> None:
    there, back = judge(Estimate(a, u), Estimate(b, v), allowed), judge(Estimate(b, v), Estimate(a, u), allowed)
    assert there.worse == pytest.approx(-back.worse)
    assert there.limit == back.limit >= allowed
    assert there.failed == back.improved
    assert not (there.failed and settled(Estimate(a, u), Estimate(b, v), allowed))


def test_the_error_of_a_median_is_what_medians_scatter_by() -> None:
    rng = np.random.default_rng(3)
    found = [of_ratios(np.exp(rng.normal(0.0, 0.05, 25)).tolist()) for _ in range(600)]
    scatter = float(np.std([math.log(one.value) for one in found]))
    assert float(np.mean([one.error for one in found])) == pytest.approx(scatter, rel=0.15)


def test_the_error_of_a_mean_over_seeds_is_what_such_means_scatter_by() -> None:
    rng = np.random.default_rng(3)
    found = [costs(rng, 1.0) for _ in range(600)]
    scatter = float(np.std([math.log(one.value) for one in found]))
    assert float(np.mean([one.error for one in found])) == pytest.approx(scatter, rel=0.15)
