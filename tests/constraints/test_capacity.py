from __future__ import annotations

import pytest
from pydantic import ValidationError

from constraints.capacity import Capacity, Overcommit
from optimizer.problem.atoms import UNLIMITED, Linear
from optimizer.problem.rule import Hardness
from tests.build import fleet, host, vm
from tests.constraints.given import given

TWO = [host("h0", memory=10), host("h1", memory=10)]


def test_a_host_within_its_capacity_is_content() -> None:
    given(Capacity(), fleet(TWO, [vm("v0", "h0", memory=10)])).is_content()


def test_what_is_too_much_counts_by_physical_capacity() -> None:
    # 13 of 10: excess 3, and 3 of 10 are 300 thousandths
    full = fleet(TWO, [vm("v0", "h0", memory=8), vm("v1", "h0", memory=5)])
    given(Capacity(), full).exceeds_by(3)
    given(Capacity(), full).penalizes_by(300)
    given(Capacity(weight=4), full).penalizes_by(1200)


def test_a_move_puts_it_right_and_counts_at_both_ends_until_then() -> None:
    full = fleet(TWO, [vm("v0", "h0", memory=8), vm("v1", "h0", memory=5), vm("v2", "h1", memory=6)])
    moving = given(Capacity(), full).under_way("v1 h1")
    moving.exceeds_by(3, 1)
    given(Capacity(), full).finished("v1 h1").exceeds_by(1)


def test_every_resource_counts_for_itself() -> None:
    hosts = [host("h0", cpu=4, memory=10, disk=100)]
    given(Capacity(), fleet(hosts, [vm("v0", "h0", cpu=6, memory=12, disk=100)])).exceeds_by(2, 2)
    given(Capacity(resources=("disk_mib",)), fleet(hosts, [vm("v0", "h0", cpu=6, disk=101)])).exceeds_by(1)


def test_reserved_comes_off_before_overcommit() -> None:
    # (10 - 2) x 1.5 = 12
    hosts = [host("h0", memory=10, reserved={"memory_mib": 2}, overcommit={"memory_mib": "1.5"})]
    given(Capacity(), fleet(hosts, [vm("v0", "h0", memory=12)])).is_content()
    found = given(Capacity(), fleet(hosts, [vm("v0", "h0", memory=13)])).only
    assert (found.value, found.limit, found.unit) == (13, 12, 10)


def test_a_limit_is_rounded_down() -> None:
    hosts = [host("h0", memory=7, overcommit={"memory_mib": "1.5"})]  # 10.5
    given(Capacity(), fleet(hosts, [vm("v0", "h0", memory=11)])).exceeds_by(1)


def test_overcommit_by_label_yields_to_the_hosts_own_figure_and_to_the_first_that_matches() -> None:
    hosts = [
        host("h0", memory=10, labels={"kind": "dense"}),
        host("h1", memory=10, labels={"kind": "dense"}, overcommit={"memory_mib": "1"}),
        host("h2", memory=10),
    ]
    rule = Capacity(
        overcommit=(
            Overcommit(resource="memory_mib", ratio="2", labels={"kind": "dense"}),
            Overcommit(resource="memory_mib", ratio="1.1"),
        )
    )
    vms = [vm(f"v{i}", f"h{i}", memory=21) for i in range(3)]
    given(rule, fleet(hosts, vms)).exceeds_by(1, 11, 10)


def test_an_eight_fold_overcommit_of_a_huge_host_is_exact() -> None:
    # the product in millionths would not fit in 64 bits
    hosts = [host("h0", memory=10**12 - 1, overcommit={"memory_mib": "8"})]
    assert Capacity().limits(fleet(hosts, [])).max() == 8 * (10**12 - 1)


def test_what_the_host_measures_beyond_its_vms_stays_with_it() -> None:
    hosts = [host("h0", memory=10, measured={"memory_mib": 9}), host("h1", memory=10)]
    crowded = fleet(hosts, [vm("v0", "h0", memory=4), vm("v1", "h1", memory=6)])
    given(Capacity(), crowded).is_content()
    # 5 of the 9 are no VM's: with another 6 there are 4 + 5 + 6
    given(Capacity(), crowded).finished("v1 h0").exceeds_by(5)
    given(Capacity(), crowded).finished("v0 h1", "v1 h0").exceeds_by(1)


def test_a_lower_measurement_changes_nothing() -> None:
    hosts = [host("h0", memory=10, measured={"memory_mib": 2})]
    given(Capacity(), fleet(hosts, [vm("v0", "h0", memory=11)])).exceeds_by(1)


def test_a_vm_that_others_are_moving_counts_at_both_ends() -> None:
    moving = [{"id": "x", "vm": "v0", "from": "h0", "to": "h1", "started_at": "2026-11-21T11:59:00Z", "by": "other"}]
    vms = [vm("v0", "h0", memory=6), vm("v1", "h1", memory=6)]
    found = given(Capacity(), fleet(TWO, vms, in_flight=moving)).only
    assert (found.subject, found.excess) == ("h1", 2)


def test_a_resource_that_a_host_does_not_name_has_no_limit_there() -> None:
    silent = fleet([host("h0", memory=10), host("h1")], [vm("v0", "h1", memory=99)])
    given(Capacity(), silent).is_content()
    given(Capacity(resources=("memory_mib",)), silent).lacks(capacity__memory_mib=1)
    (atom,) = Capacity(resources=("memory_mib",)).lower(silent)
    assert isinstance(atom, Linear)
    assert atom.limit.tolist() == [10, UNLIMITED]


def test_a_resource_that_the_fleet_does_not_know_is_named() -> None:
    given(Capacity(resources=("gpu",)), fleet(TWO, [])).lacks(capacity__gpu=2)


def test_a_vm_that_is_not_placed_counts_nowhere() -> None:
    given(Capacity(), fleet(TWO, [vm("v0", None, memory=99)])).is_content()


def test_a_should_is_one() -> None:
    over = fleet(TWO, [vm("v0", "h0", memory=11)])
    assert given(Capacity(hardness="should", price=2), over).only.hardness is Hardness.SHOULD


def test_it_says_how_full_and_how_much_has_to_leave() -> None:
    over = fleet(TWO, [vm("v0", "h0", memory=12)])
    given(Capacity(), over).says("h0: memory 12 MiB of 10 MiB allocatable (120.0 %): over by 2 MiB", "migrate at least")


@pytest.mark.parametrize("ratio", ["-1", "1e3", "", "1.", ".5", "nan", "1.1234567"])
def test_a_ratio_is_a_decimal_string(ratio: str) -> None:
    with pytest.raises(ValidationError):
        Overcommit(resource="memory_mib", ratio=ratio)


def test_what_is_required_has_to_be_a_fact() -> None:
    given(Capacity(require=("capacity.gpu",)), fleet(TWO, [])).lacks(
        capacity__cpu_millicores=2, capacity__disk_mib=2, capacity__gpu=2
    )
    with pytest.raises(ValidationError, match=r"capacity\.RESOURCE"):
        Capacity(require=("memory_mib",))


def test_a_must_has_no_price() -> None:
    with pytest.raises(ValidationError, match="a price belongs to a should"):
        Capacity(price=1)
