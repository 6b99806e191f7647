from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from pydantic import ValidationError

from constraints import CATALOGUE, SHIPPED
from constraints.capacity import Overcommit
from constraints.eligible import Eligible
from constraints.refusals import REASONS
from optimizer.problem.atoms import Enter
from optimizer.problem.problem import build
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import read_policy
from tests.build import fleet, host, vm
from tests.constraints.given import given

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

SCENARIOS = Path(__file__).parents[1] / "scenarios"
NUMBERS = {
    "state": ("disabled", "active"),
    "errors": ("4 errors", "3 allowed"),
    "vm_count_cpus": ("4 VMs", "CPUs allow 3"),
    "vm_count_cap": ("3 VMs", "may hold 2"),
    "cpus": ("asks 8 CPUs", "has 4"),
    "disk": ("250 GiB left", "asks 300 GiB"),
    "memory": ("2 GiB left", "asks 4 GiB"),
    "memory_floor": ("200 MiB would be free", "floor of 512 MiB"),
    "busy": ("create, ipmi_reboot", "later, not never"),
    "unresponsive": ("does not respond",),
    "owner": ("owner u0 is already there", "at most 1"),
    "move_within": ("in zone z1", "may not leave zone z0"),
}


def scenario(reason: str) -> Fleet:
    document = orjson.loads((SCENARIOS / f"eligible_{reason}.json").read_bytes())
    return fleet_from_document(document, reason)


def dolphin() -> Any:
    rules = read_policy("dolphin", CATALOGUE, SHIPPED).rules
    return next(r for r in rules if isinstance(r, Eligible))


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_refuses_alone_and_says_its_numbers(reason: str) -> None:
    start = given(dolphin(), scenario(reason))
    start.is_content()
    for moved in (start.under_way("v0 h1"), start.finished("v0 h1")):
        moved.refuses(reason)
        moved.says("h1", *NUMBERS[reason])
        assert moved.only.vms == (0,)
    start.under_way("v0 h2").is_content()


def test_there_is_a_scenario_and_a_page_entry_for_every_reason() -> None:
    assert set(NUMBERS) == set(REASONS)
    page = (Path(__file__).parents[2] / "docs" / "rules" / "eligible.md").read_text(encoding="utf-8")
    assert [r for r in REASONS if f"`{r}`" not in page] == []


def test_it_never_evicts() -> None:
    """A host with every fault there is keeps its VMs in peace."""
    bad = host("h0", cpu=1000, memory=10, state="disabled", error_count=9, max_vms=0, busy=["create"])
    rule = Eligible(errors=0, vms_per_cpu=0.1, vm_cap=1, memory_floor_mib=5, owner_vms=1)
    vms = [vm(f"v{i}", "h0", cpu=5000, memory=8, owner="u0") for i in range(3)]
    broken = fleet([bad, host("h1", cpu=50_000, memory=100)], vms)
    given(rule, broken).is_content()
    given(rule, broken).under_way("v0 h1").is_content()


def test_a_host_over_its_cap_takes_nobody_though_somebody_left() -> None:
    hosts = [host("h0", memory=100, max_vms=2), host("h1", memory=100)]
    vms = [*(vm(f"v{i}", "h0") for i in range(3)), vm("w", "h1")]
    crowded = given(Eligible(), fleet(hosts, vms))
    crowded.finished("v0 h1", "v1 h1").is_content()
    crowded.finished("v0 h1", "v1 h1", "w h0").refuses("vm_count_cap")


def test_a_host_at_its_cap_takes_one_when_one_has_left() -> None:
    hosts = [host("h0", memory=100, max_vms=2), host("h1", memory=100)]
    full = given(Eligible(), fleet(hosts, [vm("v0", "h0"), vm("v1", "h0"), vm("w", "h1")]))
    full.finished("v0 h1", "w h0").is_content()
    full.finished("w h0").refuses("vm_count_cap")
    # while it leaves it may still turn out to stay
    full.under_way("v0 h1", "w h0").refuses("vm_count_cap")


def test_the_lower_of_the_caps_counts() -> None:
    hosts = [host("h0", max_vms=3), host("h1")]
    vms = [*(vm(f"v{i}", "h0") for i in range(2)), *(vm(f"w{i}", "h1") for i in range(2))]
    both = given(Eligible(vm_cap=2), fleet(hosts, vms))
    assert both.under_way("w0 h0").only.limit == 2
    given(Eligible(vm_cap=9), fleet(hosts, vms)).under_way("w0 h0").is_content()


def test_overage_is_of_physical_cpus_and_rounded_down() -> None:
    hosts = [host("h0", cpu=2500, overcommit={"cpu_millicores": "8"}), host("h1", cpu=64000)]
    vms = [*(vm(f"v{i}", "h0", cpu=100) for i in range(3)), vm("w0", "h1", cpu=100), vm("w1", "h1", cpu=100)]
    rule = given(Eligible(vms_per_cpu=1.6), fleet(hosts, vms))  # 2.5 x 1.6 = 4
    rule.under_way("w0 h0").is_content()
    rule.under_way("w0 h0", "w1 h0").refuses("vm_count_cpus", "vm_count_cpus")


