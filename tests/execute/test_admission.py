"""Which plans `apply` refuses before the first move."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import ForeignPlan, SafetyStop, StalePlan
from optimizer.execute import admission
from optimizer.execute.apply import apply
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.verify.verdict import Finding, Verdict
from tests import build
from tests.execute.applying import FLEET, POLICY, chain, hosts_of
from tests.execute.plans import plan_of

if TYPE_CHECKING:
    from optimizer.execute.ledger import Ledger
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

pytestmark = pytest.mark.usefixtures("unjudged")


def refused(plan: Plan, ledger: Ledger, fleet: Fleet = FLEET, driver: SimulatedDriver | None = None) -> SafetyStop:
    """Return the refusal of a plan, having made sure that it left no trace."""
    driver = driver or SimulatedDriver(fleet)
    with pytest.raises(SafetyStop) as stop:
        apply(fleet, POLICY, plan, driver, ledger, act=True)
    assert ledger.run(plan.fleet, plan.id) is None
    assert hosts_of(driver.snapshot()) == hosts_of(fleet)
    return stop.value


def test_a_foreign_plan_is_refused(ledger: Ledger) -> None:
    assert isinstance(refused(plan_of(FLEET, *chain().moves, fleet="other"), ledger), ForeignPlan)
    elsewhere = SimulatedDriver(replace(FLEET, id="other"))
    assert isinstance(refused(chain(), ledger, driver=elsewhere), ForeignPlan)


@pytest.mark.parametrize("seconds", [899, 900, 100_000])
def test_a_plan_expires_by_the_clock_of_the_driver(ledger: Ledger, seconds: int) -> None:
    driver = SimulatedDriver(FLEET)
    driver.clock.sleep(seconds)
    if seconds < 900:
        assert apply(FLEET, POLICY, chain(), driver, ledger, act=True).exit_code == 0
    else:
        assert isinstance(refused(chain(), ledger, driver=driver), StalePlan)


def later(**changes: Any) -> Fleet:
    """Return a later snapshot of the same fleet, in which something has changed."""
    hosts = [build.host(f"h{i}", cpu=4000, memory=65536, disk=10**6, rack=f"r{i // 4}") for i in range(12)]
    vms = [build.vm(f"v{i}", f"h{i}", cpu=1000, memory=1000 * (i + 1), disk=10_000) for i in range(6)]
    for path, value in changes.items():
        kind, number, field = path.split("_", 2)
        {"host": hosts, "vm": vms}[kind][int(number)][field] = value
    return build.fleet(hosts, vms, taken_at="2026-11-21T12:05:00Z")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"vm_2_host": "h11"}, "v2 is on 'h11', not on 'h2'"),
        ({"vm_2_host": None}, "no host"),
        ({"vm_2_id": "new"}, "there is no VM 'v2'"),
        ({"vm_2_demand": {"memory_mib": 1}}, "1 MiB to copy, not"),
        ({"vm_2_dirty_mib_per_s": 500.0}, "to move, not"),
        ({"host_8_state": "draining"}, "'h8' is draining"),
        ({"host_8_migration_mib_per_s": 10}, "to move, not"),
    ],
)
def test_a_plan_is_stale_where_what_it_touches_has_changed(
    ledger: Ledger, change: dict[str, object], text: str
) -> None:
    stop = refused(chain(), ledger, later(**change))
    assert isinstance(stop, StalePlan)
    assert text.replace("'", "") in str(stop).replace("'", "")


def test_a_later_snapshot_in_which_nothing_touched_has_changed_will_do(ledger: Ledger) -> None:
    fleet = later(vm_5_demand={"memory_mib": 7}, host_11_state="down")
    assert apply(fleet, POLICY, chain(), SimulatedDriver(fleet), ledger, act=True).exit_code == 0


def test_a_plan_that_verify_faults_is_refused(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ("h8 is overloaded", "two", "three", "four")
    findings = [Finding("load", f"moves[{i}]", text) for i, text in enumerate(texts)]
    monkeypatch.setattr(admission, "verify", lambda *_, **__: Verdict(tuple(findings)))
    stop = refused(chain(), ledger)
    assert "moves[0]: h8 is overloaded; moves[1]: two; moves[2]: three; and 1 more" in str(stop)
    assert not isinstance(stop, StalePlan)
    assert isinstance(refused(chain(), ledger, later(vm_5_demand={})), StalePlan)


def test_a_later_snapshot_is_no_fault_by_itself_and_of_this_one_nobody_may_say_so(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = (Finding("fleet_digest", "fleet_digest", "another"), Finding("taken_at", "taken_at", "another"))
    monkeypatch.setattr(admission, "verify", lambda *_, **__: Verdict(findings))
    refused(chain(), ledger)
