"""Series read from a Prometheus are those that it has: by host and VM, on a grid, and what is unclear is not read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.signals.series_reading import InterferencePart, queries_for, read_series
from optimizer.sources.config_yaml import config_from_document
from tests import build
from tests.command_line import refused, run, write
from tests.prometheus.fake_server import serving, success
from tests.replies import answering
from tests.signals.interference.series import V, hog

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from optimizer.signals.interference import HostSeries

pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")

NOW = datetime(2026, 11, 29, 10, 0, 30, tzinfo=UTC)
END = NOW.timestamp() // 60 * 60
KINDS = {
    "once": "(count_over_time(libvirt",
    "total_once": "(count_over_time(node_cpu",
    "stall": "vcpu_delay",
    "use": "cpu_time",
    "total": "node_cpu",
}
CPU_ONLY = {"io": None}


class Now:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError


def points(values: np.ndarray, end: float = END) -> list[list[Any]]:
    times = end - 60.0 * np.arange(len(values) - 1, -1, -1)
    return [[float(t), "NaN" if v == -1 else f"{v}"] for t, v in zip(times, values, strict=True) if not np.isnan(v)]


def world(series: HostSeries, times: dict[str, np.ndarray] | None = None, exporters: int = 1, **faults: Any) -> Any:
    """Answer range queries about one host, h0, and the query for names; `faults` by kind of series.

    `times`: by VM (its host: "h0") how often each of its series is there, once where nothing is said.
    """
    instances = [f"h0:{9177 + i}" for i in range(exporters)]
    once = dict.fromkeys((*series.vms, "h0"), np.ones(len(series.use))) | (times or {})

    def rows(what: str, end: float) -> list[dict[str, Any]]:
        if what in ("total", "total_once"):
            assert series.total is not None
            values = series.total if what == "total" else once["h0"]
            return [{"metric": {"instance": "h0:9100"}, "values": points(values, end)}]
        of = {"stall": series.stall, "use": series.use, "once": np.stack([once[vm] for vm in series.vms], axis=1)}[what]
        return [
            {"metric": {"instance": instance, "domain": f"d{vm}"}, "values": points(of[:, k], end)}
            for k, vm in enumerate(series.vms)
            for instance in instances
        ]

    def reply(handler: BaseHTTPRequestHandler) -> None:
        query = parse_qs(urlparse(handler.path).query)
        text = query["query"][0]
        if "openstack_info" in text:
            metrics = [{"instance": i, "domain": f"d{vm}", "instance_id": vm} for vm in series.vms for i in instances]
            answering(success([{"metric": m, "value": [float(query["time"][0]), "1"]} for m in metrics]))(handler)
            return
        what = next((name for name, part in KINDS.items() if part in text), None)
        if what is None or what in faults:
            answering(faults.get(what or "", json.dumps({"status": "error", "error": "no"}).encode()))(handler)
            return
        answering(success(rows(what, float(query["end"][0])), kind="matrix"))(handler)

    return reply


def config(url: str, **interference: Any) -> Any:
    said = {"signals": {"prometheus": {"url": url}}, "interference": {"queries": CPU_ONLY, **interference}}
    return config_from_document(said, "remora.yaml")


def fleet_document() -> dict[str, Any]:
    return build.document([build.host("h0"), build.host("h1")], [build.vm(f"v{i}", "h0") for i in range(V)])


def fleet() -> Any:
    return build.fleet(fleet_document()["hosts"], fleet_document()["vms"])


def test_the_series_come_as_they_are() -> None:
    series = hog(1)
    series.stall[7, 3] = np.nan  # no sample there
    series.use[9, 2] = -1  # NaN in the answer
    with serving(world(series)) as (url, seen):
        read = read_series(config(url), fleet(), Now(), SystemClock(), {})
    (host,) = read.observation.hosts
    assert (host.host, host.kind, host.vms) == ("h0", "cpu_steal", series.vms)
    assert read.observation.ends_at.timestamp() == END
    assert read.observation.interval_s == 60
    series.use[9, 2] = np.nan
    np.testing.assert_allclose(host.stall, series.stall, atol=1e-9)
    np.testing.assert_allclose(host.use, series.use, atol=1e-9)
    assert host.total is not None and series.total is not None
    np.testing.assert_allclose(host.total, series.total, atol=1e-9)
    assert read.notes == ()
    asked = [parse_qs(urlparse(path).query) for path, _ in seen]
    assert {(q["start"][0], q["end"][0]) for q in asked if "start" in q} == {(f"{END - 149 * 60:.0f}", f"{END:.0f}")}
    assert any(
        "by (instance, domain) (rate(libvirt_domain_vcpu_delay_seconds_total[60s]))" in q["query"][0] for q in asked
    )


def test_a_kind_that_is_not_answered_is_not_read_and_says_so() -> None:
    error = json.dumps({"status": "error", "errorType": "execution", "error": "too many samples"}).encode()
    with serving(world(hog(1))) as (url, _):
        read = read_series(config(url, queries={}), fleet(), Now(), SystemClock(), {})
    assert [host.kind for host in read.observation.hosts] == ["cpu_steal"]
    assert any(note.startswith("io: stall: ") for note in read.notes)
    with serving(world(hog(1), use=error)) as (url, _), pytest.raises(InputError, match="cpu_steal: use: "):
        read_series(config(url), fleet(), Now(), SystemClock(), {})


def test_samples_that_were_added_up_over_series_that_are_there_twice_are_left_out() -> None:
    """Beside an exporter that two jobs scrape, use is twice what it is, and nothing else says so."""
    series, some = hog(1), np.where(np.arange(len(hog(1).use)) < 40, 2.0, 1.0)
    why = "cpu_steal: samples of series that are there twice"
    with serving(world(series, {"v3": some})) as (url, _):
        read = read_series(config(url), fleet(), Now(), SystemClock(), {})
    (host,) = read.observation.hosts
    assert np.isnan(host.use[:40]).all() and np.isnan(host.stall[:40]).all()
    np.testing.assert_allclose(host.use[40:], series.use[40:], atol=1e-9)
    assert host.total is not None and np.isfinite(host.total).all()
    assert [(note.startswith(why), note.endswith("are left out, on h0")) for note in read.notes] == [(True, True)]
    with serving(world(series, {"h0": some})) as (url, _):
        read = read_series(config(url), fleet(), Now(), SystemClock(), {})
    (host,) = read.observation.hosts
    assert np.isfinite(host.use).all() and host.total is not None
    assert np.isnan(host.total).tolist() == (some > 1).tolist()
    assert len(read.notes) == 1
    with serving(world(series, {"v3": np.full(len(some), 2.0)})) as (url, _), pytest.raises(InputError, match=why):
        read_series(config(url), fleet(), Now(), SystemClock(), {})
    error = json.dumps({"status": "error", "errorType": "execution", "error": "too many samples"}).encode()
    with serving(world(series, once=error)) as (url, _), pytest.raises(InputError, match="cpu_steal: once: "):
        read_series(config(url), fleet(), Now(), SystemClock(), {})


@pytest.mark.parametrize("exporters", [2, 3])
def test_series_that_several_exporters_of_a_host_have_are_none(exporters: int) -> None:
    """Nobody knows which is right; of three the last one was taken."""
    with serving(world(hog(1), exporters=exporters)) as (url, _):
        (host,) = read_series(config(url), fleet(), Now(), SystemClock(), {}).observation.hosts
    assert np.isnan(host.stall).all() and np.isnan(host.use).all()


def test_vms_that_nobody_knows_are_left_out() -> None:
    with serving(world(hog(1))) as (url, _):
        small = build.fleet([build.host("h0")], [build.vm(f"v{i}", "h0") for i in range(3)])
        read = read_series(config(url), small, Now(), SystemClock(), {})
        assert read.observation.hosts[0].vms == ("v0", "v1", "v2")
        strangers = build.fleet([build.host("h0")], [build.vm("x", "h0")])
        with pytest.raises(InputError, match="no series of any VM of the fleet"):
            read_series(config(url), strangers, Now(), SystemClock(), {})


def test_queries_of_the_configuration_stand_for_those_of_exporters() -> None:
    own = {"cpu": {"stall": "a", "use": "b"}, "io": None}
    part = config_from_document({"interference": {"queries": own}}, "x").section("interference", InterferencePart)
    found = queries_for(part, ["node", "libvirt-tinkoff"])
    assert found.keys() == {"cpu_steal", "cpu"}
    assert found["cpu"].stall == "a"
    assert queries_for(InterferencePart(), ["node"]) == {}
    waiting = queries_for(InterferencePart(), ["node", "libvirt-wait", "libvirt"])
    assert "vcpu_wait" in waiting["cpu_steal"].stall and waiting.keys() == {"cpu_steal", "io"}
    with pytest.raises(InputError, match="queries of at least one kind"):
        no_exporter = config_from_document({"signals": {"exporters": ["node"]}}, "x")
        read_series(no_exporter, fleet(), Now(), SystemClock(), {})


def test_the_command_reads_writes_and_refuses(tmp_path: Path) -> None:
    write(tmp_path / "fleet.json", fleet_document())
    said = {"inventory": {"file": "fleet.json", "max_age_s": 31_536_000}, "interference": {"queries": CPU_ONLY}}
    place = write(tmp_path / "remora.yaml", said)
    with serving(world(hog(1))) as (url, _):
        found = run("interference", "--config", place, "--prometheus", url, "-o", tmp_path / "out.json", "--json")
    assert found.code == 1
    assert {(p["noisy"], p["suffers"]) for p in found.json["pairs"]} == {("v0", "v1"), ("v0", "v2")}
    assert len(json.loads((tmp_path / "out.json").read_text())["interference"]) == 2
    assert "the address of a Prometheus" in refused("interference", "--config", place)
    assert "give a file of series" in refused("interference")
