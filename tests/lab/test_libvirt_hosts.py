"""The libvirt driver on real hosts: the contract, faults, shared and copied disks."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.execute.drivers import NotAborted, Unreadable
from optimizer.execute.drivers.libvirt import open_libvirt
from optimizer.execute.drivers.settings import DriverSettings
from optimizer.execute.states import ENDED, Failure, MoveState
from tests import build
from tests.execute.driver_contract import CHECKS, FLEET
from tests.execute.plans import move, request_of
from tests.lab.guest import CODE, sector
from tests.lab.hosts import Lab, _which, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from optimizer.execute.drivers import Driver, JobReading, Request
    from optimizer.execute.drivers.libvirt import LibvirtDriver
    from optimizer.fleet import Fleet

pytestmark = pytest.mark.slow

SLOW: dict[str, Any] = {"bandwidth_mib_per_s": 2}
"""So that a migration of 16 MiB takes some seconds, and there is time to break something."""


def demand_of(vm: str) -> dict[str, int]:
    numbers = FLEET.vms.demand[FLEET.vm_index[vm]]
    return {r.name: int(n) for r, n in zip(FLEET.resources, numbers, strict=True)}


def guests(lab: Lab, *vms: str, **more: Any) -> None:
    """Start guests where FLEET has them, with disks of their own hosts, since it says that disks are copied."""
    for vm in vms:
        host = FLEET.hosts.ids[int(FLEET.vms.host[FLEET.vm_index[vm]])]
        lab.guest(vm, host, demand_of(vm), local=True, **more)
    until(lambda: all(len(lab.counted(vm)) > 1 for vm in vms), 60)


def driver_of(lab: Lab, directory: Path, fleet: Fleet = FLEET, **more: Any) -> LibvirtDriver:
    return open_libvirt(fleet, DriverSettings(str(lab.hosts_file(directory / "hosts.yaml", **more))))


def look(driver: Driver, asked: Request) -> JobReading | None:
    try:
        return driver.observe(asked)
    except Unreadable:
        return None


def ended(driver: Driver, asked: Request, seconds: float = 90) -> JobReading:
    def over() -> JobReading | None:
        job = look(driver, asked)
        return job if job is not None and job.state in ENDED else None

    found: JobReading = until(over, seconds)
    return found


def copying(driver: Driver, asked: Request) -> None:
    def begun() -> bool:
        job = look(driver, asked)
        assert job is None or job.state not in ENDED, job
        return job is not None and job.state is MoveState.COPYING

    until(begun, 60)


def asked_for() -> Request:
    return request_of(move(FLEET, 1, "v0", "h0", "h3"))


@pytest.mark.parametrize("check", CHECKS)
def test_the_driver_keeps_to_the_contract_on_real_hosts(check: Callable[..., None], lab: Lab, tmp_path: Path) -> None:
    def open_(fleet: Fleet) -> Driver:
        lab.clear()
        guests(lab, *FLEET.vms.ids)
        return driver_of(lab, tmp_path)

    check(open_)


def test_the_guest_is_what_its_source_says(tmp_path: Path) -> None:
    if not all(_which(name).startswith("/") for name in ("as", "ld")):
        pytest.skip("no assembler here (apt-get install binutils)")
    source = __file__.replace("test_libvirt_hosts.py", "guest.S")
    subprocess.run(["as", "--32", "-o", tmp_path / "o", source], check=True)
    link = ["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o", tmp_path / "bin", tmp_path / "o"]
    subprocess.run([str(word) for word in link], check=True)
    assembled = (tmp_path / "bin").read_bytes()
    assert assembled[: len(CODE)] == CODE
    assert assembled == sector(0, 1)


def test_a_guest_counts_on_at_the_target(lab: Lab, tmp_path: Path) -> None:
    guests(lab, "v0")
    driver, asked = driver_of(lab, tmp_path, **SLOW), asked_for()
    driver.submit(asked)
    states = []
    left = []

    def over() -> bool:
        job = look(driver, asked)
        assert job is not None
        states.append(job.state)
        left.append(job.remaining_mib)
        return job.state in ENDED

    until(over, 90)
    assert states[-1] is MoveState.DONE, look(driver, asked)
    assert {MoveState.PREPARING, MoveState.COPYING} <= set(states)
    assert min(n for n in left if n) < 16
    assert lab.places() == {"v0": ["h3"]}
    lab.goes_on("v0")
    assert lab.starts("v0") == 2


def test_disks_are_copied_where_they_are_not_shared(lab: Lab, tmp_path: Path) -> None:
    """Each host has a directory of its own at the same path."""
    guests(lab, "v0")
    driver, asked = driver_of(lab, tmp_path), asked_for()
    driver.submit(asked)
    job = ended(driver, asked)
    assert job.state is MoveState.DONE, job.detail
    images = [(lab.base / host / "local/v0.img").read_bytes() for host in ("h0", "h3")]
    assert images[0] == images[1]
    assert any(images[0])
    lab.goes_on("v0")


def test_abort_leaves_the_guest_where_it_was(lab: Lab, tmp_path: Path) -> None:
    guests(lab, "v0")
    driver, asked = driver_of(lab, tmp_path, **SLOW), asked_for()
    driver.submit(asked)
    copying(driver, asked)
    driver.abort(asked)
    job = ended(driver, asked)
    assert (job.state, job.failure) == (MoveState.FAILED, Failure.TEMPORARY)
    assert lab.places() == {"v0": ["h0"]}
    lab.goes_on("v0")


def test_the_targets_daemon_dies(lab: Lab, tmp_path: Path) -> None:
    """The move fails, the guest stays, nothing is believed until the target can be read; then a retry works."""
    guests(lab, "v0")
    driver, asked = driver_of(lab, tmp_path, **SLOW), asked_for()
    driver.submit(asked)
    copying(driver, asked)
    lab.kill_daemon("h3")
    job = ended(driver, asked)
    assert (job.state, job.failure) == (MoveState.FAILED, Failure.TEMPORARY)
    with pytest.raises(Unreadable, match="host h3"):
        driver.read_vm("v0")
    lab.start_daemon("h3")
    until(lambda: driver.read_vm("v0").host == "h0" and not driver.migrating(), 60)  # type: ignore[union-attr]
    lab.goes_on("v0")
    again = request_of(move(FLEET, 1, "v0", "h0", "h3"), attempt=2)
    fast = driver_of(lab, tmp_path)
    fast.submit(again)
    assert ended(fast, again).state is MoveState.DONE
    lab.goes_on("v0")
    assert lab.places() == {"v0": ["h3"]}


def test_the_sources_daemon_dies(lab: Lab, tmp_path: Path) -> None:
    """The call's connection is lost: no verdict by that. The hosts show in the end that the guest is on one of them."""
    guests(lab, "v0")
    driver, asked = driver_of(lab, tmp_path, **SLOW), asked_for()
    driver.submit(asked)
    copying(driver, asked)
    lab.kill_daemon("h0")
    lab.start_daemon("h0")

    def settled() -> bool:
        try:
            job, vm = driver.observe(asked), driver.read_vm("v0")
        except Unreadable:
            return False
        return (job is None or job.state in ENDED) and vm is not None and vm.moving_to is None and not vm.copies

    until(settled, 90)
    assert driver.migrating() == frozenset()
    (places,) = lab.places().values()
    assert places in (["h0"], ["h3"])
    lab.goes_on("v0")


