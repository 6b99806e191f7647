from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from constraints.maintenance import Maintenance
from optimizer.problem.rule import Hardness
from tests.build import fleet, host, vm
from tests.constraints.given import given

if TYPE_CHECKING:
    from optimizer.fleet import Fleet


def racks(**first: Any) -> Fleet:
    """h0 with two VMs and these facts, h1 beside it in rack r0, h2 in rack r1."""
    hosts = [host("h0", **first), host("h1"), host("h2", rack="r1")]
    return fleet(hosts, [vm("v0", "h0"), vm("v1", "h0"), vm("w", "h2")])


def window(start: str, end: str) -> dict[str, Any]:
    return {"maintenance": [{"from": f"2026-11-21T{start}:00Z", "to": f"2026-11-21T{end}:00Z", "reason": "new fans"}]}


@pytest.mark.parametrize(
    ("facts", "rule", "says"),
    [
        ({"state": "draining"}, Maintenance(), "it is draining"),
        (window("11:00", "13:00"), Maintenance(ahead_s=0), "is on for 3600 s more (new fans)"),
        (window("12:00", "13:00"), Maintenance(ahead_s=0), "is on for"),
        (window("12:30", "13:00"), Maintenance(ahead_s=1800), "starts in 1800 s"),
        ({}, Maintenance(hosts=("h0",)), "the policy names it"),
    ],
)
def test_vms_leave_and_none_come(facts: dict[str, Any], rule: Maintenance, says: str) -> None:
    start = given(rule, racks(**facts))
    start.exceeds_by(1, 1)
    start.penalizes_by(2000)
    start.says("v0", "h0", says)
    start.finished("v0 h1").exceeds_by(1)
    start.finished("v0 h1", "v1 h2").is_content()
    start.finished("v0 h1", "v1 h1", "w h0").refuses("maintenance")
    start.finished("v0 h1", "v1 h1", "w h0").says(says, "takes no VM")


@pytest.mark.parametrize("facts", [window("10:00", "12:00"), window("12:30", "13:00"), {"state": "disabled"}])
def test_what_is_over_or_far_away_asks_nothing(facts: dict[str, Any]) -> None:
    given(Maintenance(ahead_s=1799), racks(**facts)).is_content()


def test_a_vm_on_its_way_has_not_left() -> None:
    given(Maintenance(), racks(state="draining")).under_way("v0 h1", "v1 h1").exceeds_by(1, 1)


def test_a_vm_that_others_move_there_has_to_leave_too() -> None:
    hosts = [host("h0", state="draining"), host("h1")]
    flight = [{"id": "x", "vm": "v0", "from": "h1", "to": "h0", "started_at": "2026-11-21T11:59:00Z", "by": "other"}]
    given(Maintenance(), fleet(hosts, [vm("v0", "h1")], in_flight=flight)).exceeds_by(1)


def test_a_rack_is_emptied_into_others_only() -> None:
    rule = given(Maintenance(domains={"rack": ("r0",)}), racks())
    rule.says("the policy names its rack")
    rule.finished("v0 h1").refuses("maintenance")
    rule.finished("v0 h1").exceeds_by(1, 1)
    rule.finished("v0 h2", "v1 h2").is_content()


def test_a_should_has_its_weight_and_still_takes_nobody() -> None:
    soft = given(Maintenance(hardness="should", weight=3), racks(state="draining"))
    soft.penalizes_by(6000)
    assert soft.violations[0].hardness is Hardness.SHOULD
    soft.finished("w h0").refuses("maintenance")


def test_names_that_the_fleet_does_not_have_are_said() -> None:
    rule = Maintenance(hosts=("h0", "gone"), domains={"rack": ("r9",), "row": ("a",)})
    given(rule, racks()).lacks(hosts=1, domains=2)
    with pytest.raises(ValidationError, match="no fact"):
        Maintenance(require=("host",))
