"""What every driver has to keep to, as checks that take a way to open one.

A package that registers a driver runs the same: `for check in CHECKS: check(open_driver)`. Each check opens a driver of
its own, by a function of a fleet.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from optimizer.execute import admission
from optimizer.execute.apply import apply
from optimizer.execute.core.model import Settings
from optimizer.execute.drivers import MoveRefused, NotAborted
from optimizer.execute.ledger import open_ledger
from optimizer.execute.readings import host_reading, standing, vm_reading
from optimizer.execute.states import ENDED, MoveState
from optimizer.policy import Policy
from optimizer.verify.verdict import Verdict
from tests.execute.plans import line_fleet, move, plan_of, request_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.drivers import Driver, JobReading, Request
    from optimizer.fleet import Fleet

    Open = Callable[[Fleet], Driver]

__all__ = ["CHECKS", "FLEET"]

FLEET = line_fleet(vms=3, hosts=5)
POLL_S = 0.2
"""Between two looks at a move: each look is a process where the driver is a command."""

LONGEST = timedelta(minutes=10)
"""What a move may take, by the driver's clock."""

FIRST, SECOND = move(FLEET, 1, "v0", "h0", "h3"), move(FLEET, 2, "v1", "h1", "h4")


def says_what_it_is(open_: Open) -> None:
    driver = open_(FLEET)
    assert driver.fleet == FLEET.id
    assert isinstance(driver.simulated, bool)
    assert driver.clock.now().utcoffset() is not None


def reads_what_there_is(open_: Open) -> None:
    """Every VM and every host as the fleet has them; None where there is none."""
    driver, on = open_(FLEET), standing(FLEET)
    for v, vm in enumerate(FLEET.vms.ids):
        assert driver.read_vm(vm) == vm_reading(FLEET, v, int(FLEET.vms.host[v]))
    for h, host in enumerate(FLEET.hosts.ids):
        assert driver.read_host(host) == host_reading(FLEET, h, on[h])
    assert driver.read_vm("nobody") is None
    assert driver.read_host("nowhere") is None
    assert driver.migrating() == frozenset()


def a_submitted_vm_counts_at_both_ends_until_its_end_is_seen(open_: Open) -> None:
    """`submit` returns at once; `observe` says how it goes; done is seen on the target and gone from the source."""
    driver = open_(FLEET)
    at = driver.clock.now()
    requests = [replace(request_of(m), since=at) for m in (FIRST, SECOND)]
    requests = [replace(request, job=driver.submit(request)) for request in requests]
    assert driver.migrating() == {"v0", "v1"}
    reading, source, target = driver.read_vm("v0"), driver.read_host("h0"), driver.read_host("h3")
    assert reading is not None
    assert (reading.host, reading.moving_to) == ("h0", "h3")
    assert source is not None
    assert target is not None
    assert "v0" in source.vms
    assert "v0" in target.vms
    for request in requests:
        job = ended(driver, request)
        assert job.state is MoveState.DONE
        assert job.ended_at is None or job.ended_at >= at
    assert driver.migrating() == frozenset()
    reading, source, target = driver.read_vm("v0"), driver.read_host("h0"), driver.read_host("h3")
    assert reading is not None
    assert (reading.host, reading.moving_to) == ("h3", None)
    assert source is not None
    assert target is not None
    assert "v0" not in source.vms
    assert "v0" in target.vms


def a_job_is_found_without_its_name(open_: Open) -> None:
    """By VM, target and time: that is how a lost reply is made good."""
    driver = open_(FLEET)
    request = replace(request_of(FIRST), since=driver.clock.now())
    assert driver.observe(request) is None
    name = driver.submit(request)
    found = driver.observe(request)
    assert found is not None
    assert found.id == name or not name
    assert driver.observe(replace(request, target="h4")) is None
    ended(driver, replace(request, job=name))


def what_cannot_start_is_refused_and_changes_nothing(open_: Open) -> None:
    driver = open_(FLEET)
    for wrong in (move(FLEET, 3, "v0", "h1", "h3"), move(FLEET, 4, "v2", "h0", "h3")):
        with pytest.raises(MoveRefused):
            driver.submit(request_of(wrong))
    assert driver.migrating() == frozenset()
    reads_what_there_is(open_)


