from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from constraints.spread import Spread
from optimizer.problem.rule import Hardness
from tests.build import Document, fleet, host, vm
from tests.constraints.given import given

HOSTS = [host(f"h{i}", rack=f"r{i // 2}", zone=f"z{i // 4}") for i in range(8)]


def group(level: str = "rack", **rule: Any) -> list[Document]:
    return [{"id": "g", "rules": [{"rule": "spread", "level": level, "at_least": 3} | rule]}]


def on(*hosts: str | None, **more: Any) -> list[Document]:
    return [vm(f"v{i}", h, **({"groups": ["g"]} | more)) for i, h in enumerate(hosts)]


def test_a_group_over_enough_racks_is_content() -> None:
    given(Spread(), fleet(HOSTS, on("h0", "h2", "h4"), groups=group())).is_content()


def test_each_rack_that_is_missing_counts_a_thousand() -> None:
    given(Spread(), fleet(HOSTS, on("h0", "h1", "h0"), groups=group())).penalizes_by(2000)
    given(Spread(weight=2), fleet(HOSTS, on("h0", "h2", "h3"), groups=group(weight=5))).penalizes_by(10000)


def test_a_vm_under_way_counts_at_the_worse_end() -> None:
    settled = given(Spread(), fleet(HOSTS, on("h0", "h2", "h4", "h5"), groups=group()))
    settled.under_way("v3 h6").is_content()
    settled.under_way("v2 h0").is_content()
    settled.under_way("v0 h2").exceeds_by(1)
    # v0 may turn out beside v1: then two racks are held, whatever v2 and v3 do
    settled.under_way("v2 h6", "v3 h0").exceeds_by()
    settled.under_way("v1 h4", "v0 h4").exceeds_by(2)


def test_vms_under_way_to_one_rack_may_all_be_there() -> None:
    # on racks 0, 1, 2, all to rack 3: where the least is held, all three have arrived
    three = given(Spread(), fleet(HOSTS, on("h0", "h2", "h4"), groups=group()))
    three.under_way("v0 h6", "v1 h7", "v2 h6").exceeds_by(2)


def test_more_than_the_group_can_hold_stays_and_is_named() -> None:
    two = given(Spread(), fleet(HOSTS, on("h0", "h2"), groups=group()))
    two.exceeds_by(1)
    two.says("g: its VMs (v0, v1) stand in 2 racks, at least 3 asked", "it has 2 VMs, cannot occupy 3 racks")


def test_more_than_the_fleet_has_stays_and_is_named() -> None:
    zones = given(Spread(), fleet(HOSTS, on("h0", "h2", "h4"), groups=group("zone")))
    zones.exceeds_by(1)
    zones.says("the fleet has 2 zones")


def test_it_says_how_many_more() -> None:
    given(Spread(), fleet(HOSTS, on("h0", "h0", "h0"), groups=group())).says("1 rack,", "have to go to 2 more")


def test_racks_and_zones_may_both_be_asked_for() -> None:
    rules = [*group()[0]["rules"], *group("zone", at_least=2)[0]["rules"]]
    both = given(Spread(), fleet(HOSTS, on("h0", "h2", "h2"), groups=[{"id": "g", "rules": rules}]))
    assert [(v.subject, v.excess) for v in both.violations] == [("g", 1), ("g (zone)", 1)]
    assert "1 zone" in Spread().explain(both.violations[1], both.state.fleet)


def test_vms_that_are_not_placed_hold_nothing() -> None:
    given(Spread(), fleet(HOSTS, on(None, None, None), groups=group())).is_content()
    given(Spread(), fleet(HOSTS, on("h0", None, None), groups=group())).exceeds_by(2)


def test_hardness_is_the_softer_of_the_two() -> None:
    close = on("h0", "h0", "h0")
    soft = group(hardness="should")
    assert given(Spread(), fleet(HOSTS, close, groups=group())).only.hardness is Hardness.MUST
    assert given(Spread(), fleet(HOSTS, close, groups=soft)).only.hardness is Hardness.SHOULD
    assert given(Spread(hardness="should"), fleet(HOSTS, close, groups=group())).only.hardness is Hardness.SHOULD


def test_owners_and_labels_make_groups_as_well() -> None:
    owned = fleet(HOSTS, on("h0", "h1", owner="u1", groups=[]))
    given(Spread(by="owner"), owned).is_content()
    assert given(Spread(by="owner", level="rack"), owned).only.subject == "u1"
    given(Spread(by="label", label="app"), owned).lacks(labels__app=2)
    given(Spread(by="owner"), owned).lacks()


def test_parameters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValidationError):
        Spread(by="label")
    with pytest.raises(ValidationError):
        Spread(at_least=0)
