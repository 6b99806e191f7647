"""Forecasts of synthetic series with a known future: how many values come within the band, how wrong the days are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.whatif.forecast import forecast

__all__ = ["Quality", "quality"]

HORIZON = 60


@dataclass(frozen=True, slots=True)
class Quality:
    """`coverage` of the band of 80 %, median error of the days to a level half the horizon ahead, as back-tested."""

    series: int
    coverage: float
    days_error: float
    tested_days_error: float


def quality(seed: int, series: int) -> Quality:
    """Forecast random series: a trend, a week, autocorrelated noise, and in every third one a random walk."""
    rng = np.random.default_rng(seed)
    covered, late, tested = [], [], []
    for _ in range(series):
        past = int(rng.integers(60, 240))
        slope, base, week = rng.uniform(0.2, 2), rng.uniform(200, 600), rng.uniform(0, 20)
        values = _noise(rng, past + HORIZON) + base + slope * np.arange(past + HORIZON)
        values += week * np.sin(2 * np.pi * np.arange(past + HORIZON) / 7)
        found = forecast(values[:past], HORIZON)
        days = np.arange(1.0, HORIZON + 1)
        covered.append(float((np.abs(values[past:] - found.at(days)) <= found.spread(days)).mean()))
        _, expected, _ = found.days_to(base + slope * (past + HORIZON / 2))
        late.append(1.0 if expected is None else abs(expected - HORIZON / 2) / (HORIZON / 2))
        tested.append(found.tested.days_error)
    return Quality(series, float(np.mean(covered)), float(np.median(late)), float(np.nanmedian(tested)))


def _noise(rng: np.random.Generator, days: int) -> np.ndarray:
    persistence, size = rng.choice([0.0, 0.5, 0.8]), rng.uniform(1, 12)
    out = np.zeros(days)
    for day in range(1, days):
        out[day] = persistence * out[day - 1] + rng.normal(0, size)
    return out + np.cumsum(rng.normal(0, rng.choice([0.0, 0.0, 1.0]), days))
