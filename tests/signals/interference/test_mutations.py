"""Each part of the method is needed: with one taken away, something that has to hold holds no more."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.interference.table import TRAP
from benchmarks.interference.truth import draw_fleet
from optimizer.signals.interference import HostSeries, Settings, account, attribution, design
from tests.signals.interference.series import T, V, full, hog, host, little, on_off, quiet
from tests.signals.interference.test_account import crowded, held_back, insatiable, series_of, together
from tests.signals.interference.test_attribution import attributed, evident, names

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH = {("v0", "v1"), ("v0", "v2")}
SEEDS = range(12)


def finds_the_hog(settings: Settings) -> bool:
    return all(names(evident(hog(seed), settings)) == BOTH for seed in SEEDS)


def finds_a_late_one(settings: Settings) -> bool:
    late = (host(s.use, np.roll(s.stall, 1, axis=0), total=s.total) for s in map(hog, SEEDS))
    return all(names(evident(series, settings)) == BOTH for series in late)


def blames_nobody_where_all_peak_together(settings: Settings) -> bool:
    return not any(evident(series, settings) for series in trap())


@cache
def trap() -> list[HostSeries]:
    """Simulated hosts on which all VMs peak together and wait for each other, of a kind that has no account."""
    series = (trial.series for trial in draw_fleet(8, "cpu", 900, TRAP))
    return [HostSeries(s.host, "cpu", s.vms, s.stall, s.use, s.total) for s in series]


def blames_nobody_where_all_ask_together(settings: Settings) -> bool:
    """The same where there is one."""
    return not any(evident(series_of(*together(seed)), settings) for seed in SEEDS)


def blames_nobody_where_all_ask_for_all_they_can(settings: Settings) -> bool:
    return not any(evident(series_of(*insatiable(seed)), settings) for seed in SEEDS)


def finds_who_fills_a_host(settings: Settings) -> bool:
    return all(("v0", "v3") in names(evident(series_of(*crowded(seed, True)), settings)) for seed in SEEDS)


def blames_nobody_for_what_a_quota_hides(settings: Settings) -> bool:
    return sum("v5" in {p.suffers for p in evident(held_back(seed), settings)} for seed in SEEDS) <= 1


def blames_nobody_for_what_the_host_does(settings: Settings) -> bool:
    def daemon(seed: int) -> HostSeries:
        use, stall = quiet(seed)
        on = on_off(np.random.default_rng(seed))
        use[:, 1] += 2 * np.where(np.random.default_rng(seed + 1).random(T) < 0.8, on, ~on.astype(bool))
        return host(use, stall + 0.4 * on[:, None], total=use.sum(axis=1) + 4 * on)

    return not any(evident(daemon(seed), settings) for seed in SEEDS)


def blames_nobody_for_what_is_always_there(settings: Settings) -> bool:
    """A VM that is loud all the time varies by a little, and so does the stall with it."""

    def loud(seed: int) -> HostSeries:
        use, stall = quiet(seed)
        on = on_off(np.random.default_rng(seed))
        use[:, 0] += 50 + on
        stall[:, 1] += 0.3 + 0.03 * on
        return host(use, stall)

    return not any(evident(loud(seed), settings) for seed in SEEDS)


def blames_nobody_by_chance(settings: Settings) -> bool:
    """At a rate of 10 % of false discoveries one host in ten may be wrong where there is nothing to discover."""

    def unrelated(seed: int) -> HostSeries:
        rng = np.random.default_rng(seed)
        use, stall = quiet(seed)
        for v in range(V):
            use[:, v] += 2 * on_off(rng)
            stall[:, v] += 0.5 * on_off(rng)
        return host(use, stall)

    return sum(bool(evident(unrelated(seed), settings)) for seed in range(20)) <= 4


def blames_nobody_for_little(settings: Settings) -> bool:
    """At most in one host of twelve, as the rate of false discoveries has it."""
    return sum(bool(evident(little(seed), settings)) for seed in SEEDS) <= 1


def says_what_it_costs_on_a_full_host(settings: Settings) -> bool:
    found = [p for seed in SEEDS for p in attributed(full(seed), settings).pairs(settings) if p.noisy == "v0"]
    real = np.mean([0.15 * full(seed).use[:, 0].mean() / 1.5 for seed in SEEDS])
    return len(found) == len(SEEDS) * (V - 1) and abs(np.mean([p.score for p in found]) / real - 1) < 0.15


def leaves_out_what_a_quota_causes(settings: Settings) -> bool:
    series = hog(1, victims=())
    throttled = np.zeros_like(series.stall)
    throttled[:, 3] = 0.5 * (series.use[:, 0] > 1)
    told = HostSeries("h0", "cpu", series.vms, np.clip(series.stall + throttled, 0, 1), series.use, None, throttled)
    return evident(told, settings) == []


HOLDS: dict[str, Callable[[Settings], bool]] = {
    check.__name__: check
    for check in (
        finds_the_hog,
        finds_a_late_one,
        blames_nobody_where_all_peak_together,
        blames_nobody_where_all_ask_together,
        blames_nobody_where_all_ask_for_all_they_can,
        finds_who_fills_a_host,
        blames_nobody_for_what_a_quota_hides,
        blames_nobody_for_what_the_host_does,
        blames_nobody_for_what_is_always_there,
        blames_nobody_by_chance,
        blames_nobody_for_little,
        says_what_it_costs_on_a_full_host,
        leaves_out_what_a_quota_causes,
    )
}


@pytest.mark.parametrize("check", HOLDS.values(), ids=HOLDS)
def test_it_holds(check: Callable[[Settings], bool]) -> None:
    assert check(Settings())


ALL_ASK = "blames_nobody_where_all_ask_together"


def everybody_alone(use: np.ndarray, *_: Any) -> np.ndarray:
    return np.ones(use.shape[1], np.bool_)


def never_quiet(use: np.ndarray, *_: Any) -> np.ndarray:
    return np.zeros(use.shape[1])


def no_rest(_: Any, use: np.ndarray, *__: Any) -> np.ndarray:
    return np.zeros(len(use))


def no_use(*_: Any) -> np.ndarray:
    return np.zeros((T, V))


@pytest.mark.parametrize(
    ("module", "name", "mutant", "broken"),
    [
        (design, "_alone", everybody_alone, "blames_nobody_where_all_peak_together"),
        (design, "_quiet", never_quiet, "blames_nobody_for_what_is_always_there"),
        (design, "_rest", no_rest, "blames_nobody_for_what_the_host_does"),
        (design, "_not_displaced", lambda beyond, *_: beyond, "says_what_it_costs_on_a_full_host"),
        (design, "filled", no_use, "finds_the_hog"),
        (attribution, "false_discovery_cut", lambda *_: 1.0, "blames_nobody_by_chance"),
        (attribution, "false_discovery_cut", lambda *_: 0.0, "finds_the_hog"),
        (account, "_in_step", lambda books, *_: np.zeros(books.asked.shape[1], np.bool_), ALL_ASK),
        (account, "STEADY", 0.0, ALL_ASK),
        (account, "_chance", lambda books, *_: np.zeros(books.asked.shape[1]), "blames_nobody_for_what_a_quota_hides"),
        (account, "_relief", lambda books: np.zeros_like(books.asked), "finds_who_fills_a_host"),
        (account, "_width", lambda use, *_: np.zeros(use.shape[1]), "finds_who_fills_a_host"),
        (HostSeries, "net_stall", property(lambda self: self.stall), "leaves_out_what_a_quota_causes"),
    ],
)
def test_a_mutant_is_caught(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, mutant: Any, broken: str) -> None:
    monkeypatch.setattr(module, name, mutant)
    assert not HOLDS[broken](Settings())


@pytest.mark.parametrize(
    ("setting", "broken"),
    [
        ({"lag": 0}, "finds_a_late_one"),
        ({"falls_by": 1e-6}, "blames_nobody_for_little"),
        ({"in_step": 1.0, "in_step_with_all": 1.0, "in_step_slowly": 1.0}, "blames_nobody_where_all_peak_together"),
        ({"contrast": 0.0}, "blames_nobody_where_all_ask_for_all_they_can"),
        ({"false_discoveries": 0.99, "score_until": 1e-6, "lasts": 1, "still_lasts": 0}, "blames_nobody_by_chance"),
    ],
)
def test_a_setting_that_takes_a_part_away_is_caught(setting: dict[str, float], broken: str) -> None:
    assert not HOLDS[broken](Settings(**setting))  # type: ignore[arg-type]
