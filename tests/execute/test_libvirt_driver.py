"""The libvirt driver against a stand-in for the module: what each state and each fault becomes.

`tests/lab` tries the same driver on real hosts.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.execute.drivers import MoveRefused, NotAborted, Unreadable
from optimizer.execute.drivers.libvirt import CONSTANTS as FLAG_CONSTANTS
from optimizer.execute.drivers.libvirt import LibvirtDriver, open_libvirt
from optimizer.execute.drivers.registry import DRIVERS, DriverSettings
from optimizer.execute.states import ENDED, Failure, MoveState
from optimizer.fleet import Carrying, HostState, How, Mobility, VmState
from optimizer.report.export import Template, plan_shell
from optimizer.sources.libvirt import hypervisor
from optimizer.sources.libvirt.flags import ALWAYS, BY_HOW, COPIED, flags_of, why_not
from optimizer.sources.libvirt.hosts import hosts_of, shown
from tests import build
from tests.command_line import run
from tests.execute.fake_libvirt import CONSTANTS, FakeDomain, FakeError, World, world_of
from tests.execute.plans import line_fleet, move, plan_of, request_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from optimizer.execute.drivers import JobReading, Request
    from optimizer.fleet import Fleet

FLEET = line_fleet(vms=2, hosts=4)


def driver_of(world: World, fleet: Fleet = FLEET, **more: Any) -> LibvirtDriver:
    uris = {host: {"uri": f"qemu+tls://{host}/system"} for host in world.hosts}
    uris |= more.pop("hosts", {})
    document = {"format": "remora-libvirt/1", "deadline_s": 0.5, "hosts": uris} | more
    return LibvirtDriver(fleet, hosts_of(document, "hosts.yaml"), world.module())


def request(vm: str = "v0", source: str = "h0", target: str = "h2") -> Request:
    return replace(request_of(move(FLEET, 1, vm, source, target)), since=SystemClock().now())


def until(ask: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Return the first answer that is one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.005)
    raise AssertionError("it does not happen")


def ended(driver: LibvirtDriver, asked: Request) -> JobReading:
    def look() -> JobReading | None:
        job = driver.observe(asked)
        return job if job is not None and job.state in ENDED else None

    found: JobReading = until(look)
    return found


def test_a_move_passes_through_its_states_and_the_vm_counts_at_both_ends() -> None:
    world = world_of(FLEET)
    world.holds = True
    driver, asked = driver_of(world), request()
    driver.submit(asked)
    job = until(lambda: (j := driver.observe(asked)) and j.state is MoveState.COPYING and j)
    assert job.remaining_mib == 5.0
    assert driver.migrating() == {"v0"}
    reading = driver.read_vm("v0")
    assert reading is not None
    assert (reading.host, reading.moving_to, reading.copies) == ("h0", "h2", frozenset())
    world.hosts["h0"]["v0"].state = (3, 2)
    assert driver.observe(asked).state is MoveState.SWITCHING  # type: ignore[union-attr]
    world.hosts["h0"]["v0"].state = (1, 1)
    world.release.set()
    assert ended(driver, asked).state is MoveState.DONE
    assert driver.read_vm("v0").host == "h2"  # type: ignore[union-attr]
    assert driver.migrating() == frozenset()


def test_another_process_finds_the_move_by_vm_target_and_time() -> None:
    """What a process that was killed has left behind goes on, and the next one sees it; or the end of it."""
    world = world_of(FLEET)
    world.holds = True
    asked = request()
    driver_of(world).submit(asked)
    second = driver_of(world)
    job = until(lambda: (j := second.observe(asked)) and j.state is MoveState.COPYING and j)
    assert job.remaining_mib == 5.0
    assert second.migrating() == {"v0"}
    assert second.read_vm("v0").moving_to == "h2"  # type: ignore[union-attr]
    assert second.observe(replace(asked, target="h3")) is None
    late = replace(asked, since=SystemClock().now() + timedelta(seconds=60))
    assert second.observe(late) is None, "older than the intent: somebody else's"
    with pytest.raises(MoveRefused, match="migrating already") as refused:
        second.submit(replace(asked, attempt=2))
    assert refused.value.temporary
    world.release.set()
    until(lambda: second.read_vm("v0").host == "h2")  # type: ignore[union-attr]
    assert second.observe(asked) is None
    assert len(world.calls) == 1


def test_a_migration_by_others_is_noticed_wherever_it_goes() -> None:
    world = world_of(FLEET)
    world.holds = True
    driver_of(world).submit(request(target="h3"))
    driver = driver_of(world)
    until(lambda: driver.migrating() == {"v0"})
    assert driver.read_vm("v0").moving_to == "h3"  # type: ignore[union-attr]
    del world.hosts["h3"]["v0"]  # a target that this file does not name
    assert driver.read_vm("v0").moving_to == "an unknown host"  # type: ignore[union-attr]
    world.hosts["h3"]["v0"] = FakeDomain("v0", "u")
    world.release.set()


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (9, Failure.TEMPORARY),
        (38, Failure.TEMPORARY),
        (1, Failure.TEMPORARY),
        (81, Failure.PERMANENT),
        (67, Failure.PERMANENT),
        (91, Failure.PERMANENT),
        (45, Failure.PERMANENT),
    ],
)
def test_an_error_of_the_call_is_a_failure_that_may_or_may_not_pass(code: int, failure: Failure) -> None:
    world = world_of(FLEET)
    world.fails = lambda name: FakeError("no: qemu+tls://me@h2/system?pkipath=/secret", code)
    driver, asked = driver_of(world), request()
    driver.submit(asked)
    job = ended(driver, asked)
    assert (job.state, job.failure) == (MoveState.FAILED, failure)
    assert "secret" not in job.detail
    assert "me@" not in job.detail
    assert driver.read_vm("v0").host == "h0"  # type: ignore[union-attr]


def test_a_lost_connection_is_no_failure() -> None:
    """The source goes on by itself; what the hosts show is what counts."""
    world = world_of(FLEET)
    world.holds = True
    driver, asked = driver_of(world), request()
    driver.submit(asked)
    until(lambda: (j := driver.observe(asked)) and j.state is MoveState.COPYING)
    world.lost.add("h0")
    source = world.hosts["h0"]["v0"]
    world.fails = lambda name: FakeError("client socket is closed", 1)
    until(lambda: "v0" not in world.hosts["h2"])
    world.hosts["h2"]["v0"] = FakeDomain("v0", source.uuid, state=(3, 2))
    source.job = {"type": 2, "operation": 5, "data_processed": 1, "data_remaining": 2**20, "time_elapsed": 1}
    world.lost.clear()
    job = until(lambda: (j := driver.observe(asked)) and j.detail == "found on its hosts" and j)
    assert job.state is MoveState.COPYING
    source.job = None
    del world.hosts["h2"]["v0"]
    assert driver.observe(asked) is None
    assert driver.read_vm("v0").host == "h0"  # type: ignore[union-attr]


def test_abort_ends_the_job_and_says_where_there_is_none() -> None:
    world = world_of(FLEET)
    world.holds = True
    driver, asked = driver_of(world), request()
    with pytest.raises(NotAborted, match="no job"):
        driver.abort(asked)
    driver.submit(asked)
    until(lambda: (j := driver.observe(asked)) and j.state is MoveState.COPYING)
    driver.abort(asked)
    job = ended(driver, asked)
    assert (job.state, job.failure, job.detail) == (MoveState.FAILED, Failure.TEMPORARY, "aborted by client")
    with pytest.raises(NotAborted, match="not on h3 any more"):
        driver.abort(replace(asked, source="h3"))


def test_what_cannot_be_read_is_unreadable_and_says_nothing_secret() -> None:
    world = world_of(FLEET)
    driver = driver_of(world)
    assert driver.read_vm("v0") is not None
    world.unreachable.add("h0")
    for ask in (lambda: driver.read_vm("v0"), lambda: driver.read_host("h0"), driver.migrating):
        with pytest.raises(Unreadable, match="host h0: unable to connect") as error:
            ask()
        assert "secret@" not in str(error.value)
        assert "pkipath" not in str(error.value)
    with pytest.raises(Unreadable):
        driver.observe(request())
    with pytest.raises(MoveRefused, match="host h0") as refused:
        driver.submit(request())
    assert refused.value.temporary
    assert driver.read_vm("v1").host == "h1"  # type: ignore[union-attr]  # a host that it has nothing to do with
    world.unreachable.clear()
    assert driver.read_vm("v0").host == "h0"  # type: ignore[union-attr]


def test_a_move_is_not_over_while_one_of_its_ends_cannot_be_read() -> None:
    world = world_of(FLEET)
    driver = driver_of(world)
    assert driver.observe(request()) is None
    world.unreachable.add("h2")
    with pytest.raises(Unreadable, match="host h2"):
        driver.read_vm("v0")


def test_a_host_that_hangs_costs_its_deadline_and_soon_nothing() -> None:
    world = world_of(FLEET)
    driver = driver_of(world, deadline_s=0.1)
    world.hangs.add("h0")
    began = time.monotonic()
    for _ in range(hypervisor.STUCK):
        with pytest.raises(Unreadable, match="no answer within"):
            driver.read_host("h0")
    with pytest.raises(Unreadable, match="have not returned"):
        driver.read_host("h0")
    assert time.monotonic() - began < 5
    world.hangs.clear()
    world.release.set()
    until(lambda: _reads(driver))


def _reads(driver: LibvirtDriver) -> bool:
    try:
        return driver.read_host("h0") is not None
    except Unreadable:
        return False


def test_a_source_that_hangs_after_the_look_never_starts_late() -> None:
    world = world_of(FLEET)
    driver, asked = driver_of(world, deadline_s=0.2), request()
    open_, module = driver._libvirt.open, driver._libvirt
    driver.read_vm("v0")
    driver.read_host("h2")

    def hang(uri: str) -> Any:
        world.release.wait(30)
        return open_(uri)

    module.open = hang
    driver.submit(asked)
    job = ended(driver, asked)
    assert (job.failure, "no answer within" in job.detail) == (Failure.TEMPORARY, True)
    world.release.set()
    time.sleep(0.05)
    assert world.calls == []


@pytest.mark.parametrize("again", [True, False])
def test_two_domains_that_are_one_vm_are_seen(again: bool) -> None:
    world = world_of(FLEET)
    driver = driver_of(world)
    driver.observe(request())
    world.hosts["h2"]["v0"] = FakeDomain("v0", world.hosts["h0"]["v0"].uuid, state=(1, 1) if again else (5, 1))
    reading = driver.read_vm("v0")
    assert reading is not None
    assert (reading.host, reading.copies) == ("h0", frozenset({"h2"}))
    with pytest.raises(MoveRefused, match="already"):
        driver.submit(request())


def test_a_domain_that_has_just_ended_is_on_no_host() -> None:
    """One without a definition is still listed for a moment, at the end of a migration too."""
    world = world_of(FLEET)
    driver = driver_of(world)
    driver.observe(request())
    gone = world.hosts["h0"]["v0"]
    world.hosts["h2"]["v0"] = FakeDomain("v0", gone.uuid)
    gone.state, gone.persistent = (5, 3), False
    reading = driver.read_vm("v0")
    assert reading is not None
    assert (reading.host, reading.copies) == ("h2", frozenset())
    assert driver_of(world).read_host("h0").vms == frozenset()  # type: ignore[union-attr]


def test_two_domains_of_one_name_on_a_host_cannot_be_read() -> None:
    world = world_of(FLEET)
    world.hosts["h0"]["other"] = FakeDomain("other", "u2", metadata='<vm id="v0"/>')
    with pytest.raises(Unreadable, match="2 domains are v0"):
        driver_of(world).read_vm("v0")


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


def test_what_the_call_is_made_with() -> None:
    world = world_of(FLEET)
    h2 = {"uri": "qemu+tls://h2/system", "migration_uri": "qemu+tcp://h2/system", "data_uri": "tcp://10.0.0.2"}
    driver, asked = driver_of(world, hosts={"h2": h2}, unsafe=True, bandwidth_mib_per_s=9), request()
    driver.submit(asked)
    assert ended(driver, asked).state is MoveState.DONE
    ((name, source, target, parameters, flags),) = world.calls
    assert (name, source, target) == ("v0", "h0", "h2")
    assert parameters == {"migrate_uri": "tcp://10.0.0.2", "bandwidth": 9}
    assert flags == 1 | 2 | 8 | 16 | 64 | 512 | 8192


def test_flags_are_those_of_the_exported_script() -> None:
    script = plan_shell(plan_of(FLEET, move(FLEET, 1, "v0", "h0", "h2")), lambda vm: LIVE, Template.VIRSH)
    for name, flags in {"always": ALWAYS, **{h.value: f for h, f in BY_HOW.items()}, "copied": COPIED}.items():
        assert f"flags_{name}=({' '.join(f'--{flag}' for flag in flags)})\n" in script
        assert all(FLAG_CONSTANTS[flag] in CONSTANTS for flag in flags)


LIVE = Carrying(VmState.RUNNING, Mobility.LIVE, False)


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


GOOD = {"format": "remora-libvirt/1", "hosts": {"h0": {"uri": "qemu+tls://h0/system"}}}


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
    with pytest.raises(InputError, match=r"libvirt-python.*remora\[libvirt\]"):
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


def test_the_real_module_reads_libvirts_own_test_driver(tmp_path: Path) -> None:
    """Which has an inventory and no migration."""
    pytest.importorskip("libvirt", reason="no libvirt-python here (the extra libvirt)")
    hosts = {
        "format": "remora-libvirt/1",
        "hosts": {"h0": {"uri": "test:///default"}, "h1": {"uri": "test:///default"}},
    }
    (tmp_path / "hosts.json").write_text(json.dumps(hosts))
    fleet = build.fleet([build.host(h, memory=9000) for h in ("h0", "h1")], [build.vm("test", "h0", memory=8192)])
    driver = open_libvirt(fleet, DriverSettings(str(tmp_path / "hosts.json")))
    asked = request_of(move(fleet, 1, "test", "h0", "h1"))
    reading = driver.read_vm("test")
    assert reading is not None
    assert (reading.host, reading.state, reading.demand["memory_mib"]) == ("h0", VmState.RUNNING, 8192)
    assert driver.read_host("h0").vms == {"test"}  # type: ignore[union-attr]
    assert driver.read_vm("nobody") is None
    assert driver.migrating() == frozenset()
    with pytest.raises(NotAborted):
        driver.abort(asked)
    with pytest.raises(MoveRefused, match="already"):  # both addresses are one host
        driver.submit(asked)
