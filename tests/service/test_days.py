"""Simulated days of the periodic run, in short; `python -m tests.service.days` prints the whole."""

from __future__ import annotations

import pytest

from tests.service.days import simulate


@pytest.mark.slow
def test_some_hours_of_a_living_fleet(tmp_path) -> None:
    seen = simulate(0.1, 3, directory=tmp_path, crashes=0.002)
    assert seen.broken == []
    assert seen.cycles > 12
    assert seen.ends["done"] > 0


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(8))
def test_half_a_day_of_living_fleets(chunk: int, tmp_path) -> None:
    seen = simulate(0.25, 100 + chunk, directory=tmp_path)
    assert seen.broken == []
    assert seen.faults > 20