def test_the_target_host_crashes(lab: Lab, tmp_path: Path) -> None:
    guests(lab, "v0", "v1")
    driver, asked = driver_of(lab, tmp_path, **SLOW), asked_for()
    driver.submit(asked)
    copying(driver, asked)
    lab.down("h3")
    try:
        job = ended(driver, asked)
        assert (job.state, job.failure) == (MoveState.FAILED, Failure.TEMPORARY)
        with pytest.raises(Unreadable):
            driver.read_vm("v0")
        assert driver.read_vm("v1").host == "h1"  # type: ignore[union-attr]  # the others can be read all the time
    finally:
        lab.up("h3")
    until(lambda: driver.read_vm("v0").host == "h0" and not driver.migrating(), 60)  # type: ignore[union-attr]
    lab.goes_on("v0", "v1")


def test_the_network_between_the_hosts_is_cut(lab: Lab, tmp_path: Path) -> None:
    """The hosts' keepalives end the move, within seconds; this process reaches both all the time.

    The disk is shared; the next test copies one.
    """
    demand = {"memory_mib": 16}
    lab.guest("v0", "h0", demand)
    until(lambda: len(lab.counted("v0")) > 1, 60)
    fleet = build.fleet([build.host(name, memory=64) for name in lab.names], [build.vm("v0", "h0", memory=16)])
    driver, asked = driver_of(lab, tmp_path, fleet, **SLOW), asked_for()
    driver.submit(asked)
    copying(driver, asked)
    lab.cut("h3")
    try:
        job = ended(driver, asked)
    finally:
        lab.join("h3")
    assert (job.state, job.failure) == (MoveState.FAILED, Failure.TEMPORARY)
    until(lambda: driver.read_vm("v0").moving_to is None, 60)  # type: ignore[union-attr]
    assert lab.places() == {"v0": ["h0"]}
    lab.goes_on("v0")


def test_the_network_is_cut_while_a_disk_is_copied(lab: Lab, tmp_path: Path) -> None:
    """libvirt 9.0 waits for the network then, for longer than 300 s, and an abort has no effect before it is back.

    Meanwhile the move is in flight, or its source cannot be read; then it has failed, the guest is where it was with
    the state that it had, and a retry works.
    """
    guests(lab, "v0")
    driver, asked = driver_of(lab, tmp_path, bandwidth_mib_per_s=1, deadline_s=3), asked_for()
    driver.submit(asked)
    copying(driver, asked)
    lab.cut("h3")
    try:
        with suppress(NotAborted):
            driver.abort(asked)
        for _ in range(3):
            job = look(driver, asked)
            assert job is None or job.state is MoveState.COPYING, job
            time.sleep(1)
    finally:
        lab.join("h3")
    job = ended(driver, asked)
    assert (job.state, job.failure) == (MoveState.FAILED, Failure.TEMPORARY)
    until(lambda: not driver.migrating(), 60)
    assert lab.places() == {"v0": ["h0"]}
    lab.goes_on("v0")
    fast, again = driver_of(lab, tmp_path), request_of(move(FLEET, 1, "v0", "h0", "h3"), attempt=2)
    fast.submit(again)
    assert ended(fast, again).state is MoveState.DONE
    assert lab.places() == {"v0": ["h3"]}
    lab.goes_on("v0")
