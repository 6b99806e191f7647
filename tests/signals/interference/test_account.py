"""The account of a host's cores against hosts whose cores are shared out by hand, with a VM and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.signals.interference import HostSeries, Settings, attribute
from tests.signals.interference.series import T, on_off

if TYPE_CHECKING:
    from optimizer.signals.interference.attribution import Attribution, PairScore

CORES, VMS = 8.0, 8
SEEDS = range(20)


def shared(asked: np.ndarray) -> np.ndarray:
    """Return the share of what is asked for that waits in each sample: cores go round, so all wait alike."""
    crowd = asked.sum(axis=1)
    return np.asarray(np.where(crowd > CORES, 1 - CORES / np.maximum(crowd, 1e-9), 0.0))


def series_of(asked: np.ndarray, vcpus: np.ndarray, kind: str = "cpu_steal", total: bool = True) -> HostSeries:
    """Return what is measured: stall as a share of vCPU time, use as what was left."""
    waits = shared(asked)[:, None] * asked
    use = asked - waits
    names = tuple(f"v{i}" for i in range(asked.shape[1]))
    return HostSeries("h0", kind, names, waits / vcpus, use, use.sum(axis=1) if total else None)


def costs(asked: np.ndarray, vcpus: np.ndarray) -> np.ndarray:
    """Return [suffers, noisy]: how much less each would have waited without each other."""
    out = np.zeros((asked.shape[1], asked.shape[1]))
    for u in range(asked.shape[1]):
        alone = asked.copy()
        alone[:, u] = 0.0
        saved = (shared(asked) - shared(alone))[:, None] * alone / vcpus
        out[:, u] = saved.mean(axis=0)
    np.fill_diagonal(out, 0.0)
    return out


def crowded(seed: int, always: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return what VMs ask for, and their vCPUs; v0 takes most of the host, all the time or on and off."""
    rng = np.random.default_rng(seed)
    vcpus = np.array([6.0, 1, 1, 2, 2, 1, 1, 2])
    asked = rng.uniform(0.35, 0.75, (T, VMS)) * vcpus
    asked[rng.integers(0, T, 20), rng.integers(1, VMS, 20)] = 0.0
    for v in range(1, VMS):
        asked[rng.integers(0, T, 12), v] = vcpus[v]  # now and then all of a VM's vCPUs are busy
    asked[:, 0] = vcpus[0] if always else np.where(on_off(rng) > 0, vcpus[0], 0.1)
    return asked, vcpus


