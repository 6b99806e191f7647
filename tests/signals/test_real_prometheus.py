"""Against a real Prometheus: from series to a snapshot, to violations, to moves, and well afterwards."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")

from optimizer.clock import SystemClock
from optimizer.signals.reading import read_fleet
from optimizer.sources.config_yaml import config_from_document
from tests.certificates import certificate
from tests.command_line import run
from tests.signals.hypervisors import GIB, Hypervisors, exposition, history, proxmox_history
from tests.signals.real_prometheus import backfill, need_prometheus, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optimizer.signals.reading import FleetReading

pytestmark = pytest.mark.slow

HISTORY_S, STEP_S = 2700.0, 30.0
POLICY = """\
format: remora-policy/1
name: four-stories
rules:
  - rule: capacity
  - rule: anti_affinity
  - {rule: headroom, name: full_disk, resource: disk_mib, alert: 0.90, safe: 0.85}
  - {rule: pressure, name: steal, of: cpu_steal}
  - {rule: pressure, name: psi, of: io}
"""
STORIES = {"full_disk": "h0", "steal": "h1", "psi": "h2", "anti_affinity": "replicas"}


def inventory() -> dict[str, Any]:
    """Five hosts: full disks on h0, waiting vCPUs on h1, stalling disks on h2, two replicas on h3; h4 is quiet."""
    sizes = {"h0": [90, 90, 90, 90], "h1": [10] * 4, "h2": [10] * 3, "h3": [20, 20], "h4": [10]}
    vms = [
        {"id": f"{h}-{i}", "host": h, "demand": {"memory_mib": 4 * GIB, "disk_mib": disk * GIB}}
        for h, mine in sizes.items()
        for i, disk in enumerate(mine)
    ]
    for vm in vms:
        if vm["host"] == "h3":
            vm["groups"] = ["replicas"]
    capacity = {"cpu_millicores": 16_000, "memory_mib": 64 * GIB, "disk_mib": 400 * GIB}
    return {
        "format": "remora-fleet/1",
        "fleet": "stories",
        "taken_at": datetime.now(UTC).isoformat(),
        "resources": [{"name": name, "copied": name != "cpu_millicores"} for name in capacity],
        "levels": ["host"],
        "hosts": [{"id": h, "capacity": capacity} for h in sizes],
        "vms": vms,
    }


def hypervisors(document: dict[str, Any], **more: Any) -> Hypervisors:
    cores = {"h1-0": 5.0, "h1-1": 4.0, "h1-2": 3.5, "h1-3": 3.0}
    io_kib = {"h2-0": 120_000.0, "h2-1": 80_000.0, "h2-2": 40_000.0}
    return Hypervisors(document, cores, io_kib, time.time() - HISTORY_S - 60, **more)


def measured(directory: Path, document: dict[str, Any], **more: Any) -> Path:
    """Make the blocks of a history that ends now."""
    now = time.time()
    return backfill(directory, history(hypervisors(document, **more), now - HISTORY_S, now - 5, STEP_S))


def read(directory: Path, document: dict[str, Any], url: str, environ: Any = None, **signals: Any) -> FleetReading:
    (directory / "fleet.json").write_text(json.dumps(document))
    config = config_from_document(
        {"inventory": {"file": "fleet.json"}, "signals": {"deadline_s": 20, **signals}}, str(directory / "remora.yaml")
    )
    return read_fleet(config, SystemClock(), environ or {}, url=url)


@pytest.fixture(autouse=True)
def _there() -> None:
    need_prometheus()


def commands(directory: Path, document: dict[str, Any], url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read signals and check; returns the joined snapshot and what `check` says."""
    (directory / "fleet.json").write_text(json.dumps(document))
    (directory / "remora.yaml").write_text("inventory: {file: fleet.json}\n")
    (directory / "policy.yaml").write_text(POLICY)
    joined = directory / "joined.json"
    done = run("signals", "read", "--config", directory / "remora.yaml", "--prometheus", url, "-o", joined)
    assert done.code == 0, done
    checked = run("check", joined, "--policy", directory / "policy.yaml", "--json")
    return json.loads(joined.read_text()), json.loads(checked.out)


