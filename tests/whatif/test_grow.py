"""Forecasts against futures that are known, the past as a table, and what to buy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.whatif.forecasts import quality
from optimizer.errors import InputError
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.history_csv import read_history
from optimizer.whatif.forecast import daily, forecast
from optimizer.whatif.grow import Past, Provision, doubts, grow, past_of_series
from tests.build import document, host, policy, vm

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.whatif.grow import PoolGrowth

TODAY = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.slow
def test_a_line_is_forecast_as_a_line() -> None:
    found = forecast(np.arange(100.0, 160.0), 30)
    assert found.days_to(169.0) == (10, 10, 10)
    assert found.tested.error < 1e-9


def test_what_does_not_grow_is_never_full() -> None:
    assert forecast(np.full(60, 5.0), 30).days_to(6.0) == (None, None, None)


def test_a_week_is_no_trend() -> None:
    days = np.arange(84)
    found = forecast(100 + 10.0 * (days % 7 < 5), 28)
    assert abs(found.slope) < 1e-9
    assert np.allclose(found.at(np.arange(1.0, 15.0)), 100 + 10.0 * (np.arange(84, 98) % 7 < 5))


def test_the_band_holds_what_it_says() -> None:
    found = quality(7, 60)
    assert 0.70 <= found.coverage <= 0.90
    assert found.days_error < 0.5


def test_a_past_of_two_weeks_is_needed() -> None:
    with pytest.raises(ValueError, match="13 days"):
        forecast(np.arange(13.0), 10)


def test_days_are_means_and_gaps_are_lines() -> None:
    at = [TODAY.timestamp() - 86400 * d for d in (0, 0.25, 3)]
    assert daily(at, [4.0, 6.0, 2.0]).tolist() == [2.0, 3.0, 4.0, 5.0]


def lasting(times: list[float], amounts: list[float]) -> dict[tuple[str, str], Past]:
    return {("all", "memory_mib"): past_of_series(times, amounts, 30)}


def pool(used: int, hosts: int, *, past_slope: int) -> PoolGrowth:
    records = [host(f"h{i}", memory=100) for i in range(hosts)]
    fleet = fleet_from_document(document(records, [vm("v", "h0", memory=used)]), "pool")
    days = np.arange(60)
    times = [(TODAY - timedelta(days=59 - int(d))).timestamp() for d in days]
    past = lasting(times, [float(used - past_slope * (59 - int(d))) for d in days])
    names = ("all",), np.zeros(hosts, np.int64)
    return grow(fleet, policy({"rule": "capacity"}), names, past, 30, 1.0)[0]


def test_what_is_short_is_bought_and_what_is_spare_can_go() -> None:
    under = pool(90, 1, past_slope=1)
    assert (under.provision, under.first, under.resources[0].days) == (Provision.UNDER, "memory_mib", 10)
    assert [(n.like, n.number) for n in under.needs] == [(0, 1)]
    right = pool(60, 1, past_slope=1)
    assert (right.provision, right.needs) == (Provision.RIGHT_SIZED, ())
    over = pool(60, 4, past_slope=1)
    assert over.provision is Provision.OVER
    assert [(n.number, n.hosts) for n in over.needs] == [(3, 4)]


def test_a_resource_without_a_past_leaves_the_pool_undecided() -> None:
    """It may be short: that hosts can go is not said for want of a column."""
    records = [host(f"h{i}", memory=100, disk=100) for i in range(4)]
    fleet = fleet_from_document(document(records, [vm("v", "h0", memory=60, disk=50)]), "pool")
    times = [(TODAY - timedelta(days=59 - d)).timestamp() for d in range(60)]
    past = lasting(times, [float(d + 1) for d in range(60)])
    found = grow(fleet, policy({"rule": "capacity"}), (("all",), np.zeros(4, np.int64)), past, 30, 1.0)
    assert (found[0].provision, found[0].needs) == (Provision.UNDECIDED, ())
    assert list(doubts(found, "past.csv")) == []


def test_a_past_in_another_unit_is_doubted() -> None:
    fleet = fleet_from_document(document([host("h0", memory=10**6)], [vm("v", "h0", memory=61440)]), "pool")
    times = [(TODAY - timedelta(days=59 - d)).timestamp() for d in range(60)]
    past = lasting(times, [float(d + 1) for d in range(60)])
    found = grow(fleet, policy({"rule": "capacity"}), (("all",), np.zeros(1, np.int64)), past, 30, 1.0)
    assert [c.where for c in doubts(found, "past.csv")] == ["past.csv: all: memory_mib"]


def test_without_a_past_nothing_is_decided() -> None:
    fleet: Fleet = fleet_from_document(document([host("h0", memory=10)], []), "pool")
    found = grow(fleet, policy({"rule": "capacity"}), (("all",), np.zeros(1, np.int64)), {}, 30, 1.0)
    assert found[0].provision is Provision.UNDECIDED


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("time,memory\n", "memory_mib"),
        ("memory_mib\n1\n", "a column time"),
        ("time,memory_mib\nyesterday,1\n", "line 2: time"),
        ("time,memory_mib\n2026-11-21T12:00:00Z,much\n", "line 2: memory_mib"),
        ("time,memory_mib\n2026-11-21T12:00:00Z\n", "as many cells"),
        ("time,pool,memory_mib\n2026-11-21T12:00:00Z,z9,1\n", "line 2: pool"),
        ("time,memory_mib\n", "no row"),
        ("time\n", "at least one resource"),
        ("time,memory_mib,memory_mib\n", "each column once"),
        ("time,memory_mib\n2026-08-01T12:00:00Z,1\n", "within 3 days of the snapshot"),
        ("time,memory_mib\n2027-08-01T12:00:00Z,1\n", "within 3 days of the snapshot"),
    ],
)
def test_a_table_that_is_wrong_is_refused(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "past.csv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_history(path, ["memory_mib", "disk_mib"], ["z0"], TODAY)
    assert told in str(error.value)


def test_amounts_may_have_units_and_cells_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "past.csv"
    path.write_text("time,memory_mib,disk_mib\n2026-11-21T12:00:00Z,1GiB,\n2026-11-22T12:00:00Z,2048,7\n")
    found = {p.resource: p.amounts for p in read_history(path, ["memory_mib", "disk_mib"], ["z0"], TODAY)}
    assert found == {"memory_mib": [1024.0, 2048.0], "disk_mib": [7.0]}
