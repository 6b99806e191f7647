from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from constraints.headroom import Headroom, HeadroomLevels
from optimizer.problem.rule import Hardness
from tests.build import fleet, host, vm
from tests.constraints.given import given

RULE = Headroom(resource="disk_mib", alert=0.9, safe=0.8)


def disks(*loads: int, **more: Any) -> Any:
    """Hosts of 100 with two VMs each: one of 5, and one of what is left of the load."""
    hosts = [host(f"h{i}", disk=100, **more) for i in range(len(loads))]
    vms = [v for i, n in enumerate(loads) for v in (vm(f"a{i}", f"h{i}", disk=5), vm(f"b{i}", f"h{i}", disk=n - 5))]
    return fleet(hosts, vms)


def test_at_the_alert_nothing_hurts() -> None:
    given(RULE, disks(90, 80, 20)).is_content()


def test_over_the_alert_a_host_comes_down_to_the_safe_level() -> None:
    # 91 of 100 is over 90: all above 80 is too much, 11 of 100
    given(RULE, disks(91, 20)).exceeds_by(11)
    given(RULE, disks(91, 20)).penalizes_by(110)
    given(RULE, disks(91, 20)).finished("a0 h1").exceeds_by(6)
    given(RULE, disks(91, 20)).finished("b0 h1").exceeds_by(26)


def test_a_receiver_stays_under_the_safe_level() -> None:
    given(RULE, disks(50, 76)).finished("a0 h1").exceeds_by(1)
    given(RULE, disks(50, 75)).finished("a0 h1").is_content()
    given(RULE, disks(50, 76)).under_way("a0 h1").exceeds_by(1)


def test_a_host_in_between_receives_nothing_and_may_stay() -> None:
    between = given(RULE, disks(50, 85))
    between.is_content()
    between.finished("a0 h1").refuses("over_safe")
    between.under_way("a0 h1").refuses("over_safe")
    between.finished("a0 h1").exceeds_by(5)
    # not even where as much left before, and not on the way to somewhere else
    between.finished("a1 h0", "a0 h1").refuses("over_safe")
    between.finished("a1 h0", "a0 h1").exceeds_by()
    between.finished("a0 h1", "a0 h0").refuses("over_safe")


def test_a_vm_without_the_resource_may_come() -> None:
    hosts = [host("h0", disk=100), host("h1", disk=100)]
    diskless = fleet(hosts, [vm("v0", "h0", memory=5), vm("v1", "h1", disk=85)])
    given(RULE, diskless).finished("v0 h1").is_content()


def test_a_should_refuses_nothing() -> None:
    soft = given(Headroom(resource="disk_mib", hardness="should", weight=2), disks(50, 85)).finished("a0 h1")
    soft.refuses()
    soft.penalizes_by(100)
    assert soft.only.hardness is Hardness.SHOULD


def test_what_the_host_measures_counts() -> None:
    hosts = [host("h0", disk=100, measured={"disk_mib": 95})]
    given(RULE, fleet(hosts, [vm("v0", "h0", disk=40)])).exceeds_by(15)


def test_shares_are_of_physical_capacity() -> None:
    hosts = [host("h0", disk=100, reserved={"disk_mib": 50}, overcommit={"disk_mib": "3"})]
    given(RULE, fleet(hosts, [vm("v0", "h0", disk=91)])).exceeds_by(11)


def test_shares_are_the_decimals_that_they_print_as() -> None:
    # 0.29 x 100 is 28.999999999999996 in floating point
    rule = Headroom(resource="disk_mib", alert=0.29, safe=0.29)
    given(rule, fleet([host("h0", disk=100)], [vm("v0", "h0", disk=29)])).is_content()
    given(rule, fleet([host("h0", disk=100)], [vm("v0", "h0", disk=30)])).exceeds_by(1)


def test_levels_by_label_the_first_that_matches() -> None:
    rule = Headroom(
        resource="disk_mib",
        by_label=(
            HeadroomLevels(labels={"disk": "nvme"}, alert=0.95, safe=0.9),
            HeadroomLevels(labels={}, alert=0.5, safe=0.5),
        ),
    )
    hosts = [host("h0", disk=100, labels={"disk": "nvme"}), host("h1", disk=100)]
    vms = [vm("v0", "h0", disk=96), vm("v1", "h1", disk=51)]
    given(rule, fleet(hosts, vms)).exceeds_by(6, 1)


def test_where_nothing_is_known_nothing_is_judged() -> None:
    silent = fleet([host("h0"), host("h1", disk=10)], [vm("v0", "h0", disk=99)])
    given(RULE, silent).is_content()
    given(RULE, silent).lacks(capacity__disk_mib=1)
    given(Headroom(resource="gpu"), silent).is_content()
    given(Headroom(resource="gpu"), silent).lacks(capacity__gpu=2)


def test_it_says_how_full_and_what_it_refuses() -> None:
    given(RULE, disks(91, 20)).says(
        "h0: disk 91 MiB of 80 MiB safe", "91.0 % of capacity, safe is 80.0 %", "over by 11 MiB"
    )
    crowded = given(RULE, disks(50, 85)).finished("a0 h1")
    refusal = next(v for v in crowded.violations if v.hardness is Hardness.HARD)
    assert (refusal.subject, refusal.excess, refusal.harm) == ("h1", 1, 0)
    assert "may not receive a0" in RULE.explain(refusal, crowded.state.fleet)


@pytest.mark.parametrize(
    "levels", [{"alert": 0.8, "safe": 0.9}, {"alert": 1.1}, {"safe": 0.0}, {"alert": float("nan")}, {"safe": -1}]
)
def test_levels_that_make_no_sense_are_refused(levels: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Headroom(resource="disk_mib", **levels)
    with pytest.raises(ValidationError):
        HeadroomLevels(labels={}, **({"alert": 0.9, "safe": 0.8} | levels))