def together(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what VMs ask for that all want more at once, or all too much all the time, and their vCPUs."""
    rng = np.random.default_rng(seed)
    vcpus = rng.choice([1.0, 2.0, 4.0], VMS)
    load = 0.25 + 0.75 * on_off(rng) if seed % 2 else np.ones(T)
    asked = 1.3 * CORES / vcpus.sum() * vcpus * load[:, None] * rng.uniform(0.9, 1.1, (T, VMS))
    return np.minimum(asked, vcpus), vcpus


def insatiable(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what VMs ask for that nearly always ask for all they can, twice what there is, and their vCPUs."""
    rng = np.random.default_rng(seed)
    vcpus = np.full(VMS, 2 * CORES / VMS)
    pauses = rng.permuted(np.arange(T)[:, None].repeat(VMS, axis=1) < 0.08 * T, axis=0)
    return np.where(pauses, 0.0, vcpus), vcpus


def held_back(seed: int) -> HostSeries:
    """Return a host with a VM that is stalled by its own quota, which nobody says."""
    asked, vcpus = crowded(seed)
    series = series_of(asked, vcpus)
    series.stall[:, 5] = 0.3 * on_off(np.random.default_rng([seed, 1]))
    series.use[:, 5] = 0.2
    return series


def attributed(series: HostSeries) -> Attribution:
    found = attribute(series, Settings())
    assert found is not None
    return found


def evident(series: HostSeries) -> list[PairScore]:
    return attributed(series).evidence(Settings())


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_cost_is_what_the_others_would_have_waited_less(seed: int, always: bool, total: bool) -> None:
    asked, vcpus = crowded(seed, always)
    real, series = costs(asked, vcpus), series_of(asked, vcpus, total=total)
    found = attributed(series)
    large = found.accounted & (real >= 0.03)
    assert large[:, 0].sum() >= 5
    np.testing.assert_allclose(found.score[large], real[large], rtol=0.1, atol=0.005)
    assert {(p.noisy, p.suffers) for p in found.evidence(Settings())} >= {
        ("v0", f"v{v}") for v in range(1, VMS) if real[v, 0] >= 0.06
    }
    for pair in found.evidence(Settings()):
        assert real[int(pair.suffers[1:]), int(pair.noisy[1:])] >= 0.025


@pytest.mark.parametrize("seed", range(5))
def test_a_host_that_is_always_full_is_beyond_a_regression(seed: int) -> None:
    """What is used there is what is left; and PSI cannot be added to use, so there is no account of it."""
    asked, vcpus = crowded(seed, always=True)
    assert ("v0", "v3") in {(p.noisy, p.suffers) for p in evident(series_of(asked, vcpus))}
    assert ("v0", "v3") not in {(p.noisy, p.suffers) for p in evident(series_of(asked, vcpus, kind="cpu"))}


@pytest.mark.parametrize("seed", SEEDS)
def test_where_all_ask_for_more_at_once_nobody_is_blamed(seed: int) -> None:
    assert evident(series_of(*together(seed))) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_where_all_ask_for_all_they_can_nobody_is_blamed(seed: int) -> None:
    """Each pauses at times of its own, but what all do at once, to ask for too much, they do all the time."""
    asked, vcpus = insatiable(seed)
    assert (costs(asked, vcpus) >= 0.05).sum() > VMS
    assert evident(series_of(asked, vcpus)) == []


def test_a_vm_that_its_own_quota_holds_back_suffers_from_nobody() -> None:
    """It is stalled, but not when the others are; by accident it may be now and then."""
    blamed = sum("v5" in {p.suffers for p in evident(held_back(seed))} for seed in SEEDS)
    assert blamed <= 2


@pytest.mark.parametrize("late", [-1, 1])
@pytest.mark.parametrize("seed", range(5))
def test_gaps_and_a_lag_change_little(seed: int, late: int) -> None:
    asked, vcpus = crowded(seed)
    plain, rng = series_of(asked, vcpus), np.random.default_rng(seed)
    use, stall = plain.use.copy(), np.roll(plain.stall, late, axis=0)
    use[rng.random(use.shape) < 0.01] = np.nan
    stall[60:66], use[60:66] = np.nan, np.nan
    found = attributed(HostSeries("h0", "cpu_steal", plain.vms, stall, use, plain.total))
    assert found.lag == late
    np.testing.assert_allclose(found.score[1:, 0], attributed(plain).score[1:, 0], rtol=0.15, atol=0.01)


def test_a_vm_that_is_not_there_and_units_do_not_matter() -> None:
    asked, vcpus = crowded(3)
    plain = series_of(asked, vcpus)
    use, stall = np.column_stack([plain.use, np.full(T, np.nan)]), np.column_stack([plain.stall, np.full(T, np.nan)])
    assert plain.total is not None
    more = attributed(HostSeries("h0", "cpu_steal", (*plain.vms, "gone"), stall, use * 1e9, plain.total * 1e9))
    np.testing.assert_allclose(more.score[:VMS, :VMS], attributed(plain).score, atol=1e-9)
    assert more.score[:, VMS].max() == more.score[VMS].max() == 0.0


def test_a_vm_that_came_late_is_judged_by_the_windows_in_which_it_was_there() -> None:
    asked, vcpus = crowded(3)
    plain = series_of(asked, vcpus)
    whole = {p.suffers: p for p in evident(plain)}
    use, stall = plain.use.copy(), plain.stall.copy()
    use[:60, 3], stall[:60, 3] = np.nan, np.nan
    late = {p.suffers: p for p in evident(HostSeries("h0", "cpu_steal", plain.vms, stall, use, plain.total))}
    assert (late["v3"].lasted, whole["v3"].lasted) == (3, 5)
    assert late["v3"].score == pytest.approx(whole["v3"].score, rel=0.25)


def test_a_host_without_a_known_sample_has_no_account() -> None:
    nothing = np.full((T, 3), np.nan)
    assert evident(HostSeries("h0", "cpu_steal", ("a", "b", "c"), nothing, nothing)) == []
    still = np.zeros((T, 3))
    assert evident(HostSeries("h0", "cpu_steal", ("a", "b", "c"), still, still, still[:, 0])) == []
