"""Who costs which how much: effects that were put into series are found as large as they are; what is none is not."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.signals.interference import HostSeries, Settings, attribute
from optimizer.signals.interference.attribution import Attribution, PairScore, false_discovery_cut
from optimizer.signals.interference.kernel_nnls import solve_nnls
from tests.signals.interference.series import T, V, hog, host, on_off, quiet

SETTINGS = Settings()


def attributed(series: HostSeries, settings: Settings = SETTINGS) -> Attribution:
    found = attribute(series, settings)
    assert found is not None
    return found


def evident(series: HostSeries, settings: Settings = SETTINGS) -> list[PairScore]:
    return attributed(series, settings).evidence(settings)


def names(pairs: list[PairScore]) -> set[tuple[str, str]]:
    return {(p.noisy, p.suffers) for p in pairs}


@pytest.mark.parametrize("seed", range(20))
def test_an_effect_is_found_as_large_as_it_is(seed: int) -> None:
    series = hog(seed)
    found = evident(series)
    assert names(found) == {("v0", "v1"), ("v0", "v2")}
    for pair in found:
        quiet_stall = 0.02
        real = float(series.stall[:, int(pair.suffers[1:])].mean()) - quiet_stall
        assert pair.score == pytest.approx(real, rel=0.15)
        assert pair.p <= 0.001
        assert pair.lasted == 5


def test_a_vm_that_is_never_above_its_quiet_level_costs_nothing() -> None:
    """Stall falls where it pauses for once. What costs nothing is not tested, also where the score has no limit."""
    use, stall = quiet(1)
    pauses = np.arange(T) % 30 == 7
    use[:, 0] = np.where(pauses, 0.0, 1.0)
    stall[:, 1] += np.where(pauses, 0.0, 0.3)
    found = attributed(host(use, stall, total=use.sum(axis=1) + 0.1), Settings(score_until=0.0))
    assert (found.score[1, 0], found.p[1, 0]) == (0.0, 1.0)


@pytest.mark.parametrize("seed", range(20))
def test_the_score_is_the_coefficient_times_the_use_above_the_quiet_level(seed: int) -> None:
    """The formula of the page, computed plainly: centred within windows, all VMs and the host's own use together.

    What the host uses is taken as if it gave way to no VM.
    """
    plain, rng = hog(seed), np.random.default_rng(seed)
    series = host(plain.use, plain.stall, total=plain.use.sum(axis=1) + rng.uniform(0, 1, T))
    found = attributed(series, Settings(lag=0, common_from=1000, in_step=1, in_step_with_all=1))
    use = np.column_stack([series.use, np.asarray(series.total) - series.use.sum(axis=1)])
    windows = use.reshape(5, 30, -1)
    centred = (windows - windows.mean(axis=1, keepdims=True)).reshape(T, -1)
    centred[:, V] += centred[:, :V] @ solve_nnls(centred[:, :V], -centred[:, V])
    for v in range(V):
        y = series.stall[:, v].reshape(5, 30)
        beta = solve_nnls(centred, (y - y.mean(axis=1, keepdims=True)).ravel())
        above = np.maximum(series.use - np.quantile(series.use, 0.05, axis=0), 0).mean(axis=0)
        wanted = np.minimum(beta[:V] * above, series.stall[:, v].mean())
        wanted[v] = 0.0
        assert found.score[v] == pytest.approx(wanted, abs=1e-9)


def test_a_decoy_that_is_often_on_with_the_hog_is_hardly_ever_blamed() -> None:
    blamed = 0
    for seed in range(40):
        series, rng = hog(seed), np.random.default_rng(seed)
        on = series.use[:, 0] > 1
        series.use[:, 5] += np.where(rng.random(T) < 0.8, on, ~on) * 1.0
        found = names(evident(series))
        assert found >= {("v0", "v1"), ("v0", "v2")}
        blamed += len(found) - 2
    assert blamed <= 2


@pytest.mark.parametrize("seed", range(20))
def test_own_bursts_are_no_interference(seed: int) -> None:
    use, stall = quiet(seed)
    for v in range(V):
        on = on_off(np.random.default_rng([seed, v]))
        use[:, v] += 2 * on
        stall[:, v] += 0.5 * on
    assert evident(host(use, stall)) == []


@pytest.mark.parametrize("seed", range(20))
def test_what_the_host_does_is_not_blamed_on_a_vm(seed: int) -> None:
    use, stall = quiet(seed)
    on = on_off(np.random.default_rng(seed))
    stall += 0.4 * on[:, None]
    assert evident(host(use, stall, total=use.sum(axis=1) + 4 * on)) == []


@pytest.mark.parametrize("seed", range(20))
def test_where_all_peak_together_nobody_is_blamed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    use, stall = quiet(seed)
    on = on_off(rng)
    use += 2 * on[:, None] * rng.uniform(0.6, 1.4, use.shape)
    stall += 0.1 * np.maximum(use.sum(axis=1) - 12, 0)[:, None] / V
    assert evident(host(use, np.clip(stall, 0, 1))) == []


@pytest.mark.parametrize("seed", range(20))
def test_what_a_quota_causes_is_not_blamed_on_others(seed: int) -> None:
    series = hog(seed, victims=())
    on = series.use[:, 0] > 1
    throttled = np.zeros_like(series.stall)
    throttled[:, 3] = 0.5 * on  # by chance at the same time
    stall = np.clip(series.stall + throttled, 0, 1)
    told = HostSeries("h0", "cpu", series.vms, stall, series.use, series.total, throttled)
    assert evident(told) == []
    untold = HostSeries("h0", "cpu", series.vms, stall, series.use, series.total)
    assert names(evident(untold)) == {("v0", "v3")}


@pytest.mark.parametrize("late", [-1, 1])
@pytest.mark.parametrize("seed", range(10))
def test_a_lag_of_a_scrape_hides_nothing(seed: int, late: int) -> None:
    series = hog(seed)
    shifted = host(series.use, np.roll(series.stall, late, axis=0), total=series.total)
    assert names(evident(shifted)) == {("v0", "v1"), ("v0", "v2")}
    assert attributed(shifted).lag == late


@pytest.mark.parametrize("seed", range(10))
def test_gaps_hide_nothing_and_invent_nothing(seed: int) -> None:
    series, rng = hog(seed), np.random.default_rng(seed)
    assert series.total is not None
    series.use[rng.random(series.use.shape) < 0.02] = np.nan
    series.stall[rng.random(series.stall.shape) < 0.05] = np.nan
    series.use[40:50], series.stall[40:50], series.total[40:50] = np.nan, np.nan, np.nan
    series.use[:, 6] = np.nan  # a VM that was never there
    assert names(evident(series)) == {("v0", "v1"), ("v0", "v2")}
    nobody = hog(seed, victims=())
    nobody.use[rng.random(nobody.use.shape) < 0.1] = np.nan
    assert evident(nobody) == []


def test_a_vm_that_came_late_is_judged_by_the_windows_in_which_it_was_there() -> None:
    series = hog(3)
    series.use[:60, 1], series.stall[:60, 1] = np.nan, np.nan
    (late, whole) = sorted(evident(series), key=lambda p: p.suffers)
    assert (late.lasted, whole.lasted) == (3, 5)


@pytest.mark.compiles
def test_units_and_the_order_of_vms_do_not_matter() -> None:
    series, rng = hog(4), np.random.default_rng(0)
    plain = {(p.noisy, p.suffers): p for p in evident(series)}
    order = rng.permutation(V)
    assert series.total is not None
    other = HostSeries(
        "h0", "io", tuple(series.vms[i] for i in order), series.stall[:, order], series.use[:, order] * 1e9,
        series.total * 1e9,
    )  # fmt: skip
    found = {(p.noisy, p.suffers): p for p in evident(other)}
    assert found.keys() == plain.keys()
    for key, pair in found.items():
        assert pair.score == pytest.approx(plain[key].score)
        assert pair.p == plain[key].p


@pytest.mark.compiles
def test_the_same_series_give_the_same_evidence() -> None:
    once, again = attributed(hog(5)), attributed(hog(5))
    assert (once.p == again.p).all()
    assert (once.score == again.score).all()


def test_by_chance_few_pairs_have_a_small_p() -> None:
    """Independent on/off VMs, and stalls that go on and off by themselves: p of 0.05 or less in 5 to 9 of 100."""
    small = tested = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        use, stall = quiet(seed)
        for v in range(V):
            use[:, v] += 2 * on_off(rng)
            stall[:, v] += 0.5 * on_off(rng)
        found = attributed(host(use, stall), Settings(score_until=1e-9, lag=0))
        tested += V * (V - 1)
        small += int((found.p <= 0.05).sum())
    assert 0.01 * tested < small < 0.09 * tested


@pytest.mark.compiles
def test_one_short_window_cannot_prove_much() -> None:
    series = hog(6)
    assert series.total is not None
    short = host(series.use[-30:], series.stall[-30:], total=series.total[-30:])
    found = attributed(short, Settings(lasts=1, still_lasts=1))
    assert found.p.min() >= 1 / 28
    assert attribute(host(series.use[-20:], series.stall[-20:]), SETTINGS) is None
    assert attribute(host(series.use[:, :1], series.stall[:, :1]), SETTINGS) is None


@pytest.mark.parametrize("seed", range(30))
def test_false_discoveries_are_cut_as_the_definition_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = np.concatenate([rng.random(40), rng.random(rng.integers(0, 10)) * 1e-3])
    cut = false_discovery_cut(p, 0.1)
    ranks = [(p <= one).sum() for one in p]
    wanted = max((one for one, rank in zip(p, ranks, strict=True) if one <= 0.1 * rank / len(p)), default=0.0)
    assert cut == wanted


@pytest.mark.parametrize("vms", [2, 3, 4, 40])
def test_hosts_with_few_and_with_many_vms(vms: int) -> None:
    use, stall = quiet(7, vms=vms)
    on = on_off(np.random.default_rng(7))
    use[:, 0] += 3 * on
    stall[:, 1] += 0.4 * on
    assert names(evident(host(use, stall))) == {("v0", "v1")}


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="use has the shape"):
        HostSeries("h0", "cpu", ("a", "b"), np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="infinite"):
        HostSeries("h0", "cpu", ("a",), np.full((3, 1), np.inf), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="total has the shape"):
        HostSeries("h0", "cpu", ("a",), np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(2))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"lasts": 9}, "more than the 5 windows"), ({"still_lasts": 4}, "flap"), ({"score_until": 0.2}, "score_from")],
)
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(**wrong)  # type: ignore[arg-type]
