from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from constraints.anti_affinity import AntiAffinity
from optimizer.problem.rule import Hardness
from tests.build import Document, fleet, host, vm
from tests.constraints.given import given

HOSTS = [host("h0", rack="r0"), host("h1", rack="r0"), host("h2", rack="r1")]


def group(**rule: Any) -> list[Document]:
    return [{"id": "g", "rules": [{"rule": "anti_affinity", "level": "host"} | rule]}]


def on(*hosts: str | None, **more: Any) -> list[Document]:
    return [vm(f"v{i}", h, **({"groups": ["g"]} | more)) for i, h in enumerate(hosts)]


def test_a_group_on_different_hosts_is_content() -> None:
    given(AntiAffinity(), fleet(HOSTS, on("h0", "h1"))).is_content()


def test_an_undeclared_group_is_kept_apart_on_hosts() -> None:
    found = given(AntiAffinity(), fleet(HOSTS, on("h0", "h0"))).only
    assert (found.subject, found.domain, found.value, found.limit) == ("g", "host:h0", 2, 1)
    assert found.hardness is Hardness.MUST


def test_each_one_too_many_counts_a_thousand() -> None:
    given(AntiAffinity(), fleet(HOSTS, on("h0", "h0", "h0"))).penalizes_by(2000)
    given(AntiAffinity(), fleet(HOSTS, on("h0", "h0", "h0"), groups=group(at_most=2, weight=3))).penalizes_by(3000)
    given(AntiAffinity(weight=2), fleet(HOSTS, on("h0", "h0"), groups=group(weight=3))).penalizes_by(6000)


def test_racks_count_as_one_domain() -> None:
    spread = fleet(HOSTS, on("h0", "h1", "h2"), groups=group(level="rack"))
    given(AntiAffinity(), spread).exceeds_by(1)
    assert given(AntiAffinity(), spread).only.domain == "rack:r0"


def test_a_vm_under_way_counts_at_both_ends_and_once_where_both_are_one_domain() -> None:
    pair = fleet(HOSTS, on("h0", "h1"))
    given(AntiAffinity(), pair).under_way("v0 h1").exceeds_by(1)
    racks = fleet(HOSTS, on("h0", "h2"), groups=group(level="rack"))
    given(AntiAffinity(), racks).under_way("v0 h1").is_content()
    given(AntiAffinity(), racks).under_way("v0 h2").exceeds_by(1)
    given(AntiAffinity(), racks).finished("v0 h2").exceeds_by(1)


def test_two_that_swap_hosts_meet_unless_one_waits_elsewhere() -> None:
    pair = fleet(HOSTS, on("h0", "h1"))
    given(AntiAffinity(), pair).under_way("v0 h1", "v1 h0").exceeds_by(1, 1)
    given(AntiAffinity(), pair).finished("v0 h2", "v1 h0", "v0 h1").is_content()


def test_the_policy_softens_a_groups_must_and_never_hardens_its_should() -> None:
    together = on("h0", "h0")
    assert given(AntiAffinity(hardness="should"), fleet(HOSTS, together)).only.hardness is Hardness.SHOULD
    soft = fleet(HOSTS, together, groups=group(hardness="should"))
    assert given(AntiAffinity(), soft).only.hardness is Hardness.SHOULD


def test_a_group_may_ask_twice_at_one_level() -> None:
    rules = [
        {"rule": "anti_affinity", "level": "host", "at_most": 2},
        {"rule": "anti_affinity", "level": "host", "at_most": 1, "hardness": "should"},
    ]
    twice = given(AntiAffinity(), fleet(HOSTS, on("h0", "h0", "h0"), groups=[{"id": "g", "rules": rules}]))
    assert [(v.subject, v.excess) for v in twice.violations] == [("g", 1), ("g (host)", 2)]


def test_owners_and_labels_make_groups_as_well() -> None:
    owned = fleet(HOSTS, on("h0", "h0", owner="u1", groups=[]))
    assert given(AntiAffinity(by="owner"), owned).only.subject == "u1"
    given(AntiAffinity(by="owner", at_most=2), owned).is_content()
    labelled = fleet(HOSTS, on("h0", "h1", labels={"app": "db"}, groups=[]))
    assert given(AntiAffinity(by="label", label="app", level="rack"), labelled).only.subject == "db"


def test_what_has_no_owner_or_label_is_named() -> None:
    bare = fleet(HOSTS, on("h0", "h0", groups=[]))
    given(AntiAffinity(by="owner"), bare).is_content()
    given(AntiAffinity(by="owner"), bare).lacks(owner=2)
    given(AntiAffinity(by="label", label="app"), bare).lacks(labels__app=2)
    given(AntiAffinity(), bare).lacks()


def test_a_level_that_the_fleet_lacks_asks_nothing_and_is_named() -> None:
    owned = fleet(HOSTS, on("h0", "h0", owner="u1", groups=[]))
    given(AntiAffinity(by="owner", level="row"), owned).is_content()
    given(AntiAffinity(by="owner", level="row"), owned).lacks(levels__row=2)


def test_vms_that_are_not_placed_stand_nowhere() -> None:
    given(AntiAffinity(), fleet(HOSTS, on(None, None, "h0"))).is_content()


def test_it_says_who_sits_together() -> None:
    given(AntiAffinity(), fleet(HOSTS, on("h0", "h0", "h0"))).says(
        "g: 3 VMs on host h0", "v0, v1, v2", "at most 1", "2 too many"
    )
    seven = fleet(HOSTS, on(*["h0"] * 7))
    given(AntiAffinity(), seven).says("v4, …")


@pytest.mark.parametrize(
    "parameters", [{"by": "label"}, {"label": "app"}, {"by": "owner", "label": "x"}, {"at_most": 0}]
)
def test_parameters_that_make_no_sense_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AntiAffinity(**parameters)