def test_disk_and_memory_agree_with_capacity_given_the_same_overcommit() -> None:
    ratio = Overcommit(resource="memory_mib", ratio="2", labels={"cpu": "xeon"})
    hosts = [host("h0", memory=100), host("h1", memory=100, labels={"cpu": "xeon"})]
    pair = fleet(hosts, [vm("v0", "h0", memory=60), vm("v1", "h1", memory=90)])
    given(Eligible(overcommit=(ratio,)), pair).under_way("v0 h1").is_content()
    given(Eligible(), pair).under_way("v0 h1").refuses("memory")


def test_on_a_host_over_capacity_a_smaller_one_may_take_the_place_of_a_larger_one() -> None:
    """As capacity has it: not worse than it was. Refusing it would leave full fleets without a way out."""
    hosts = [host("h0", disk=100), host("h1", disk=200)]
    swap = fleet(hosts, [vm("big", "h0", disk=80), vm("stays", "h0", disk=40), vm("small", "h1", disk=70)])
    given(Eligible(), swap).finished("big h1", "small h0").is_content()
    given(Eligible(), swap).finished("small h0", "big h1").refuses()


def test_what_no_vm_explains_takes_room() -> None:
    hosts = [host("h0", disk=100, measured={"disk_mib": 70}), host("h1", disk=100)]
    measured = fleet(hosts, [vm("v0", "h0", disk=20), vm("v1", "h1", disk=40)])
    found = given(Eligible(), measured).under_way("v1 h0")
    found.refuses("disk")
    assert (found.only.value, found.only.limit) == (110, 100)


def test_owners_where_two_are_already() -> None:
    hosts = [host(f"h{i}") for i in range(3)]
    vms = [vm("v0", "h0", owner="u"), vm("v1", "h0", owner="u"), vm("v2", "h1", owner="u"), vm("w", "h1", owner="x")]
    rule = given(Eligible(owner_vms=1), fleet(hosts, vms))
    rule.is_content()
    rule.under_way("w h0").is_content()
    rule.under_way("v2 h2").is_content()
    # one of the two has left, and the host is still closed to that owner
    rule.finished("v0 h2", "v2 h0").refuses("owner")
    given(Eligible(owner_vms=3), fleet(hosts, vms)).under_way("v2 h0").is_content()


def test_move_within_the_host_means_that_nothing_moves() -> None:
    pair = fleet([host("h0"), host("h1")], [vm("v0", "h0")], move_within="host")
    given(Eligible(), pair).under_way("v0 h1").refuses("move_within")
    assert not build(pair, [Eligible()]).may_enter(0).any()


def test_static_refusals_are_few_bitsets() -> None:
    """One Enter for what closes a host to all, one for each size of host below which VMs do not fit."""
    hosts = [host(f"h{i}", cpu=1000 * (i % 3 + 1), zone="z0") for i in range(30)]
    vms = [vm(f"v{i}", f"h{i % 30}", cpu=100 + 7 * i) for i in range(300)]
    enters = [a for a in Eligible().lower(fleet(hosts, vms)) if isinstance(a, Enter)]
    assert len(enters) == 2
    assert sorted(int(a.hosts.sum()) for a in enters) == [10, 20]


def test_limits_out_of_reach_are_pointed_out() -> None:
    hosts = [host("h0", cpu=10_000, memory=1000, reserved={"memory_mib": 600}), host("h1", cpu=100_000, memory=1000)]
    notes = Eligible(vms_per_cpu=1.6, vm_cap=135, memory_floor_mib=512).notes(fleet(hosts, []))
    assert notes == [
        "eligible: vm_count_cap (135 VMs at h0) is out of reach on 1 of 2 hosts: vm_count_cpus stops at 16",
        "eligible: vm_count_cpus (160 VMs at h1) is out of reach on 1 of 2 hosts: vm_count_cap stops at 135",
        "eligible: memory_floor (512 MiB) is out of reach on 1 of 2 hosts: what is reserved there is more",
    ]
    assert Eligible(vm_cap=3).notes(fleet(hosts, [])) == []


def test_absent_facts_are_named() -> None:
    bare = fleet([host("h0"), host("h1", cpu=1000, error_count=1)], [vm("v0", "h0")])
    rule = given(Eligible(errors=3, vms_per_cpu=2, memory_floor_mib=1, owner_vms=1), bare)
    rule.lacks(error_count=1, capacity__cpu_millicores=1, capacity__memory_mib=2, owner=1)
    given(Eligible(), bare).lacks()


def test_it_has_no_degrees_and_knows_its_facts() -> None:
    with pytest.raises(ValidationError, match="must"):
        Eligible(hardness="should")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="no fact that this rule reads"):
        Eligible(require=("owners",))


def test_a_domain_that_no_move_leaves_binds_nobody_where_no_vm_has_a_host() -> None:
    of = fleet([host("h0", memory=8)], [vm("a", None, memory=1)], move_within="rack")
    assert [atom for atom in Eligible().lower(of) if isinstance(atom, Enter)] == []
