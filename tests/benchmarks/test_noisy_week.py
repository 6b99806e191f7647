"""A small noisy week: what the page says of the large one holds for it, and the generator plants what it says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import noisy_week
from optimizer.monitors.pressure import Psi


@pytest.mark.parametrize("seed", [5, 6])
def test_monitors_are_quiet_in_a_noisy_week_and_find_what_is_real(seed: int) -> None:
    week = noisy_week.made(hosts=60, days=3, seed=seed, events=30)
    found = noisy_week.replayed(week, Psi(resource="io"), 300, week.quantiles())
    assert found.false_alarms / found.host_months <= 1
    assert found.missed == 0
    assert max(found.delays_s) <= 1200
    naive = Psi(resource="io", open_after_s=0, close_after_s=0, closes_below=0.0999)
    assert noisy_week.replayed(week, naive, 300, week.samples).false_alarms > 100 * max(1, found.false_alarms)


def test_the_quantile_is_that_of_prometheus() -> None:
    """By the definition: interpolated between the ranks of what is there."""
    week = noisy_week.made(hosts=2, days=1, seed=1, events=1)
    found = week.quantiles()
    for minute in range(9, 400):
        for host in range(2):
            window = week.samples[minute - 9 : minute + 1, host]
            there = window[~np.isnan(window)]
            if len(there) <= 5:
                assert np.isnan(found[minute, host])
            else:
                assert found[minute, host] == pytest.approx(np.quantile(there, 0.66))


def test_what_is_planted_is_over_the_limit() -> None:
    week = noisy_week.made(hosts=10, days=2, seed=3, events=6)
    assert len(week.events) == 6
    for event in week.events:
        inside = week.samples[event.first : event.last, event.host]
        assert 30 <= event.last - event.first < 360
        assert np.nanmean(inside > noisy_week.LIMIT) > 0.9