def a_vm_on_its_way_is_not_submitted_again(open_: Open) -> None:
    """Neither to the same host nor to another, by whatever attempt; the move in flight goes on."""
    driver = open_(FLEET)
    request = replace(request_of(FIRST), since=driver.clock.now())
    request = replace(request, job=driver.submit(request))
    for again in (replace(request, attempt=2, job=""), replace(request, move="m0009", target="h4", job="")):
        with pytest.raises(MoveRefused):
            driver.submit(again)
    assert ended(driver, request).state is MoveState.DONE
    assert place_of(driver) == ("h3", None)


def a_job_of_before_is_not_taken_for_this_move(open_: Open) -> None:
    """By time: one that began before the intent was written belongs to another attempt."""
    driver = open_(FLEET)
    request = replace(request_of(FIRST), since=driver.clock.now())
    request = replace(request, job=driver.submit(request))
    ended(driver, request)
    later = replace(request, attempt=2, job="", since=driver.clock.now() + timedelta(hours=1))
    assert driver.observe(later) is None


def what_is_aborted_ends_where_it_is_seen(open_: Open) -> None:
    """An abort may come too late, and says so then; what has ended, or never began, cannot be aborted."""
    driver = open_(FLEET)
    request = replace(request_of(FIRST), since=driver.clock.now())
    with pytest.raises(NotAborted):
        driver.abort(request)
    request = replace(request, job=driver.submit(request))
    try:
        driver.abort(request)
    except NotAborted:
        pass
    else:
        driver.observe(request)
    job = ended(driver, request)
    assert job.state in (MoveState.DONE, MoveState.FAILED)
    assert place_of(driver) == ("h3" if job.state is MoveState.DONE else "h0", None)
    assert driver.migrating() == frozenset()
    with pytest.raises(NotAborted):
        driver.abort(request)
    assert place_of(driver) == ("h3" if job.state is MoveState.DONE else "h0", None)


def place_of(driver: Driver) -> tuple[str | None, str | None]:
    reading = driver.read_vm("v0")
    assert reading is not None
    return reading.host, reading.moving_to


def carries_a_plan_out(open_: Open) -> None:
    """Under `apply`: everything done, in order, the ledger closed. (`verify` is asked elsewhere.)"""
    driver = open_(FLEET)
    third = move(FLEET, 3, "v2", "h2", "h0", after=(1,), batch=2)
    plan = plan_of(FLEET, FIRST, SECOND, third, expires_at=driver.clock.now() + timedelta(hours=1))
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as directory:
        patch.setattr(admission, "verify", lambda *_, **__: Verdict(()))
        with open_ledger(str(Path(directory) / "ledger.sqlite")) as ledger:
            quick = Settings(poll_s=POLL_S)
            applied = apply(FLEET, Policy("test", ()), plan, driver, ledger, act=True, settings=quick)
            assert (applied.exit_code, set(applied.done)) == (0, {"m0001", "m0002", "m0003"})
            assert set(ledger.states(plan.fleet, plan.id).values()) == {MoveState.DONE}
            assert ledger.in_flight(plan.fleet) == ()
    reading = driver.read_vm("v2")
    assert reading is not None
    assert reading.host == "h0"


def ended(driver: Driver, request: Request) -> JobReading:
    """Wait until a job has ended."""
    until = driver.clock.now() + LONGEST
    while driver.clock.now() < until:
        job = driver.observe(request)
        assert job is not None
        if job.state in ENDED:
            return job
        driver.clock.sleep(POLL_S)
    raise AssertionError(f"{request.token} does not end")


CHECKS = (
    says_what_it_is,
    reads_what_there_is,
    a_submitted_vm_counts_at_both_ends_until_its_end_is_seen,
    a_job_is_found_without_its_name,
    what_cannot_start_is_refused_and_changes_nothing,
    a_vm_on_its_way_is_not_submitted_again,
    a_job_of_before_is_not_taken_for_this_move,
    what_is_aborted_ends_where_it_is_seen,
    carries_a_plan_out,
)
