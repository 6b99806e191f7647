"""A forecast of one daily series: trend and week by least squares, a band from its own errors on the past.

The model is ``level + slope x day + weekday``, fitted to the last days of the past. How many days, and whether weekdays
count, is chosen by back-testing: forecasts are made from earlier days as they would have been made then, and held
against what came. The same errors, by how far ahead they were, give the band: their mean square is taken to be
``a + b x h + c x h^2`` at h days ahead (noise, drift, a wrong slope), with a, b and c not below 0.

Assumptions: the future resembles the past that is given; errors are symmetric; nothing is known of what is planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["BAND", "LEAST_DAYS", "UNTESTED", "WEEK", "Forecast", "Tested", "daily", "forecast"]

LEAST_DAYS = 14
"""Less of a past is none."""

BAND = 1.2816
"""Half the width of a band of 80 %, in standard errors."""

WEEK = 7
WEEKS_FOR_SEASON = 4
SHARES = (1.0, 0.5, 0.25)
"""How much of the past a model may be fitted to."""

LATEST_DAYS = 3650
"""No day beyond is named: full later than that is never."""

ORIGINS = 60
"""Days at which back-tests start, at most, evenly."""


@dataclass(frozen=True, slots=True)
class Tested:
    """How the model would have done.

    Attributes
    ----------
    forecasts
        How many forecasts were held against what came.
    error
        Mean absolute error of the value, as a share of the mean value.
    days_error
        Mean absolute error of the days until a level was reached, as a share of those days; NaN where none was.
    coverage
        Share of the values that came within the band.
    """

    forecasts: int
    error: float
    days_error: float
    coverage: float


UNTESTED = Tested(0, float("nan"), float("nan"), float("nan"))
"""Of what has no past to be tested on."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """What is expected: `at(h)` h days after the last day, `spread(h)` the half width of the band there.

    Attributes
    ----------
    level, slope, week
        Value on the last day as the model has it, its growth by day, and what each of the 7 days adds, from the first
        after the last day.
    variance
        (a, b, c): mean square error at h days ahead is ``a + b x h + c x h^2``.
    width
        Half width of the band in standard errors.
    """

    level: float
    slope: float
    week: tuple[float, ...]
    variance: tuple[float, float, float]
    width: float
    tested: Tested

    def at(self, days: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected values."""
        season = np.array(self.week)[(days.astype(np.int64) - 1) % WEEK]
        return np.asarray(self.level + self.slope * days + season, np.float64)

    def spread(self, days: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the half width of the band."""
        a, b, c = self.variance
        return np.asarray(self.width * np.sqrt(a + b * days + c * days * days), np.float64)

    def days_to(self, limit: float) -> tuple[int | None, int | None, int | None]:
        """Return after how many days a limit is reached: at the upper edge of the band, as expected, at the lower."""
        days = np.arange(1.0, LATEST_DAYS + 1)
        expected, spread = self.at(days) + abs(limit) * 1e-9, self.spread(days)
        return _first(expected + spread >= limit), _first(expected >= limit), _first(expected - spread >= limit)


def _first(reached: NDArray[np.bool_]) -> int | None:
    at = np.flatnonzero(reached)
    return int(at[0]) + 1 if at.size else None


def forecast(values: NDArray[np.floating], horizon: int, width: float = BAND) -> Forecast:
    """Return the forecast of a daily series.

    Parameters
    ----------
    values
        One value a day, the last one today; at least `LEAST_DAYS`, none of them NaN.
    horizon
        How many days ahead matter.
    width
        Half width of the band in standard errors; by default it is one of 80 %.

    Raises
    ------
    ValueError
        The past is too short.
    """
    past = np.asarray(values, np.float64)
    if len(past) < LEAST_DAYS:
        raise ValueError(f"{len(past)} days are no past: at least {LEAST_DAYS} are needed")
    seasons = (False, True) if len(past) >= WEEKS_FOR_SEASON * WEEK else (False,)
    tried = [_back_test(past, share, season, horizon) for share in SHARES for season in seasons]
    best = min(tried, key=lambda t: (t.score, -t.share, t.season))
    level, slope, week = _fitted(_last(past, best.share), best.season)
    variance = _variance(best.ahead, best.errors)
    half = width * np.sqrt(variance[0] + variance[1] * best.ahead + variance[2] * best.ahead**2)
    coverage = float((np.abs(best.errors) <= half).mean()) if len(best.errors) else float("nan")
    tested = Tested(len(best.errors), best.error, best.days_error, coverage)
    return Forecast(level, slope, week, variance, width, tested)


@dataclass(frozen=True, eq=False)
class _Past:
    share: float
    season: bool
    ahead: NDArray[np.float64]
    errors: NDArray[np.float64]
    error: float
    days_error: float

    @property
    def score(self) -> float:
        """The root of the mean square error: the less, the better."""
        return float(np.sqrt(np.mean(self.errors**2))) if len(self.errors) else float("inf")


def _last(values: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    return values[-max(LEAST_DAYS, round(len(values) * share)) :]


def _fitted(values: NDArray[np.float64], season: bool) -> tuple[float, float, tuple[float, ...]]:
    """Return level on the last day, slope, and what the days after the last add."""
    day = np.arange(len(values), dtype=np.float64) - (len(values) - 1)
    columns = [np.ones_like(day), day]
    if season and len(values) >= 2 * WEEK:
        of = (day.astype(np.int64) - 1) % WEEK
        columns += [(of == d).astype(np.float64) - (of == WEEK - 1) for d in range(WEEK - 1)]
    found, *_ = np.linalg.lstsq(np.array(columns).T, values, rcond=None)
    week = [*found[2:].tolist(), -float(found[2:].sum())] if len(found) > 2 else [0.0] * WEEK
    return float(found[0]), float(found[1]), tuple(week)


def _back_test(values: NDArray[np.float64], share: float, season: bool, horizon: int) -> _Past:
    """Forecast from earlier days, as would have been done then."""
    first = max(LEAST_DAYS, len(values) // 3)
    origins = np.unique(np.linspace(first, len(values) - 1, ORIGINS).astype(np.int64))
    ahead: list[NDArray[np.float64]] = []
    errors: list[NDArray[np.float64]] = []
    late: list[float] = []
    for origin in origins.tolist():
        level, slope, week = _fitted(_last(values[:origin], share), season)
        came = values[origin : origin + max(horizon, 1)]
        days = np.arange(1.0, len(came) + 1)
        expected = level + slope * days + np.array(week)[(days.astype(np.int64) - 1) % WEEK]
        ahead.append(days)
        errors.append(came - expected)
        late += _lateness(values[:origin], came, expected)
    every = np.concatenate(errors)
    mean = float(np.abs(values).mean()) or 1.0
    return _Past(
        share,
        season,
        np.concatenate(ahead),
        every,
        float(np.abs(every).mean()) / mean,
        float(np.mean(late)) if late else float("nan"),
    )


def _lateness(before: NDArray[np.float64], came: NDArray[np.float64], expected: NDArray[np.float64]) -> list[float]:
    """Return by which share the days were wrong until the highest value that came was first reached."""
    top = int(np.argmax(came))
    if came[top] <= before.max() or top < WEEK - 1:
        return []  # it grew no further, or at once
    reached = np.flatnonzero(expected >= came[top])
    if reached.size:
        predicted = float(reached[0]) + 1
    else:
        slope = (expected[-1] - expected[0]) / max(len(expected) - 1, 1)
        if slope <= 0:
            return [1.0]
        predicted = len(expected) + float(came[top] - expected[-1]) / float(slope)
    return [min(1.0, abs(predicted - (top + 1)) / (top + 1))]


def _variance(ahead: NDArray[np.float64], errors: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return (a, b, c), none below 0, by least squares over the mean square error at each number of days ahead."""
    if not len(errors):
        return 0.0, 0.0, 0.0
    days, inverse, number = np.unique(ahead, return_inverse=True, return_counts=True)
    square = np.bincount(inverse, weights=errors**2) / number
    columns = np.array([np.ones_like(days), days, days**2])
    weight = np.sqrt(number) / np.maximum(square, square.mean() * 1e-3 + 1e-12)  # errors of squares grow with them
    best: tuple[float, tuple[float, float, float]] = (float("inf"), (float(square.mean()), 0.0, 0.0))
    for size in (1, 2, 3):
        for which in combinations(range(3), size):
            part, *_ = np.linalg.lstsq((columns[list(which)] * weight).T, square * weight, rcond=None)
            if (part < 0).any():
                continue
            rest = float((((part @ columns[list(which)]) - square) ** 2 * weight**2).sum())
            if rest < best[0] * (1 - 1e-9):
                full = [0.0, 0.0, 0.0]
                for at, value in zip(which, part.tolist(), strict=True):
                    full[at] = value
                best = rest, (full[0], full[1], full[2])
    return best[1]


def daily(times: Sequence[float], values: Sequence[float]) -> NDArray[np.float64]:
    """Return one value a day, the mean of those of the day; days without any lie on the line between their neighbours.

    Parameters
    ----------
    times
        Epoch seconds, in any order; the last day is that of the latest.
    """
    order = np.argsort(np.array(times), kind="stable")
    at, value = np.array(times)[order], np.array(values, np.float64)[order]
    day = np.ceil((at - at[-1]) / 86400.0 - 1e-9).astype(np.int64)
    days, inverse, number = np.unique(day, return_inverse=True, return_counts=True)
    mean = np.bincount(inverse, weights=value) / number
    whole = np.arange(days[0], days[-1] + 1)
    return np.asarray(np.interp(whole, days, mean), np.float64)
