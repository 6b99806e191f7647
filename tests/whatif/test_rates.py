"""Rates of arrival: what is expected of them, and how often what comes is within the band."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.errors import InputError
from optimizer.sources.rates import Rate, read_rates
from optimizer.whatif.rates import pasts_of_rates
from tests.build import document, host, vm
from tests.command_line import refused, run

if TYPE_CHECKING:
    from pathlib import Path

RESOURCES = ["cpu_millicores", "memory_mib"]
SMALL, LARGE = {"memory_mib": 2048}, {"memory_mib": 16384, "cpu_millicores": 4000}


def test_what_comes_is_a_line_and_of_the_rest_nobody_says_anything() -> None:
    pasts = pasts_of_rates([Rate("a", SMALL, 3.0), Rate("a", LARGE, -0.5), Rate("b", SMALL, 0.0)])
    grown = pasts["a", "memory_mib"].forecast
    assert grown is not None
    assert grown.at(np.array([10.0])).tolist() == [10 * (3 * 2048 - 0.5 * 16384)]
    assert ("b", "cpu_millicores") not in pasts
    still = pasts["b", "memory_mib"].forecast
    assert still is not None
    assert (still.slope, still.spread(np.array([90.0])).tolist()) == (0.0, [0.0])


def test_of_arrivals_that_do_not_wait_for_each_other_eight_in_ten_are_within_the_band() -> None:
    found = pasts_of_rates([Rate("a", SMALL, 6.0), Rate("a", LARGE, 1.5)])["a", "memory_mib"].forecast
    assert found is not None
    rng, days = np.random.default_rng(1), 40
    came = 2048 * rng.poisson(6.0 * days, 4000) + 16384 * rng.poisson(1.5 * days, 4000)
    at = np.array([float(days)])
    inside = np.abs(came - found.at(at)[0]) <= found.spread(at)[0]
    assert 0.77 <= inside.mean() <= 0.83


def rates(path: Path, *entries: dict[str, object]) -> Path:
    path.write_text(json.dumps({"format": "remora-rates/1", "rates": list(entries)}))
    return path


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"flavour": "memory=2GiB", "per_day": 1}, "rates[0].pool"),
        ({"flavour": "memory=2GiB", "per_day": 1, "pool": "r9"}, "rates[0].pool: 'r9'"),
        ({"flavour": "memory=2GiB", "per_day": "2"}, "rates[0].per_day"),
        ({"flavour": "memory=2GiB", "per_day": float("nan")}, "rates[0].per_day"),
        ({"flavour": "memory=2GiB"}, "rates[0]"),
        ({"flavour": "memory=2", "per_day": 1, "pool": "r1"}, "memory=2GiB"),
        ({"flavour": "gpu=2", "per_day": 1, "pool": "r1"}, "gpu"),
        ({"flavour": "memory=2GiB", "perday": 1}, "perday"),
    ],
)
def test_what_is_wrong_is_named(entry: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        read_rates(rates(tmp_path / "rates.json", entry), RESOURCES, ["r1", "r2"])
    assert said in str(refusal.value)


def test_the_command(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.json"
    fleet.write_text(json.dumps(document([host("h0", memory=102_400)], [vm("v", "h0", memory=51_200)])))
    asked = rates(tmp_path / "rates.json", {"flavour": "memory=1GiB", "per_day": 2})
    chart = tmp_path / "grow.svg"
    came = run("whatif", "grow", fleet, "--rates", asked, "--full-at", "1", "--json", "--report", chart)
    assert came.code == 1
    (memory,) = (r for r in came.json["pools"][0]["resources"] if r["resource"] == "memory_mib")
    assert (memory["days"], memory["by_day"], memory["tested_error"]) == (25, 2048.0, None)
    assert memory["days_early"] < 25 < memory["days_late"]
    assert "full in 25 days" in chart.read_text()
    assert "one of --history, --config and --rates" in refused("whatif", "grow", fleet)
    assert "one of --history" in refused("whatif", "grow", fleet, "--rates", asked, "--history", asked)


def test_a_resource_that_no_rate_is_about_leaves_the_pool_undecided(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.json"
    hosts = [host(f"h{i}", memory=102_400, disk=1000) for i in range(4)]
    fleet.write_text(json.dumps(document(hosts, [vm("v", "h0", memory=51_200, disk=10)])))
    asked = rates(tmp_path / "rates.json", {"flavour": "disk=1MiB", "per_day": 1})
    came = run("whatif", "grow", fleet, "--rates", asked)
    assert came.code == 0
    assert "UNDECIDED" in came.out
    assert "and no rate, of memory: it may be short" in " ".join(came.out.split())
