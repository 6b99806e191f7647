"""What the source libvirt makes of what hosts say."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import InputError
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.libvirt.inventory import read_inventory
from tests.execute.fake_libvirt import FakeDomain, World
from tests.sources.source_contract import settings

if TYPE_CHECKING:
    from pathlib import Path

GOES = {"type": 2, "operation": 5, "data_processed": 1, "data_remaining": 1, "time_elapsed": 9}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World({"h0": {}, "h1": {}})
    monkeypatch.setitem(sys.modules, "libvirt", made.module())
    return made


def read(directory: Path, **more: Any) -> dict[str, Any]:
    hosts = {name: {"uri": f"qemu+tls://{name}/system"} for name in ("h0", "h1")}
    for name in hosts:
        hosts[name] |= more.pop(name, {})
    (directory / "hosts.json").write_text(json.dumps({"format": "remora-libvirt/1", "hosts": hosts} | more))
    document = read_inventory(settings(directory / "hosts.json"))
    fleet_from_document(document, "hosts.json")
    return document


def test_demand_is_rounded_up_and_capacity_is_the_hosts_or_the_files(world: World, tmp_path: Path) -> None:
    world.hosts["h0"]["web"] = FakeDomain("web", "u", memory_kib=1025, vcpus=2)
    document = read(
        tmp_path,
        fleet="lab",
        h0={"domains": {"rack": "r1"}},
        h1={"capacity": {"memory_mib": 7}, "domains": {"rack": "r1"}},
    )
    assert document["fleet"] == "lab"
    assert document["levels"] == ["host", "rack"]
    assert document["vms"] == [
        {"id": "web", "host": "h0", "demand": {"cpu_millicores": 2000, "memory_mib": 2}, "state": "running"}
    ]
    assert document["hosts"][0]["capacity"] == {"cpu_millicores": 16_000, "memory_mib": 65_536}
    assert document["hosts"][1]["capacity"] == {"cpu_millicores": 16_000, "memory_mib": 7}
    assert document["resources"] == [
        {"name": "cpu_millicores", "copied": False},
        {"name": "memory_mib", "copied": True},
    ]


def test_metadata_goes_before_what_libvirt_says(world: World, tmp_path: Path) -> None:
    said = '<vm id="v1" mobility="none"><demand resource="disk_mib">5</demand></vm>'
    world.hosts["h0"]["web"] = FakeDomain("web", "u", state=(5, 1), metadata=said)
    (vm,) = read(tmp_path)["vms"]
    assert (vm["id"], vm["mobility"], vm["state"], vm["demand"]["disk_mib"]) == ("v1", "none", "stopped", 5)


def test_a_migration_is_one_vm_in_flight(world: World, tmp_path: Path) -> None:
    world.hosts["h1"]["web"] = FakeDomain("web", "u", state=(3, 2))
    world.hosts["h0"]["web"] = FakeDomain("web", "u", job=dict(GOES))
    document = read(tmp_path)
    assert [vm["host"] for vm in document["vms"]] == ["h0"]
    assert [(m["vm"], m["from"], m["to"]) for m in document["in_flight"]] == [("web", "h0", "h1")]


def test_a_vm_on_two_hosts_is_refused(world: World, tmp_path: Path) -> None:
    world.hosts["h0"]["web"], world.hosts["h1"]["web"] = FakeDomain("web", "u"), FakeDomain("web", "u")
    with pytest.raises(InputError, match="'web': expected a VM on one host"):
        read(tmp_path)


def test_a_host_that_does_not_answer_is_refused_unless_it_is_said_to_be_down(world: World, tmp_path: Path) -> None:
    world.unreachable.add("h1")
    with pytest.raises(InputError, match=r"hosts\.h1: .*state: down"):
        read(tmp_path)
    document = read(tmp_path, h1={"state": "down"})
    assert [host.get("state", "active") for host in document["hosts"]] == ["active", "down"]


def test_the_first_host_that_fails_ends_the_waiting(world: World, tmp_path: Path) -> None:
    world.hangs.add("h0")
    world.unreachable.add("h1")
    began = time.monotonic()
    with pytest.raises(InputError, match=r"hosts\.h1: "):
        read(tmp_path)
    assert time.monotonic() - began < 2
    world.release.set()


def test_a_reading_that_hangs_can_be_interrupted(tmp_path: Path) -> None:
    """At once, not only when the deadline of the hosts is over (20 s)."""
    asked = tmp_path / "asked"
    (tmp_path / "libvirt.py").write_text(
        f"""
import time
from pathlib import Path
from tests.execute.fake_libvirt import World

def hang(uri):
    Path({str(asked)!r}).touch()
    time.sleep(60)

globals().update(vars(World({{}}).module()) | {{"open": hang}})
"""
    )
    hosts = {name: {"uri": f"qemu+tls://{name}/system"} for name in ("h0", "h1")}
    (tmp_path / "hosts.json").write_text(json.dumps({"format": "remora-libvirt/1", "hosts": hosts}))
    words = [
        "import",
        "--source",
        "libvirt",
        "--location",
        str(tmp_path / "hosts.json"),
        "-o",
        str(tmp_path / "f.json"),
    ]
    start = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import cli; cli.main()"
    child = subprocess.Popen([sys.executable, "-c", start, *words], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not asked.exists() and child.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    said = child.communicate()[1]
    assert (child.returncode, "interrupted" in said) == (130, True), said
    assert time.monotonic() - began < 2
    assert not (tmp_path / "f.json").exists()
