"""What the libvirt driver makes of domains, hosts, flags and its file; moves are in test_libvirt_driver."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import InputError
from optimizer.execute.drivers import MoveRefused, Unreadable
from optimizer.execute.drivers.libvirt import CONSTANTS as FLAG_CONSTANTS
from optimizer.execute.drivers.libvirt import open_libvirt
from optimizer.execute.drivers.registry import DRIVERS
from optimizer.execute.drivers.settings import DriverSettings
from optimizer.fleet import Carrying, HostState, How, Mobility, VmState
from optimizer.report.export import Template, plan_shell
from optimizer.sources.libvirt.flags import ALWAYS, BY_HOW, COPIED, flags_of, why_not
from optimizer.sources.libvirt.hosts import hosts_of, shown
from tests import build
from tests.command_line import run
from tests.execute.fake_libvirt import CONSTANTS, FakeDomain, World, world_of
from tests.execute.over_fake_libvirt import FLEET, driver_of, request
from tests.execute.plans import move, plan_of

if TYPE_CHECKING:
    from pathlib import Path


GOOD = {"format": "remora-libvirt/1", "hosts": {"h0": {"uri": "qemu+tls://h0/system"}}}
LIVE = Carrying(VmState.RUNNING, Mobility.LIVE, False)


def test_metadata_says_who_it_is_and_what_it_takes() -> None:
    world = world_of(FLEET)
    text = '<r:vm xmlns:r="urn:remora:vm" id="v0" mobility="none"><r:demand resource="disk_mib">7</r:demand></r:vm>'
    world.hosts["h0"] = {"x": FakeDomain("x", "u", memory_kib=1025, vcpus=3, metadata=text)}
    reading = driver_of(world).read_vm("v0")
    assert reading is not None
    assert reading.mobility is Mobility.NONE
    assert reading.demand == {"cpu_millicores": 3000, "memory_mib": 2, "disk_mib": 7}
    assert driver_of(world, demand=[]).read_vm("v0").demand == {  # type: ignore[union-attr]
        "cpu_millicores": 1000,
        "memory_mib": 1000,
        "disk_mib": 7,
    }
    with pytest.raises(MoveRefused, match="mobility is none"):
        driver_of(world).submit(request())
    for bad in ("<vm", '<vm mobility="fast"/>', '<vm><demand resource="x">much</demand></vm>'):
        world.hosts["h0"]["x"].metadata = bad
        with pytest.raises(Unreadable, match="metadata cannot be read"):
            driver_of(world).read_vm("v0")


def test_a_vm_may_be_known_by_its_uuid() -> None:
    fleet = build.fleet([build.host("h0", memory=9)], [build.vm("6b0a2a52-0000-4000-8000-000000000001", "h0")])
    world = World({"h0": {"web": FakeDomain("web", "6b0a2a52-0000-4000-8000-000000000001")}})
    assert driver_of(world, fleet).read_host("h0").vms == set(fleet.vms.ids)  # type: ignore[union-attr]
    world.hosts["h0"]["new"] = FakeDomain("new", "u9")
    assert "new" in driver_of(world, fleet).read_host("h0").vms  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ((1, 1), VmState.RUNNING),
        ((2, 0), VmState.RUNNING),
        ((3, 1), VmState.PAUSED),
        ((4, 1), VmState.RUNNING),
        ((5, 1), VmState.STOPPED),
        ((6, 1), VmState.ERROR),
        ((7, 1), VmState.PAUSED),
        ((0, 0), VmState.UNKNOWN),
    ],
)
def test_states_of_domains(said: tuple[int, int], state: VmState) -> None:
    world = world_of(FLEET)
    world.hosts["h0"]["v0"].state = said
    assert driver_of(world).read_vm("v0").state is state  # type: ignore[union-attr]


def test_the_hosts_file_says_what_libvirt_cannot() -> None:
    more = {"uri": "qemu+tls://h0/system", "state": "draining", "capacity": {"memory_mib": 5}}
    reading = driver_of(world_of(FLEET), hosts={"h0": more}).read_host("h0")
    assert reading is not None
    assert reading.state is HostState.DRAINING
    assert reading.capacity["memory_mib"] == 5
    assert reading.capacity["cpu_millicores"] == 4000
    assert driver_of(world_of(FLEET)).read_host("nowhere") is None
    assert hosts_of(GOOD | {"fleet": "other"}, "f").fleet == "other"


def test_flags_are_those_of_the_exported_script() -> None:
    script = plan_shell(plan_of(FLEET, move(FLEET, 1, "v0", "h0", "h2")), lambda vm: LIVE, Template.VIRSH)
    for name, flags in {"always": ALWAYS, **{h.value: f for h, f in BY_HOW.items()}, "copied": COPIED}.items():
        assert f"flags_{name}=({' '.join(f'--{flag}' for flag in flags)})\n" in script
        assert all(FLAG_CONSTANTS[flag] in CONSTANTS for flag in flags)


@pytest.mark.parametrize(
    ("how", "flags", "why"),
    [
        (LIVE, {"live", "auto-converge"}, ""),
        (Carrying(VmState.PAUSED, Mobility.LIVE, True), {"copy-storage-all"}, ""),
        (Carrying(VmState.STOPPED, Mobility.LIVE, False), {"offline"}, ""),
        (Carrying(VmState.STOPPED, Mobility.LIVE, True), None, "copies no disks"),
        (Carrying(VmState.RUNNING, Mobility.COLD, False), None, "plan --format shell"),
        (Carrying(VmState.ERROR, Mobility.LIVE, False), None, "cannot be migrated"),
    ],
)
def test_flags_by_state_mobility_and_storage(how: Carrying, flags: set[str] | None, why: str) -> None:
    assert why in why_not(how)
    assert bool(why_not(how)) == bool(why)
    if flags is not None:
        assert set(flags_of(how)) - set(ALWAYS) == flags
    assert set(BY_HOW) == set(How) - {How.NOT}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "remora-libvirt/2"}, "format"),
        ({"hosts": {}}, "at least one host"),
        ({"hosts": {"h0": {}}}, "hosts.h0.uri"),
        ({"hosts": {"h0": {"uri": "not a uri"}}}, "hosts.h0.uri"),
        ({"hosts": {"h0": {"uri": "qemu:///system", "capacity": {"memory_mib": 1.5}}}}, "capacity.memory_mib"),
        ({"hosts": {"h0": {"uri": "qemu:///system", "url": "x"}}}, "url"),
        ({"demand": ["disk_mib"]}, "demand"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"keepalive_count": 0}, "keepalive_count"),
        ({"unsafe": "yes"}, "unsafe"),
    ],
)
def test_a_hosts_file_that_is_wrong_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=r"hosts\.yaml") as error:
        hosts_of(GOOD | change, "hosts.yaml")
    assert said in str(error.value)


def test_nothing_secret_is_shown() -> None:
    assert shown("at 'qemu+tls://ann:pw@h1/system?pkipath=/p&x=y' failed") == "at 'qemu+tls://...@h1/system?...' failed"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import sys

    monkeypatch.setitem(sys.modules, "libvirt", world_of(FLEET).module())
    (tmp_path / "hosts.json").write_text(json.dumps(GOOD))
    return tmp_path


def test_opening_says_what_is_missing(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = str(files / "hosts.json")
    with pytest.raises(InputError, match="--location"):
        open_libvirt(FLEET, DriverSettings())
    with pytest.raises(InputError, match="--fail"):
        open_libvirt(FLEET, DriverSettings(where, ("m0001",)))
    with pytest.raises(InputError, match="'h1': expected every host of the fleet"):
        open_libvirt(FLEET, DriverSettings(where))
    monkeypatch.setitem(__import__("sys").modules, "libvirt", None)
    with pytest.raises(InputError, match=r"libvirt-python.*\[libvirt\]"):
        DRIVERS.load("libvirt")(FLEET, DriverSettings(where))


def test_the_command_says_it_in_one_line(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, plan = files / "fleet.json", files / "plan.json"
    document = build.document([build.host("h0", cpu=9, memory=9)], [build.vm("v0", "h0", memory=1)])
    fleet.write_text(json.dumps(document))
    assert run("plan", fleet, "-o", plan).code == 0
    monkeypatch.setitem(__import__("sys").modules, "libvirt", None)
    done = run("apply", fleet, plan, "--driver", "libvirt", "--location", files / "hosts.json")
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "libvirt-python" in done.err


def test_the_constants_are_those_of_libvirt() -> None:
    libvirt = pytest.importorskip("libvirt", reason="no libvirt-python here (the extra libvirt)")
    for name, value in CONSTANTS.items():
        assert getattr(libvirt, name) == value, name
