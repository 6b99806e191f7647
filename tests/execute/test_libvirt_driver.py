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
from optimizer.execute.drivers import MoveRefused, NotAborted, Unreadable
from optimizer.execute.drivers.libvirt import LibvirtDriver, open_libvirt
from optimizer.execute.drivers.settings import DriverSettings
from optimizer.execute.states import Failure, MoveState
from optimizer.fleet import VmState
from optimizer.sources.libvirt import hypervisor
from tests import build
from tests.execute.fake_libvirt import FakeDomain, FakeError, world_of
from tests.execute.over_fake_libvirt import FLEET, driver_of, ended, request, until
from tests.execute.plans import move, request_of

if TYPE_CHECKING:
    from pathlib import Path


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
