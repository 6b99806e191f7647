from __future__ import annotations

from typing import Any

from constraints.together import Together
from optimizer.problem.rule import Hardness
from tests.build import Document, fleet, host, vm
from tests.constraints.given import given

HOSTS = [host(f"h{i}", rack=f"r{i // 2}", zone=f"z{i // 4}") for i in range(8)]


def group(level: str = "rack", **rule: Any) -> list[Document]:
    return [{"id": "g", "rules": [{"rule": "together", "level": level} | rule]}]


def on(*hosts: str | None) -> list[Document]:
    return [vm(f"v{i}", h, groups=["g"]) for i, h in enumerate(hosts)]


def test_a_group_in_one_rack_is_content() -> None:
    given(Together(), fleet(HOSTS, on("h0", "h1", "h0"), groups=group())).is_content()
    given(Together(), fleet(HOSTS, on("h0"), groups=group())).is_content()


def test_each_vm_away_from_the_most_counts_a_thousand() -> None:
    given(Together(), fleet(HOSTS, on("h0", "h1", "h2"), groups=group())).penalizes_by(1000)
    given(Together(), fleet(HOSTS, on("h0", "h2", "h4"), groups=group(weight=2))).penalizes_by(4000)


def test_it_names_those_who_are_away() -> None:
    away = given(Together(), fleet(HOSTS, on("h0", "h2", "h3"), groups=group()))
    assert away.only.vms == (0,)
    away.says("g: 1 of its VMs (v0)", "on the rack where most of it stands", "have to go there")


def test_a_vm_under_way_counts_where_it_stands_until_it_has_arrived() -> None:
    pair = given(Together(), fleet(HOSTS, on("h0", "h1"), groups=group()))
    pair.under_way("v0 h2").is_content()
    pair.finished("v0 h2").exceeds_by(1)
    pair.finished("v0 h2", "v1 h3").is_content()


def test_levels_are_judged_apart() -> None:
    rules = [*group("host")[0]["rules"], *group("zone")[0]["rules"]]
    both = given(Together(), fleet(HOSTS, on("h0", "h4"), groups=[{"id": "g", "rules": rules}]))
    assert [v.subject for v in both.violations] == ["g", "g (zone)"]


def test_vms_that_are_not_placed_are_nowhere() -> None:
    given(Together(), fleet(HOSTS, on("h0", None), groups=group())).is_content()
    given(Together(), fleet(HOSTS, on(None, None), groups=group())).is_content()


def test_hardness_is_the_softer_of_the_two() -> None:
    split = on("h0", "h2")
    assert given(Together(), fleet(HOSTS, split, groups=group())).only.hardness is Hardness.MUST
    assert given(Together(hardness="should"), fleet(HOSTS, split, groups=group())).only.hardness is Hardness.SHOULD
    assert given(Together(), fleet(HOSTS, split, groups=group(hardness="should"))).only.hardness is Hardness.SHOULD


def test_it_wants_no_fact_that_could_be_absent() -> None:
    given(Together(), fleet(HOSTS, on("h0"))).lacks()
