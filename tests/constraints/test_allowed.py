from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constraints.allowed import Allowed
from optimizer.problem.atoms import Enter
from optimizer.problem.problem import build
from tests.build import fleet, host, vm
from tests.constraints.given import given

if TYPE_CHECKING:
    from optimizer.fleet import Fleet


def one(rule_host: Any = None, **more: Any) -> Fleet:
    """A VM on h0 with these facts; h1 is where it is to go."""
    hosts = [
        host("h0", labels={"cpu": "epyc", "net": "fast"}),
        rule_host or host("h1", labels={"cpu": "xeon"}),
        host("h2"),
    ]
    return fleet(hosts, [vm("v0", "h0", **more), vm("v1", "h1")])


@pytest.mark.parametrize(
    ("facts", "reason", "says"),
    [
        ({"mobility": "cold"}, "mobility", "only be moved cold"),
        ({"mobility": "none", "mobility_reason": "a GPU"}, "mobility", "cannot be moved (a GPU)"),
        ({"state": "stopped"}, "vm_state", "it is stopped"),
        ({"state": "unknown"}, "vm_state", "it is unknown"),
        ({"requires": {"cpu": ["epyc", "amd"]}}, "requires", "cpu xeon, epyc or amd required by v0"),
        ({"forbidden_hosts": ["h1"]}, "forbidden", "among the forbidden hosts of v0"),
    ],
)
def test_a_vm_is_not_moved(facts: dict[str, Any], reason: str, says: str) -> None:
    start = given(Allowed(), one(**facts))
    start.is_content()
    for moved in (start.under_way("v0 h1"), start.finished("v0 h1")):
        moved.refuses(reason)
        moved.says(says)


def test_what_is_plain_moves() -> None:
    given(Allowed(), one()).under_way("v0 h1").is_content()
    given(Allowed(), one(state="paused")).under_way("v0 h1").is_content()


def test_the_policy_may_say_more() -> None:
    given(Allowed(mobility=("live", "cold")), one(mobility="cold")).under_way("v0 h1").is_content()
    given(Allowed(mobility=("cold",)), one()).under_way("v0 h1").refuses("mobility")
    given(Allowed(states=("stopped",)), one(state="stopped")).under_way("v0 h1").is_content()


def test_every_label_has_to_have_one_of_its_values() -> None:
    needs = {"cpu": ["xeon", "epyc"], "net": ["fast"]}
    slow = one(host("h1", labels={"cpu": "xeon", "net": "slow"}), requires=needs)
    given(Allowed(), slow).under_way("v0 h1").says("net slow, fast required")
    given(Allowed(), one(host("h1", labels={"cpu": "xeon"}), requires=needs)).under_way("v0 h1").says("not labelled")
    fast = one(host("h1", labels={"cpu": "xeon", "net": "fast"}), requires=needs)
    given(Allowed(), fast).under_way("v0 h1").is_content()


def test_a_vm_on_a_host_that_is_down_stays() -> None:
    down = fleet([host("h0", state="down"), host("h1")], [vm("v0", "h0"), vm("v1", "h1")])
    given(Allowed(), down).under_way("v0 h1").refuses("host_down")
    given(Allowed(), down).under_way("v0 h1").says("h0 is down")


def test_pins_by_id_and_by_all_labels_of_one() -> None:
    labelled = one(labels={"tier": "gold", "os": "bsd"})
    given(Allowed(pinned=("v0",)), labelled).under_way("v0 h1", "v1 h0").refuses("pinned")
    given(Allowed(pinned_labels=({"tier": "gold"},)), labelled).under_way("v0 h1").refuses("pinned")
    given(Allowed(pinned_labels=({"tier": "gold", "os": "linux"},)), labelled).under_way("v0 h1").is_content()


def test_several_reasons_are_all_said() -> None:
    bad = one(mobility="none", state="error", requires={"cpu": ["epyc"]}, forbidden_hosts=["h1"])
    given(Allowed(pinned=("v0",)), bad).under_way("v0 h1").refuses(
        "mobility", "vm_state", "pinned", "requires", "forbidden"
    )


def test_vms_with_equal_needs_share_one_atom() -> None:
    hosts = [host(f"h{i}", labels={"cpu": "epyc" if i % 2 else "xeon"}) for i in range(4)]
    needs = [{"cpu": ["epyc", "xeon"]}, {"cpu": ["xeon", "epyc"]}, {"cpu": ["epyc"]}]
    vms = [vm(f"v{i}", "h0", requires=needs[i % 3], forbidden_hosts=["h3"]) for i in range(9)]
    atoms = [a for a in Allowed().lower(fleet(hosts, vms)) if isinstance(a, Enter)]
    assert len(atoms) == 3


def test_needs_are_understood() -> None:
    needy = one(mobility="cold", requires={"cpu": ["xeon"]}, forbidden_hosts=["h2"])
    assert build(needy, [Allowed(mobility=("live", "cold"))]).movable[0]
    assert not build(needy, []).movable[0]


def test_pins_of_nobody_are_named() -> None:
    given(Allowed(pinned=("v0", "gone")), one()).lacks(pinned=1)
