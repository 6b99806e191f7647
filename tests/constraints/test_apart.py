from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from constraints.apart import Apart
from optimizer.problem.rule import Hardness
from tests.build import Document, fleet, host, vm
from tests.constraints.given import given

HOSTS = [host(f"h{i}", rack=f"r{i // 2}") for i in range(6)]


def group(level: str = "host", **rule: Any) -> list[Document]:
    apart = {"rule": "apart", "level": level, "with": "batch"} | rule
    return [{"id": "web", "rules": [apart]}, {"id": "batch", "rules": []}]


def vms(web: str = "", batch: str = "") -> list[Document]:
    """VMs of both groups, on the hosts with these numbers."""
    return [vm(f"w{i}", f"h{h}", groups=["web"]) for i, h in enumerate(web)] + [
        vm(f"b{i}", f"h{h}", groups=["batch"]) for i, h in enumerate(batch)
    ]


def test_groups_on_different_hosts_are_content() -> None:
    given(Apart(), fleet(HOSTS, vms("00", "12"), groups=group())).is_content()


def test_where_they_meet_the_fewer_count() -> None:
    met = given(Apart(), fleet(HOSTS, vms("000", "00"), groups=group(weight=2)))
    met.penalizes_by(4000)
    assert (met.only.subject, met.only.domain, met.only.vms) == ("web|batch", "host:h0", (0, 1, 2, 3, 4))
    met.says("web and batch are both on host h0", "2 VMs of one of them too many")


def test_each_domain_counts_for_itself() -> None:
    given(Apart(), fleet(HOSTS, vms("01", "01"), groups=group())).exceeds_by(1, 1)
    given(Apart(), fleet(HOSTS, vms("01", "01"), groups=group("rack"))).exceeds_by(2)


def test_a_vm_under_way_counts_at_both_ends() -> None:
    away = given(Apart(), fleet(HOSTS, vms("0", "1"), groups=group()))
    away.under_way("w0 h1").exceeds_by(1)
    away.under_way("w0 h1", "b0 h0").exceeds_by(1, 1)
    away.finished("w0 h2", "b0 h0").is_content()
    racks = given(Apart(), fleet(HOSTS, vms("0", "2"), groups=group("rack")))
    racks.under_way("w0 h1").is_content()


def test_the_policy_names_pairs_of_its_own() -> None:
    plain = fleet(HOSTS, vms("0", "1"), groups=[{"id": "web", "rules": []}, {"id": "batch", "rules": []}])
    given(Apart(), plain).is_content()
    given(Apart(pairs=(("web", "batch"),)), plain).is_content()
    found = given(Apart(pairs=(("batch", "web"),), level="rack", weight=3), plain).only
    assert (found.subject, found.domain, found.harm) == ("batch|web", "rack:r0", 3000)


def test_a_pair_that_both_sides_name_counts_once_if_asked_alike() -> None:
    both = [*group(), {"id": "batch", "rules": [{"rule": "apart", "level": "host", "with": "web"}]}]
    met = fleet(HOSTS, vms("0", "0"), groups=[both[0], both[2]])
    given(Apart(pairs=(("batch", "web"),)), met).penalizes_by(1000)
    heavier = [both[0], {"id": "batch", "rules": [{"rule": "apart", "level": "host", "with": "web", "weight": 2}]}]
    given(Apart(), fleet(HOSTS, vms("0", "0"), groups=heavier)).penalizes_by(3000)


def test_a_vm_of_both_groups_is_one_of_the_first() -> None:
    mixed = [vm("m0", "h0", groups=["web", "batch"])]
    given(Apart(), fleet(HOSTS, mixed, groups=group())).is_content()
    given(Apart(), fleet(HOSTS, mixed + vms("", "0"), groups=group())).exceeds_by(1)
    given(Apart(), fleet(HOSTS, mixed + vms("0", ""), groups=group())).is_content()


def test_what_the_snapshot_does_not_have_is_named() -> None:
    plain = fleet(HOSTS, vms("0", "0"))
    given(Apart(pairs=(("web", "ghost"),)), plain).is_content()
    given(Apart(pairs=(("web", "ghost"),)), plain).lacks(groups__ghost=0)
    given(Apart(pairs=(("web", "batch"),), level="row"), plain).is_content()
    given(Apart(pairs=(("web", "batch"),), level="row"), plain).lacks(levels__row=2)


def test_hardness_is_the_softer_of_the_two() -> None:
    met = vms("0", "0")
    assert given(Apart(), fleet(HOSTS, met, groups=group())).only.hardness is Hardness.MUST
    assert given(Apart(hardness="should"), fleet(HOSTS, met, groups=group())).only.hardness is Hardness.SHOULD
    assert given(Apart(), fleet(HOSTS, met, groups=group(hardness="should"))).only.hardness is Hardness.SHOULD


@pytest.mark.parametrize("pairs", [(("a", "a"),), (("a",),), (("a", ""),), (("a", "b", "c"),)])
def test_a_pair_is_two_groups(pairs: Any) -> None:
    with pytest.raises(ValidationError):
        Apart(pairs=pairs)
