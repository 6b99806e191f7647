"""Whatever is wrong closes the hosts and VMs that it is about, and no move touches these."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")

from optimizer.fleet import HostState
from optimizer.service.ending import Ending
from optimizer.service.readers import WithDeadline
from optimizer.service.reading import ConfiguredReader
from optimizer.signals.reading import read_fleet
from tests.prometheus.fake_server import success
from tests.replies import answering, drips, hangs
from tests.signals.rig import CLOCK, Rig, host, inventory, moves, vm

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from tests.signals.fake_prometheus import World


# -- what is missing or wrong, host by host ----------------------------------------------------------------------------


def stale(world: World) -> None:
    world.ages["h1"] = 600.0


def silent(world: World) -> None:
    for mine in world.values.values():
        mine.pop("h1", None)


def not_a_number(world: World) -> None:
    world.set("host.measured.disk_mib", "h1", float("nan"))


def infinite(world: World) -> None:
    world.set("host.measured.memory_mib", "h1", float("inf"))


def negative(world: World) -> None:
    world.set("host.measured.memory_mib", "h1", -5.0)


def wrong_scale(world: World) -> None:
    world.set("host.pressure.io", "h1", 31.0)


def twice(world: World) -> None:
    one = next(one for one in world.wanted if one.signal.name == "host.measured.disk_mib")
    world.more.append((one.signal.query, {"instance": "h1:9101"}, 7.0))


def skewed(world: World) -> None:
    world.set("host.clock_skew_s", "h1", 612.0)


def ahead(world: World) -> None:
    world.ages["h1"] = -300.0


def restarted(world: World) -> None:
    world.samples["h1"] = 1.0


def not_known_busy(world: World) -> None:
    world.busy["h1"] = float("nan")


def scraped_twice(world: World) -> None:
    world.times["h1"] = 2.0


def vms_silent(world: World) -> None:
    for name, mine in world.values.items():
        if name.startswith("vm."):
            for vm in [vm for vm in mine if vm.startswith("v1-")]:
                del mine[vm]


FAULTS = {
    stale: "10 min old, at most 2 min",
    silent: "no series",
    not_a_number: "nan is no number",
    infinite: "inf is no number",
    negative: "less than nothing",
    wrong_scale: "31 is no fraction of time: in what scale is it?",
    twice: "two series: {instance=h1:9100} and {instance=h1:9101}",
    skewed: "its clock and that of Prometheus differ by 10 min, at most 30 s",
    ahead: "from a clock that is 5 min ahead",
    restarted: "1 samples in the first half of the window of 10 min, at least 2",
    not_known_busy: "whether the resource is busy cannot be told",
    scraped_twice: "2 series of each in the window where one is expected",
    vms_silent: "none of its 3 VMs has it (no series)",
}


@pytest.mark.parametrize(("fault", "said"), FAULTS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_host_that_is_not_observed_neither_gives_nor_takes(fault: Any, said: str, rig: Rig) -> None:
    fault(rig.world)
    reading = rig.read()
    assert set(reading.report.hosts) == {"h1"}
    assert f"1 of 4 hosts not observed, such as h1: {reading.report.hosts['h1'][0]}" in reading.report.doubts
    assert said in "; ".join(reading.report.hosts["h1"])
    assert "unobserved" in host(reading, "h1")
    made = moves(reading)
    assert made and all("h1" not in (source, target) for _, source, target in made)


def test_a_vm_that_is_not_observed_stays(rig: Rig) -> None:
    for i in range(4):
        rig.world.set("vm.demand.cpu_load_millicores", f"v0-{i}", None)
    reading = rig.read()
    assert not reading.report.hosts and len(reading.report.vms) == 4
    assert [vm for vm, _, _ in moves(reading)] == ["v0-4"]


def test_a_vm_that_another_host_reports_stays(rig: Rig) -> None:
    """It has moved since the inventory was read, or its series are left over from where it was."""
    rig.world.host_of["v1-0"] = "h2"
    reading = rig.read()
    assert set(reading.report.vms) == {"v1-0"}
    assert "seen on h2, and the inventory has it on h1" in reading.report.vms["v1-0"][0]


def test_series_left_over_by_a_migration_are_no_duplicates(rig: Rig) -> None:
    for one in rig.world.wanted:
        if one.signal.name.startswith("vm."):
            rig.world.more.append((one.signal.query, {"instance": "h2:9177", "domain": "instance-v1-0"}, 9.0))
    info = next(one for one in rig.world.wanted if one.vm is not None).vm
    assert info is not None
    rig.world.more.append(
        (
            f"group by (instance, domain, instance_id) ({info.series})",
            {"instance": "h2:9177", "domain": "instance-v1-0", "instance_id": "v1-0"},
            1.0,
        )
    )
    reading = rig.read()
    assert reading.report.clean and vm(reading, "v1-0")["demand"]["cpu_load_millicores"] == 500


def test_a_domain_with_two_names_is_nobody(rig: Rig) -> None:
    rig.world.more.append(
        (
            "group by (instance, domain, instance_id) (libvirt_domain_openstack_info)",
            {"instance": "h1:9177", "domain": "instance-v1-0", "instance_id": "v1-1"},
            1.0,
        )
    )
    assert "v1-0" in rig.read().report.vms


# -- what is wrong with Prometheus as a whole --------------------------------------------------------------------------


def floods(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(3000):
        handler.wfile.write(b" " * 65536)


REPLIES: dict[str, tuple[Any, str]] = {
    "hangs": (hangs, "within 0."),
    "drips": (drips, "within 0."),
    "floods": (floods, ""),
    "500": (answering(b'{"status":"error","errorType":"internal","error":"disk full"}', 500), "500: disk full"),
    "503": (answering(b"<html>later</html>", 503), "503"),
    "422": (answering(b'{"status":"error","error":"many-to-many matching"}', 422), "many-to-many"),
    "redirect": (answering(b"", 302, Location="http://127.0.0.1:9/"), "302"),
    "warnings": (answering(success([], warnings=["store a is away"])), "store a is away"),
    "partial": (answering(success([], isPartial=True)), "partial"),
    "matrix": (answering(success([], "matrix")), "of type 'matrix'"),
    "string": (answering(success([1, "x"], "string")), "of type 'string'"),
    "histograms": (answering(success([{"metric": {}, "histogram": [1, {}]}])), "no vector of numbers"),
    "no JSON": (answering(b"\xff\xfe"), "no JSON"),
    "nothing": (answering(b""), "no JSON"),
}


@pytest.mark.parametrize("name", REPLIES)
def test_whatever_prometheus_does_there_is_a_snapshot_and_no_unsafe_move(name: str, tmp_path: Path) -> None:
    reply, said = REPLIES[name]
    rig = Rig(tmp_path, deadline_s=0.8)
    rig.world.faults[""] = reply
    began = time.monotonic()
    reading = rig.read()
    assert time.monotonic() - began < 6
    assert set(reading.report.hosts) == {"h0", "h1", "h2", "h3"}
    assert said in "; ".join(reading.report.hosts["h1"])
    assert all("\n" not in why for whys in reading.report.hosts.values() for why in whys)
    assert moves(reading) == []


@pytest.mark.slow
def test_a_prometheus_that_hangs_leaves_time_in_a_cycle(tmp_path: Path) -> None:
    """With the defaults, 60 s for both, each cycle ended before its reading: nothing was watched, no cause named."""
    rig = Rig(tmp_path, deadline_s=60)
    rig.world.faults[""] = hangs
    with rig.world.serving() as url:
        config = replace(rig.config, sections={**rig.config.sections, "signals": {"prometheus": {"url": url}}})
        read = WithDeadline(ConfiguredReader(config, CLOCK, {}, str(tmp_path / "none"), 2.0), 2.0, Ending(CLOCK))
        reading = read()
    assert len(reading.fleet.hosts) == 4
    assert reading.notes[0].startswith("4 of 4 hosts not observed, such as h0: the clock of Prometheus cannot be read")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["500", "warnings", "matrix", "hangs"])
def test_one_query_that_fails_closes_what_it_is_about(name: str, tmp_path: Path) -> None:
    rig = Rig(
        tmp_path,
        deadline_s=1.5,
        queries={"vm.dirty_mib_per_s": {"query": "dirty", "series": "dirt", "exporter": "libvirt"}},
    )
    rig.world.faults["dirty"] = REPLIES[name][0]
    reading = rig.read()
    assert reading.report.clean, "it is not needed"
    assert any(line.startswith("not read: vm.dirty_mib_per_s: ") for line in reading.report.doubts)
    assert moves(reading)
    rig.world.faults["node_filesystem_avail"] = REPLIES[name][0]
    assert set(rig.read().report.hosts) == {"h0", "h1", "h2", "h3"}


def test_answers_that_a_cache_kept_are_none(rig: Rig) -> None:
    """How old the series are says nothing of how old the answer is that their values came by."""

    def kept(handler: BaseHTTPRequestHandler) -> None:
        at = time.time() - 3600
        rows = [{"metric": {"instance": f"{h}:9100"}, "value": [at, "7e10"]} for h in rig.world.hosts]
        answering(success(rows))(handler)

    rig.world.faults['node_filesystem_avail_bytes{mountpoint="/var/lib/nova"}[600s])))'] = kept
    reading = rig.read()
    assert set(reading.report.hosts) == {"h0", "h1", "h2", "h3"}
    assert "values of another time than was asked for, by 3,600 s" in reading.report.hosts["h1"][0]


@pytest.mark.parametrize("ahead_s", [-612.0, 612.0])
def test_a_server_whose_clock_is_off_closes_everything(ahead_s: float, rig: Rig) -> None:
    rig.world.ahead_s = ahead_s
    reading = rig.read()
    assert len(reading.report.hosts) == 4
    assert "the clock of Prometheus is 10 min" in reading.report.hosts["h0"][0]
    assert moves(reading) == []


def test_a_server_that_is_not_there_closes_everything(rig: Rig) -> None:
    reading = read_fleet(rig.config, CLOCK, {}, url="http://127.0.0.1:9")
    assert len(reading.report.hosts) == 4 and moves(reading) == []


# -- random faults, judged by what was done to the world ---------------------------------------------------------------


@pytest.mark.rotating
@pytest.mark.parametrize("seed", range(24))
def test_random_faults_close_exactly_the_hosts_that_have_one(seed: int, tmp_path: Path) -> None:
    rng = random.Random(f"faults {seed}")
    rig = Rig(tmp_path, inventory(hosts=6))
    of_host = [one.signal.name for one in rig.world.wanted if one.signal.name.startswith("host.") and one.signal.needed]
    bad: set[str] = set()
    for name in rig.world.hosts[1:]:
        if rng.random() < 0.4:
            bad.add(name)
            kind = rng.choice(["age", "samples", "missing", "value", "busy", "times"])
            if kind == "age":
                rig.world.ages[name] = rng.choice([151.0, 290.0, 301.0, 4000.0, -31.0])
            elif kind == "samples":
                rig.world.samples[name] = rng.choice([0.0, 1.0])
            elif kind == "times":
                rig.world.times[name] = rng.choice([2.0, 3.0])
            elif kind == "busy":
                rig.world.busy[name] = float("nan")
            else:
                value = None if kind == "missing" else rng.choice([float("nan"), float("-inf"), -1.0])
                rig.world.set(rng.choice(of_host), name, value)
        elif rng.random() < 0.5:
            rig.world.ages[name] = rng.choice([0.0, 149.0, -20.0])
            rig.world.samples[name] = 2.0
    reading = rig.read()
    assert set(reading.report.hosts) == bad
    for _, source, target in moves(reading):
        assert source not in bad and target not in bad
    assert all(reading.fleet.hosts.state == HostState.ACTIVE)
