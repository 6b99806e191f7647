"""The solver of the regression, against every subset of columns."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from optimizer.signals.interference.kernel_nnls import solve_nnls


def least(columns: np.ndarray, target: np.ndarray) -> float:
    """Return the least square of what is left, over all subsets whose own solution is not negative."""
    best = float(target @ target)
    for size in range(1, columns.shape[1] + 1):
        for chosen in combinations(range(columns.shape[1]), size):
            part = columns[:, chosen]
            beta = np.linalg.lstsq(part, target, rcond=None)[0]
            if (beta >= -1e-12).all():
                best = min(best, float(((target - part @ beta) ** 2).sum()))
    return best


@pytest.mark.parametrize("seed", range(60))
def test_no_subset_of_columns_does_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, k = int(rng.integers(8, 30)), int(rng.integers(1, 7))
    columns = rng.normal(size=(rows, k)) * rng.choice([1e-3, 1.0, 1e6], k) + rng.normal(size=(rows, 1))
    if k > 2 and seed % 3 == 0:
        columns[:, 1] = 2 * columns[:, 0]  # depends on another
    if seed % 5 == 0:
        columns[:, 0] = 0.0
    target = rng.normal(size=rows) + columns @ np.maximum(rng.normal(size=k), 0) * (seed % 2)
    beta = solve_nnls(columns, target)
    assert (beta >= 0).all()
    left = float(((target - columns @ beta) ** 2).sum())
    assert left == pytest.approx(least(columns, target), rel=1e-6, abs=1e-9 * float(target @ target))


@pytest.mark.parametrize("seed", range(20))
def test_the_conditions_of_the_optimum_hold_on_many_columns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns, target = np.abs(rng.normal(size=(150, 60))), rng.normal(size=150)
    beta = solve_nnls(columns, target)
    slope = columns.T @ (target - columns @ beta)
    assert (beta >= 0).all()
    assert np.abs(slope[beta > 0]).max(initial=0.0) < 1e-6
    assert slope[beta == 0].max(initial=-1.0) < 1e-5


def test_nothing_explains_nothing() -> None:
    assert solve_nnls(np.zeros((5, 2)), np.ones(5)).tolist() == [0, 0]
    assert solve_nnls(-np.ones((5, 1)), np.ones(5)).tolist() == [0]
