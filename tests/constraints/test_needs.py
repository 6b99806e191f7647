from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

from constraints.needs import Needs
from optimizer.fleet import Move, State
from optimizer.problem.rule import Hardness
from tests.build import Document, fleet, host, vm
from tests.constraints.given import given

HOSTS = [host(f"h{i}", rack=f"r{i // 2}", zone=f"z{i // 4}") for i in range(8)]


def group(level: str = "rack", **rule: Any) -> list[Document]:
    needs = {"rule": "needs", "level": level, "with": "cache"} | rule
    return [{"id": "web", "rules": [needs]}, {"id": "cache", "rules": []}]


def webs(*hosts: str | None) -> list[Document]:
    return [vm(f"w{i}", h, groups=["web"]) for i, h in enumerate(hosts)]


def caches(*hosts: str | None) -> list[Document]:
    return [vm(f"c{i}", h, groups=["cache"]) for i, h in enumerate(hosts)]


def test_where_there_is_one_there_is_the_other() -> None:
    given(Needs(), fleet(HOSTS, webs("h0", "h2") + caches("h1", "h3"), groups=group())).is_content()


def test_the_other_may_be_alone() -> None:
    given(Needs(), fleet(HOSTS, webs("h0") + caches("h1", "h6"), groups=group())).is_content()


def test_each_vm_without_counts_a_thousand() -> None:
    lone = given(Needs(), fleet(HOSTS, webs("h0", "h2", "h3") + caches("h1"), groups=group(weight=3)))
    lone.penalizes_by(6000)
    assert (lone.only.subject, lone.only.vms) == ("web|cache", (1, 2))
    lone.says("web: 2 VMs (w1, w2) on a rack without a VM of cache", "or one of these to them")


def test_vms_under_way_count_at_the_worse_end() -> None:
    both = given(Needs(), fleet(HOSTS, webs("h0", "h0") + caches("h1", "h2"), groups=group()))
    both.is_content()
    both.under_way("w0 h4").exceeds_by(1)
    both.under_way("w0 h2").is_content()
    both.under_way("c0 h4").exceeds_by(2)
    both.under_way("c1 h1").is_content()
    both.under_way("c0 h4", "w0 h4").exceeds_by(2)


def test_vms_under_way_are_judged_as_by_trying_every_choice_of_ends() -> None:
    rng, several = Random(1), 0
    for _ in range(300):
        names = [f"h{h}" for h in range(rng.randint(2, 6))]
        hosts = [host(h) for h in names]
        vms = webs(*rng.choices([*names, None], k=rng.randint(1, 4)))
        vms += caches(*rng.choices([*names, None], k=rng.randint(0, 4)))
        snapshot = fleet(hosts, vms, groups=group(level="host"))
        at = snapshot.vms.host.tolist()
        moves = [Move(v, h, rng.choice([t for t in range(len(hosts)) if t != h])) for v, h in enumerate(at) if h >= 0]
        flying = [move for move in moves if rng.random() < 0.6]
        found = sum(v.excess for v in Needs().check(State.start(snapshot).begin(flying)))
        ends = {v: {h} for v, h in enumerate(at) if h >= 0} | {m.vm: {m.source, m.target} for m in flying}
        there = [ends[v] for v in ends if snapshot.vms.ids[v].startswith("c")]
        lone = [
            sum(bool(ends[v] - set(held)) for v in ends if snapshot.vms.ids[v].startswith("w"))
            for held in product(*there)
        ]
        several += len(lone) > 4
        assert found == max(lone)
    assert several > 20


def test_fifty_pairs_under_way_at_once_are_judged_at_once() -> None:
    """All choices of ends together would be 2^50: `verify` did not come to an end."""
    names = [f"h{h}" for h in range(50)]
    pairs = fleet([host(f"h{h}") for h in range(100)], webs(*names) + caches(*names), groups=group(level="host"))
    leaving = [Move(50 + n, n, n + 50) for n in range(50)]
    assert [v.excess for v in Needs().check(State.start(pairs).begin(leaving))] == [50]


def test_sixty_that_follow_each_other_in_a_ring_are_judged_at_once() -> None:
    """All are tied to each other, so that parts alone do not help: every other host keeps one at worst."""
    names = [f"h{h}" for h in range(60)]
    ring = fleet([host(h) for h in names], webs(*names) + caches(*names), groups=group(level="host"))
    for lone, moves in ((30, range(60)), (30, range(59)), (1, range(0, 60, 60))):
        leaving = [Move(60 + n, n, (n + 1) % 60) for n in moves]
        assert [v.excess for v in Needs().check(State.start(ring).begin(leaving))] == [lone]


def test_it_travels_together_with_what_it_needs_or_not_at_all() -> None:
    pair = given(Needs(), fleet(HOSTS, webs("h0") + caches("h0"), groups=group()))
    pair.under_way("w0 h2", "c0 h2").exceeds_by(1)
    pair.finished("c0 h2").exceeds_by(1)
    pair.finished("w0 h2", "c0 h3").is_content()


def test_a_vm_of_both_brings_what_it_needs_along() -> None:
    vms = [vm("b0", "h4", groups=["web", "cache"]), *webs("h5")]
    given(Needs(), fleet(HOSTS, vms, groups=group())).is_content()
    given(Needs(), fleet(HOSTS, vms, groups=group())).under_way("b0 h0").exceeds_by(1)


def test_a_need_that_the_fleet_cannot_meet_stays_and_says_so() -> None:
    none = given(Needs(), fleet(HOSTS, webs("h0", "h2"), groups=group()))
    none.exceeds_by(2)
    none.says("web: 2 VMs (w0, w1) without a VM of cache, and there is none")


def test_vms_that_are_not_placed_need_nothing_and_serve_nobody() -> None:
    given(Needs(), fleet(HOSTS, webs(None), groups=group())).is_content()
    given(Needs(), fleet(HOSTS, webs("h0") + caches(None), groups=group())).exceeds_by(1)


def test_levels_are_judged_apart() -> None:
    rules = [*group("host")[0]["rules"], *group("zone")[0]["rules"]]
    groups = [{"id": "web", "rules": rules}, {"id": "cache", "rules": []}]
    both = given(Needs(), fleet(HOSTS, webs("h0") + caches("h4"), groups=groups))
    assert [v.subject for v in both.violations] == ["web|cache", "web (zone)|cache"]


def test_hardness_is_the_softer_of_the_two() -> None:
    lone = webs("h0") + caches("h2")
    assert given(Needs(), fleet(HOSTS, lone, groups=group())).only.hardness is Hardness.MUST
    assert given(Needs(hardness="should"), fleet(HOSTS, lone, groups=group())).only.hardness is Hardness.SHOULD
    assert given(Needs(), fleet(HOSTS, lone, groups=group(hardness="should"))).only.hardness is Hardness.SHOULD


def test_it_wants_no_fact_that_could_be_absent() -> None:
    given(Needs(), fleet(HOSTS, webs("h0"), groups=group())).lacks()
