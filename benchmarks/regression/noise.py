"""What is a difference, and what is noise: the statistics of the check, and nothing else.

Differences are natural logarithms of ratios, above 0 where things got worse: 0.1 is about 10 % worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median, pvariance
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Estimate", "Figure", "Finding", "judge", "of_instances", "of_ratios", "of_series", "settled"]

SIGMAS = 3.0
"""Standard errors that a difference has to exceed: chance alone does so about once in 700 times."""

MAD = 1.4826
"""Standard deviation over median absolute deviation, of a normal distribution."""

MEDIAN = math.sqrt(math.pi / 2)
"""Standard error of a median over that of a mean, of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, and the standard error of its logarithm."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of something: an estimate, and a digest of what it was measured on."""

    estimate: Estimate
    digest: str


@dataclass(frozen=True, slots=True)
class Finding:
    """How much worse (logarithm of a ratio), and how much worse it may be before it counts."""

    worse: float
    limit: float

    @property
    def failed(self) -> bool:
        """Whether it got worse by more than the limit."""
        return self.worse > self.limit

    @property
    def improved(self) -> bool:
        """Whether it got better by more than the limit."""
        return self.worse < -self.limit


def of_ratios(ratios: Sequence[float]) -> Estimate:
    """Return the median of ratios; its error by their median absolute deviation, so that a few wild ones do no harm."""
    logs = [math.log(ratio) for ratio in ratios]
    middle = median(logs)
    spread = MAD * median(abs(log - middle) for log in logs)
    return Estimate(math.exp(middle), MEDIAN * spread / math.sqrt(len(logs)))


def of_series(medians: Sequence[float]) -> Estimate:
    """Return the estimate of several series, each made in a process of its own and some under load.

    It is the median, so that one series that something else disturbed does not spoil the others. Its error is what one
    more such series may be off by: the deviation between series, by their median absolute deviation, not that of the
    median.
    """
    logs = [math.log(value) for value in medians]
    middle = median(logs)
    return Estimate(math.exp(middle), MAD * median(abs(log - middle) for log in logs))


def of_instances(values: Sequence[Sequence[float]]) -> Estimate:
    """Return the mean over instances of the mean over seeds; its error by the spread over seeds alone.

    The same program gives the same values, so this error is no noise of measuring. It is what any change of the
    search's random path does to them, be it neither better nor worse.
    """
    means = [fmean(row) for row in values]
    variance = sum(pvariance(row) / max(1, len(row) - 1) for row in values) / len(values) ** 2
    value = fmean(means)
    return Estimate(value, math.sqrt(variance) / value if value else 0.0)


def judge(now: Estimate, before: Estimate, allowed: float) -> Finding:
    """Compare two estimates of what had better be small.

    Parameters
    ----------
    allowed
        Difference that is let pass however sure it is. The limit is this, or `SIGMAS` standard errors of the
        difference where they are more.
    """
    if before.value <= 0 or now.value <= 0:
        return Finding(math.inf if now.value > before.value else 0.0, allowed)
    limit = max(allowed, SIGMAS * math.hypot(now.error, before.error))
    return Finding(math.log(now.value / before.value), limit)


def settled(now: Estimate, before: Estimate, allowed: float) -> bool:
    """Whether more measuring would change nothing: it passes, and by more than its own error might hide."""
    finding = judge(now, before, allowed)
    return SIGMAS * now.error <= allowed and finding.worse + SIGMAS * now.error <= finding.limit
