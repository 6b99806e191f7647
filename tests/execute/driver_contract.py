"""What every driver has to keep to, as checks that take a way to open one.

A package that registers a driver runs the same: `for check in CHECKS: check(open_driver)`. Each check opens a driver of
its own, by a function of a fleet.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from optimizer.execute import admission
from optimizer.execute.apply import apply
from optimizer.execute.drivers import MoveRefused
from optimizer.execute.ledger import Ledger, MoveState
from optimizer.execute.readings import host_reading, standing, vm_reading
from optimizer.policy import Policy
from optimizer.verify.verdict import Verdict
from tests.execute.plans import line_fleet, move, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.drivers import Driver, Result
    from optimizer.fleet import Fleet

    Open = Callable[[Fleet], Driver]

__all__ = ["CHECKS", "FLEET"]

FLEET = line_fleet()
FIRST, SECOND = move(FLEET, 1, "v0", "h0", "h8"), move(FLEET, 2, "v1", "h1", "h9")


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
    assert driver.poll() == ()


def a_submitted_vm_counts_at_both_ends_until_its_end_is_seen(open_: Open) -> None:
    """`submit` returns at once; `poll` brings each result once; done is seen on the target and gone from the source."""
    driver = open_(FLEET)
    at = driver.clock.now()
    driver.submit(FIRST)
    driver.submit(SECOND)
    assert driver.migrating() == {"v0", "v1"}
    reading, source, target = driver.read_vm("v0"), driver.read_host("h0"), driver.read_host("h8")
    assert reading is not None
    assert (reading.host, reading.moving_to) == ("h0", "h8")
    assert source is not None
    assert target is not None
    assert "v0" in source.vms
    assert "v0" in target.vms
    results: list[Result] = []
    while found := driver.poll():
        results += found
    assert sorted((r.move, r.done) for r in results) == [("m0001", True), ("m0002", True)]
    assert all(r.at >= at for r in results)
    assert driver.migrating() == frozenset()
    reading, source, target = driver.read_vm("v0"), driver.read_host("h0"), driver.read_host("h8")
    assert reading is not None
    assert (reading.host, reading.moving_to) == ("h8", None)
    assert source is not None
    assert target is not None
    assert "v0" not in source.vms
    assert "v0" in target.vms


def what_cannot_start_is_refused_and_changes_nothing(open_: Open) -> None:
    driver = open_(FLEET)
    for wrong in (move(FLEET, 3, "v0", "h1", "h8"), move(FLEET, 4, "v5", "h0", "h8")):
        with pytest.raises(MoveRefused):
            driver.submit(wrong)
    assert driver.migrating() == frozenset()
    assert driver.poll() == ()
    reads_what_there_is(open_)


def carries_a_plan_out(open_: Open) -> None:
    """Under `apply`: everything done, in order, the ledger closed. (`verify` is asked elsewhere.)"""
    driver = open_(FLEET)
    third = move(FLEET, 3, "v2", "h2", "h0", after=(1,), batch=2)
    plan = plan_of(FLEET, FIRST, SECOND, third, expires_at=driver.clock.now() + timedelta(hours=1))
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as directory:
        patch.setattr(admission, "verify", lambda *_, **__: Verdict(()))
        with Ledger.create_or_open(str(Path(directory) / "ledger.sqlite")) as ledger:
            applied = apply(FLEET, Policy("test", ()), plan, driver, ledger, act=True)
            assert (applied.exit_code, set(applied.done)) == (0, {"m0001", "m0002", "m0003"})
            assert set(ledger.states(plan.fleet, plan.id).values()) == {MoveState.DONE}
            assert ledger.in_flight(plan.fleet) == ()
    reading = driver.read_vm("v2")
    assert reading is not None
    assert reading.host == "h0"


CHECKS = (
    says_what_it_is,
    reads_what_there_is,
    a_submitted_vm_counts_at_both_ends_until_its_end_is_seen,
    what_cannot_start_is_refused_and_changes_nothing,
    carries_a_plan_out,
)