def test_four_stories_from_series_to_moves_and_well_afterwards(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    document = inventory()
    with running(before, measured(before, document)) as url:
        joined, found = commands(before, document, url)
    hosts = {host["id"]: host for host in joined["hosts"]}
    assert hosts["h1"]["pressure"]["cpu_steal"] == pytest.approx(0.14, abs=0.005)
    assert hosts["h2"]["pressure"]["io"] == pytest.approx(0.3, abs=0.005)
    assert hosts["h0"]["measured"]["disk_mib"] == pytest.approx(361 * GIB, abs=GIB)
    assert {v["rule"]: v["subject"] for v in found["violations"]} == STORIES

    plan, moved = before / "plan.json", before / "moved.json"
    policy = ("--policy", before / "policy.yaml")
    assert run("plan", before / "joined.json", *policy, "-o", plan).code == 0
    assert {r["rule"] for m in json.loads(plan.read_text())["moves"] for r in m["reasons"]} == set(STORIES)
    done = run("apply", before / "joined.json", plan, *policy, "--act", "--ledger", before / "ledger", "-o", moved)
    assert done.code == 0, done

    where = {vm["id"]: vm["host"] for vm in json.loads(moved.read_text())["vms"]}
    document = inventory()
    for vm in document["vms"]:
        vm["host"] = where[vm["id"]]
    with running(after, measured(after, document)) as url:
        joined, found = commands(after, document, url)
    assert found["violations"] == []
    assert max(host["pressure"]["cpu_steal"] for host in joined["hosts"]) < 0.05
    assert max(host["pressure"]["io"] for host in joined["hosts"]) < 0.05


def test_counters_that_begin_anew_are_no_signal_that_is_lost(tmp_path: Path) -> None:
    document = inventory()
    data = measured(tmp_path, document, reset_at=time.time() - 200)
    with running(tmp_path, data) as url:
        reading = read(tmp_path, document, url)
    assert reading.report.clean, reading.report.hosts
    steal = {host["id"]: host["pressure"]["cpu_steal"] for host in reading.document["hosts"]}
    assert steal["h1"] == pytest.approx(0.14, abs=0.02) and max(steal[h] for h in ("h0", "h2", "h3", "h4")) < 0.03


POOL = 'libvirt_storage_pool_allocation_bytes{storage_pool="vms"}'


def test_steal_by_the_wait_of_vcpus_psi_of_vms_by_ceems_and_a_storage_pool(tmp_path: Path) -> None:
    document = inventory()
    pool = {"query": f"max by ({{host}}) (avg_over_time({POOL}[{{window}}]))", "series": POOL}
    with running(tmp_path, measured(tmp_path, document, libvirt="wait", more=True)) as url:
        without = read(tmp_path, document, url)
        exporters = ["node", "libvirt-wait", "libvirt", "ceems"]
        reading = read(tmp_path, document, url, exporters=exporters, queries={"host.measured.disk_mib": pool})
    assert set(without.report.hosts) == {"h0", "h1", "h2", "h3", "h4"}
    (line,) = [line for line in without.report.signals if line.name == "vm.pressure.cpu_steal"]
    assert (line.there, line.missing[0][0]) == (0, "no series") and "libvirt-wait" in line.advice
    assert reading.report.clean and reading.report.notes == ()
    hosts = {host["id"]: host for host in reading.document["hosts"]}
    vms = {vm["id"]: vm["pressure"] for vm in reading.document["vms"]}
    assert hosts["h1"]["pressure"]["cpu_steal"] == pytest.approx(0.14, abs=0.005)
    assert hosts["h0"]["measured"]["disk_mib"] == pytest.approx(2 * 361 * GIB, abs=GIB)
    assert vms["h1-0"] == pytest.approx({"cpu_steal": 0.14, "cpu": 0.2, "memory": 0.03}, abs=0.005)
    assert vms["h2-0"] == pytest.approx({"cpu_steal": 0.01, "cpu": 0.02, "memory": 0.03}, abs=0.005)


def test_names_by_the_series_of_tinkoffs_exporter(tmp_path: Path) -> None:
    document = inventory()
    with running(tmp_path, measured(tmp_path, document, libvirt="tinkoff")) as url:
        without = read(tmp_path, document, url)
        reading = read(tmp_path, document, url, exporters=["node", "libvirt-tinkoff"])
    assert len(without.report.vms) == len(document["vms"])
    assert reading.report.clean and reading.report.notes == ()
    steal = {vm["id"]: vm["pressure"]["cpu_steal"] for vm in reading.document["vms"]}
    assert steal["h1-0"] == pytest.approx(0.14, abs=0.005) and steal["h3-0"] == pytest.approx(0.01, abs=0.005)


def test_a_proxmox_cluster_by_the_exporter_of_its_api(tmp_path: Path) -> None:
    """Two exporters speak of the same nodes and guests; guests are known by number, or by name."""
    document = inventory()
    fleet = hypervisors(document, fills_mib_per_s={"h4": 10.0})
    numbered = {**document, "vms": [{**vm, "id": str(n)} for n, vm in enumerate(document["vms"], 100)]}
    now = time.time()
    text = proxmox_history(fleet, now - HISTORY_S, now - 5, STEP_S, exporters=2)
    more: dict[str, Any] = {"exporters": ["pve"], "filesystem": "vms"}
    with running(tmp_path, backfill(tmp_path, text)) as url:
        reading = read(tmp_path, numbered, url, **more)
        by_name = {"label": "name", "series": "pve_guest_info", "on": ["id"]}
        named = read(tmp_path, document, url, **more, vms=by_name)
    for found in (reading, named):
        assert found.report.clean and found.report.notes == (), (found.report.hosts, found.report.vms)
    hosts = {host["id"]: host for host in named.document["hosts"]}
    assert hosts["h0"]["measured"]["disk_mib"] == pytest.approx(361 * GIB, abs=GIB)
    assert hosts["h0"]["measured"]["memory_mib"] == pytest.approx(17 * GIB, abs=1)
    assert hosts["h1"]["measured"]["cpu_load_millicores"] == pytest.approx(15_400, rel=0.1)
    left = (400 - 11) * GIB - 10 * (time.time() - fleet.began)
    assert hosts["h4"]["full_in_s"]["disk_mib"] == pytest.approx(left / 10, abs=60)
    assert "full_in_s" not in hosts["h0"] or not hosts["h0"]["full_in_s"]
    loads = {vm["id"]: vm["demand"] for vm in named.document["vms"]}
    assert loads["h1-0"]["cpu_load_millicores"] == pytest.approx(1000 * fleet.cores["h1-0"], rel=0.01)
    assert loads["h2-0"]["disk_io_kib_per_s"] == pytest.approx(fleet.io_kib["h2-0"], rel=0.01)
    assert [vm["demand"] for vm in reading.document["vms"]] == [vm["demand"] for vm in named.document["vms"]]


def test_how_soon_a_disk_is_full(tmp_path: Path) -> None:
    """At 10 MiB/s from 11 GiB on: judged by plain arithmetic, to a minute."""
    document = inventory()
    fleet = hypervisors(document, fills_mib_per_s={"h4": 10.0})
    now = time.time()
    with running(tmp_path, backfill(tmp_path, history(fleet, now - HISTORY_S, now - 5, STEP_S))) as url:
        reading = read(tmp_path, document, url)
    left = (400 - 11) * GIB - 10 * (time.time() - fleet.began)
    found = {host["id"]: host.get("full_in_s", {}) for host in reading.document["hosts"]}
    assert found["h4"]["disk_mib"] == pytest.approx(left / 10, abs=60)
    assert all(not found[h] for h in ("h0", "h1", "h2", "h3"))


def test_a_history_that_ended_ten_minutes_ago_is_too_old(tmp_path: Path) -> None:
    document = inventory()
    now = time.time()
    text = history(hypervisors(document), now - HISTORY_S, now - 600, STEP_S)
    with running(tmp_path, backfill(tmp_path, text)) as url:
        reading = read(tmp_path, document, url)
    assert len(reading.report.hosts) == 5
    assert all("10 min old, at most 2 min" in whys[0] for whys in reading.report.hosts.values())


class Exporter:
    """An exporter of ours: each host at a path of its own, as it is at the moment."""

    def __init__(self, fleet: Hypervisors) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exposition(fleet, self.path.strip("/"), time.time()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def exporter() -> Iterator[Any]:
    made: list[Exporter] = []

    def start(fleet: Hypervisors) -> Exporter:
        made.append(Exporter(fleet))
        return made[-1]

    yield start
    for one in made:
        one.server.shutdown()
        one.server.server_close()


def test_a_live_scrape(tmp_path: Path, exporter: Any) -> None:
    """One host is not scraped, and one by two jobs, so that what is added up is twice what it is: these are closed."""
    document = inventory()
    port = exporter(hypervisors(document)).port
    targets = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": f"{h}:9100", "__metrics_path__": f"/{h}"}}
        for h in ("h0", "h1", "h2", "h3")
    ]
    scrapes = [
        {"job_name": "hypervisors", "static_configs": targets},
        {"job_name": "again", "static_configs": targets[3:]},
    ]
    with running(tmp_path, scrapes=scrapes) as url:
        until = time.monotonic() + 40
        while True:
            reading = read(tmp_path, document, url, window_s=10, rate_s=5, step_s=1)
            seen = set(reading.report.hosts), set(reading.report.vms), reading.report.silent
            if seen == ({"h3", "h4"}, {"h3-0", "h3-1", "h4-0"}, {"h4": "no series"}):
                break
            assert time.monotonic() < until, seen
            time.sleep(0.5)
    assert any(
        why.startswith("host.measured.cpu_load_millicores: 2 series of each") for why in reading.report.hosts["h3"]
    )
    assert all("2 series of each" in why for why in reading.report.vms["h3-0"])
    steal = {host["id"]: host.get("pressure", {}).get("cpu_steal") for host in reading.document["hosts"]}
    assert steal["h1"] == pytest.approx(0.14, abs=0.03) and steal["h4"] is None


HASH = "$2b$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu"
"""bcrypt of "wonderland", at its least cost."""


def test_tls_a_certificate_of_ones_own_and_basic_auth(tmp_path: Path) -> None:
    document = inventory()
    key, cert = certificate(tmp_path, "server")
    _, my_cert = certificate(tmp_path, "remora")
    _, other = certificate(tmp_path, "other")
    web = json.dumps(
        {
            "tls_server_config": {
                "cert_file": str(cert),
                "key_file": str(key),
                "client_auth_type": "RequireAndVerifyClientCert",
                "client_ca_file": str(my_cert),
            },
            "basic_auth_users": {"alice": HASH},
        }
    )
    (tmp_path / "password").write_text("wonderland\n")
    right: dict[str, Any] = {
        "username": "alice",
        "password_file": "password",
        "ca_file": "server.pem",
        "client_cert_file": "remora.pem",
        "client_key_file": "remora.key",
    }
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"password_file": "", "password_env": "WRONG"}, "401"),
        ({"ca_file": str(other)}, "certificate verify failed"),
        ({"client_cert_file": "", "client_key_file": ""}, ""),
    ]
    with running(tmp_path, measured(tmp_path, document), web=web) as url:
        assert read(tmp_path, document, url, prometheus=right).report.clean
        for change, said in wrong:
            asked = {name: value for name, value in {**right, **change}.items() if value}
            reading = read(tmp_path, document, url, {"WRONG": "s3cret"}, prometheus=asked)
            assert len(reading.report.hosts) == 5
            text = "; ".join(reading.report.hosts["h0"])
            assert said in text and "s3cret" not in text and "wonderland" not in text


def test_every_query_that_ships_is_one_that_prometheus_can_parse(tmp_path: Path) -> None:
    """By `promtool check rules`: each query of each exporter as a recording rule."""
    from optimizer.signals.asking import queries_of
    from optimizer.signals.config import SignalsPart, wanted_signals
    from optimizer.signals.exporters import EXPORTERS

    queries: set[str] = set()
    for name in EXPORTERS:
        config = config_from_document({"signals": {"exporters": [name]}}, "remora.yaml")
        part = config.section("signals", SignalsPart)
        queries |= set(queries_of(part, wanted_signals(config, part)))
    rules = [{"record": f"r{i}", "expr": query} for i, query in enumerate(sorted(queries))]
    assert len(rules) > 40
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
