"""Every registered source keeps to the contract; one that has nothing to read here fails."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from optimizer.sources.registry import SOURCES
from tests.command_line import run
from tests.execute.fake_libvirt import FakeDomain, World
from tests.sources.fake_proxmox import place_of, serving, small_cluster
from tests.sources.samples import full_fleet
from tests.sources.source_contract import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def _json(directory: Path) -> Path:
    (directory / "fleet.json").write_text(json.dumps(full_fleet()))
    return directory / "fleet.json"


def _csv(directory: Path) -> Path:
    place = directory / "tables"
    place.mkdir()
    (place / "hosts.csv").write_text("Name,rack,memory_mib\nh0,r0,64GiB\nh1,r1,64GiB\n")
    (place / "vms.csv").write_text("id,host,memory_mib,groups\nv0,h0,4GiB,es\nv1,h1,4GiB,es\n")
    (place / "groups.csv").write_text("id,rule,level\nes,anti_affinity,rack\n")
    (place / "mapping.yaml").write_text("format: remora-mapping/1\nhosts: {Name: id}\n")
    return place


def _libvirt(directory: Path) -> Path:
    place = directory / "hosts.json"
    hosts = {name: {"uri": f"qemu+tls://{name}/system"} for name in ("h0", "h1")}
    place.write_text(json.dumps({"format": "remora-libvirt/1", "hosts": hosts}))
    return place


@pytest.fixture(autouse=True)
def _hypervisors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the source libvirt reads; `tests/lab` lets it read real hosts."""
    world = World({"h0": {"web": FakeDomain("web", "u1"), "db": FakeDomain("db", "u2")}, "h1": {}})
    monkeypatch.setitem(sys.modules, "libvirt", world.module())


@pytest.fixture
def cluster() -> Iterator[None]:
    """What the source proxmox reads."""
    pve = small_cluster()
    pve.guest(100, "pve1", {"scsi0": "local-lvm:vm-100-disk-0,size=8G"})
    with serving(pve) as CLUSTER["url"]:
        yield


CLUSTER: dict[str, str] = {}

PLACES: dict[str, Callable[[Path], Path]] = {
    "csv": _csv,
    "json": _json,
    "libvirt": _libvirt,
    "proxmox": lambda directory: place_of(directory, CLUSTER["url"]),
}
"""For each source, what makes something that it can read in an empty directory."""


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("name", SOURCES.names())
@pytest.mark.parametrize("check", CHECKS)
def test_every_source_keeps_to_the_contract(name: str, check: Callable[..., None], tmp_path: Path) -> None:
    assert name in PLACES, f"say in PLACES what the source {name} can read in tests"
    check(SOURCES.load(name), PLACES[name](tmp_path))


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("name", SOURCES.names())
def test_import_reads_every_source(name: str, tmp_path: Path) -> None:
    output = tmp_path / "imported.json"
    done = run("import", "--source", name, "--location", PLACES[name](tmp_path), "-o", output)
    assert done.code == 0, done.err
    assert run("show", output).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--source", "jsom", "--location", "x"), "did you mean json?"),
        (("--source", "json"), "--source and --location go together"),
        (("--location", "x"), "--source and --location go together"),
        (("--source", "json", "--location", "x", "--vms", "v.csv"), "--vms is for CSV files"),
        ((), "--hosts"),
        (("--hosts", "h.csv"), "--vms"),
    ],
)
def test_a_command_line_that_names_no_one_thing_to_read_is_refused(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = run("import", *words, "-o", tmp_path / "out.json")
    assert done.code == 2
    assert said in done.err
