"""Lines through hourly samples: what grows is found, what wanders is not called growing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optimizer.service import memory
from optimizer.service.events import CycleBegan, CycleEnded
from optimizer.service.memory import GivesBack
from tests.service.test_notify import CYCLE
from tests.service.trend import Trend, trend_of

HOURS = 240


def wandering(seed: int, alike: float, size: float = 3.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = np.zeros(HOURS)
    for hour in range(1, HOURS):
        out[hour] = alike * out[hour - 1] + size * rng.normal()
    return out


def test_a_line_is_found_as_it_is() -> None:
    found = trend_of((130 + 0.5 * np.arange(HOURS) / 24).tolist(), 24)
    assert found is not None and found.a_day == pytest.approx(0.5) and found.error == 0.0
    assert trend_of([100.0] * 30, 24) is None


@pytest.mark.parametrize("alike", [0.0, 0.8])
def test_the_error_is_what_chance_does(alike: float) -> None:
    """Of 300 histories without a trend about 5 % are further from 0 than two errors; never as many as 15 %."""
    found = [trend_of((130 + wandering(seed, alike)).tolist(), 24) for seed in range(300)]
    beyond = sum(abs(one.a_day) > 2 * one.error for one in found if one is not None)
    assert 3 <= beyond <= 45


@pytest.mark.parametrize(
    ("trend", "said"),
    [(Trend(0.5, 0.5), "flat"), (Trend(3.0, 0.5), "GROWS"), (Trend(1.0, 2.0), "not known: take more days")],
)
def test_verdicts(trend: Trend, said: str) -> None:
    assert trend.verdict(2.0) == said


def test_what_grows_is_said_to() -> None:
    """3 MiB a day under a wandering of 5 MiB, within ten days."""
    grown = 3.0 * np.arange(HOURS) / 24
    said = [trend_of((130 + grown + wandering(seed, 0.8)).tolist(), 24) for seed in range(40)]
    assert sum(one is not None and one.verdict(2.0) == "GROWS" for one in said) >= 36


def test_memory_is_given_back_when_a_cycle_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(memory, "_trim", lambda: given.append)
    gives = GivesBack()
    gives.tell(CycleBegan(CYCLE))
    assert given == []
    gives.tell(CycleEnded(CYCLE))
    assert given == [0]
    monkeypatch.setattr(memory, "_trim", lambda: None)
    GivesBack().tell(CycleEnded(CYCLE))


def test_large_blocks_go_back_at_once_on_this_machine() -> None:
    """By the C library's own account: an array of 8 MiB that is freed leaves nothing free in its heap."""
    found = memory._trim()
    if found is None:
        pytest.skip("not glibc")
    found(0)
    assert found.__name__ == "malloc_trim"
    before = _resident()
    for _ in range(3):
        array = np.ones(2**20)
        assert _resident() - before > 7.0
        del array
    found(0)
    assert _resident() - before < 4.0


def _resident() -> float:
    """MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
