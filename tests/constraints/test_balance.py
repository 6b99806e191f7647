from __future__ import annotations

import gc
import weakref
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from constraints.balance import Balance
from constraints.capacity import Overcommit
from constraints.mean_use import load_of_hosts
from optimizer.fleet import ABSENT, HostState, State
from optimizer.problem.rule import Hardness
from tests.build import fleet, host, vm
from tests.constraints.generators import random_fleet
from tests.constraints.given import given
from tests.constraints.rule_generators import POLICIES

RULE = Balance(resource="memory_mib", tolerance=0.1)


def memories(*loads: int, capacity: int = 100, **more: Any) -> Any:
    """Hosts of `capacity` with one VM of 5 and one of what is left of the load."""
    hosts = [host(f"h{i}", memory=capacity, **more) for i in range(len(loads))]
    vms = [v for i, n in enumerate(loads) for v in (vm(f"a{i}", f"h{i}", memory=5), vm(f"b{i}", f"h{i}", memory=n - 5))]
    return fleet(hosts, vms)


def test_at_the_mean_and_the_tolerance_a_host_is_balanced() -> None:
    # the mean of 60 and 40 is 50: at most 60
    given(RULE, memories(60, 40)).is_content()


def test_each_fleet_has_a_mean_of_its_own() -> None:
    for loads, over in (((60, 40), 0), ((70, 40), 5), ((60, 40), 0)):
        of = memories(*loads)
        found = list(RULE.check(State.start(of)))
        assert [v.excess for v in found] == [over] * bool(over)
        assert all(f"is {sum(loads) / 2:.1f} %" in RULE.explain(v, of) for v in found)


def test_the_mean_is_counted_once_for_all_that_is_explained_by_it_and_keeps_no_fleet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[int] = []

    def counting(state: State, r: int) -> Any:
        counted.append(r)
        return load_of_hosts(state, r)

    monkeypatch.setattr("constraints.mean_use.load_of_hosts", counting)
    of = memories(90, 90, 10, 10)
    found = list(RULE.check(State.start(of)))
    assert len({RULE.explain(v, of) for v in found}) == 2
    assert len(counted) == 1
    kept = weakref.ref(of)
    del of
    gc.collect()
    assert kept() is None


def test_above_that_it_is_over_by_what_is_more() -> None:
    # the mean of 70 and 40 is 55: at most 65, 5 of 100 too much
    given(RULE, memories(70, 40)).exceeds_by(5)
    given(RULE, memories(70, 40)).penalizes_by(50)
    given(RULE, memories(70, 40)).finished("a0 h1").is_content()
    given(RULE, memories(70, 40)).under_way("a0 h1").exceeds_by(5)


def test_a_should_by_default_and_a_must_where_it_is_asked() -> None:
    assert given(RULE, memories(90, 10)).only.hardness is Hardness.SHOULD
    hard = Balance(resource="memory_mib", tolerance=0.1, hardness="must")
    assert given(hard, memories(90, 10)).only.hardness is Hardness.MUST


def test_what_is_below_the_mean_is_no_violation() -> None:
    given(RULE, memories(50, 50, 50, 50, 11)).is_content()


def test_the_mean_stays_that_of_the_start() -> None:
    """VMs that leave a rack do not lower its limit: it is a number, not a quotient of what moves."""
    hosts = [host("h0", memory=100, rack="r0"), host("h1", memory=100, rack="r0"), host("h2", memory=100, rack="r1")]
    racks = fleet(hosts, [vm("a", "h0", memory=60), vm("b", "h1", memory=50), vm("c", "h2", memory=10)])
    by_rack = Balance(resource="memory_mib", tolerance=0.05, level="rack")
    given(by_rack, racks).is_content()
    gone = given(by_rack, racks).finished("b h2")
    # r0: mean 55, at most 60: h0 may stay though its rack has 30 % now; r1: mean 10, at most 15
    assert [(v.subject, v.value, v.limit) for v in gone.violations] == [("h2", 60, 15)]


def test_the_mean_is_weighted_by_what_hosts_may_allocate() -> None:
    hosts = [host("big", memory=300), host("small", memory=100)]
    uneven = fleet(hosts, [vm("a", "big", memory=150), vm("b", "small", memory=90)])
    # 240 of 400 is 60 %: big at most 210, small at most 70
    assert [(v.subject, v.limit) for v in given(RULE, uneven).violations] == [("small", 70)]


def test_overcommit_and_reserve_count() -> None:
    doubled = host("h0", memory=100, overcommit={"memory_mib": "2"})
    hosts = [doubled, host("h1", memory=110, reserved={"memory_mib": 10})]
    sold = fleet(hosts, [vm("a", "h0", memory=90), vm("b", "h1", memory=90)])
    # 180 of 300 is 60 %: h1 at most 70 of 100
    assert [(v.subject, v.limit, v.unit) for v in given(RULE, sold).violations] == [("h1", 70, 100)]
    shared = Balance(resource="memory_mib", tolerance=0.1, overcommit=(Overcommit(resource="memory_mib", ratio="2"),))
    halves = fleet([host("h0", memory=50), host("h1", memory=50)], [vm("a", "h0", memory=60)])
    assert given(shared, halves).only.limit == 40


def test_hosts_out_of_service_are_left_out_and_counted() -> None:
    hosts = [host(f"h{i}", memory=100) | ({"state": state} if state else {}) for i, state in enumerate(STATES)]
    odd = fleet(hosts, [vm(f"v{i}", f"h{i}", memory=60) for i in range(len(STATES))])
    found = {n.what: n.hosts for n in RULE.not_evaluated(odd)}
    assert found == {"in_service.down": 1, "in_service.disabled": 1, "in_service.draining": 1}
    # two active hosts with 60 each, and 60 more that has to leave the draining one: 90 % and the tolerance
    given(RULE, odd).is_content()
    given(RULE, odd).finished("v4 h0").exceeds_by(20)


STATES = ("", "", "down", "disabled", "draining")


def test_by_label_each_value_is_a_scope_and_a_filter_leaves_the_rest_out() -> None:
    pools = [host(f"h{i}", memory=100, labels={"pool": p} if p else {}) for i, p in enumerate(("a", "a", "b", "b", ""))]
    vms = [vm(f"v{i}", f"h{i}", memory=n) for i, n in enumerate((80, 20, 40, 40, 100))]
    by_pool = Balance(resource="memory_mib", tolerance=0.1, label="pool")
    assert [v.subject for v in given(by_pool, fleet(pools, vms)).violations] == ["h0"]
    assert {n.what: n.hosts for n in by_pool.not_evaluated(fleet(pools, vms))} == {"labels.pool": 1}
    only_b = Balance(resource="memory_mib", tolerance=0.1, labels={"pool": "b"})
    given(only_b, fleet(pools, vms)).is_content()


def test_a_resource_that_nobody_has_is_named() -> None:
    unknown = Balance(resource="gpus")
    given(unknown, memories(90, 10)).is_content()
    assert [n.what for n in unknown.not_evaluated(memories(90, 10))] == ["capacity.gpus"]
    assert [n.what for n in Balance(resource="disk_mib").not_evaluated(memories(90, 10))] == ["capacity.disk_mib"]


def test_two_scopes_at_once_are_refused() -> None:
    with pytest.raises(ValidationError, match="give one of them"):
        Balance(resource="memory_mib", level="rack", label="pool")


def test_the_words_have_the_numbers() -> None:
    text = RULE.explain(given(RULE, memories(70, 40)).only, memories(70, 40))
    assert "h0: memory 70 MiB of 65 MiB balanced (70.0 % of allocatable" in text
    assert "the mean of all hosts (2 hosts) is 55.0 %, tolerance 10 points" in text
    assert "over by 5 MiB" in text


def test_a_tolerance_finer_than_the_vms_is_pointed_out() -> None:
    three = fleet([host("h0", memory=100), host("h1", memory=100)], [vm(f"v{i}", "h0", memory=30) for i in range(3)])
    fine = Balance(resource="memory_mib", tolerance=0.05)
    (doubt,) = fine.doubts(three)
    assert (doubt.code, doubt.field) == ("tolerance_too_fine", "tolerance")
    assert "3 VMs of all hosts (2 hosts) with 30 MiB of memory or more" in doubt.text
    assert "room for 2 of that size" in doubt.text
    assert list(Balance(resource="memory_mib", tolerance=0.15).doubts(three)) == []


@pytest.mark.parametrize("seed", range(40))
def test_a_doubt_is_never_wrong(seed: int) -> None:
    """Where the rule doubts that the tolerance can be had, every placement on the scope's hosts breaks it."""
    rng = Random(seed)
    hosts = [host(f"h{i}", memory=rng.choice((20, 30, 40))) for i in range(rng.choice((2, 3)))]
    vms = [vm(f"v{i}", rng.choice(hosts)["id"], memory=rng.randint(3, 9)) for i in range(rng.randint(2, 5))]
    tiny, rule = fleet(hosts, vms), Balance(resource="memory_mib", tolerance=rng.choice((0, 0.05, 0.1, 0.2)))
    doubtful = bool(list(rule.doubts(tiny)))
    clean = any(
        not list(rule.check(State(tiny, np.array(at, np.int32)))) for at in np.ndindex(*[len(hosts)] * len(vms))
    )
    assert not (doubtful and clean)


@pytest.mark.parametrize("seed", range(60))
def test_a_host_is_over_exactly_where_its_share_is(seed: int) -> None:
    """By fractions, from the definition in the rule's page."""
    rng = Random(f"balance {seed}")
    rule, tiny = POLICIES["balance"](rng), random_fleet(rng)
    assert isinstance(rule, Balance)
    found = {v.subject for v in rule.check(State.start(tiny))}
    assert found == set(over(rule, tiny))


def over(rule: Balance, of: Any) -> list[str]:
    r = of.resource_index.get(rule.resource)
    if r is None:
        return []
    scopes: dict[Any, list[int]] = {}
    for h, labels in enumerate(of.hosts.labels):
        key: Any = labels.get(rule.label) if rule.label else 0
        if rule.level:
            key = of.hosts.domain[of.level_index[rule.level], h] if rule.level in of.levels else None
        if key is not None and all(labels.get(k) == v for k, v in rule.labels.items()):
            scopes.setdefault(key, []).append(h)
    out = []
    for hosts in scopes.values():
        inside = [h for h in hosts if room(rule, of, h, r) > 0 and serves(of, h)]
        load = sum(loaded(of, h, r) + int(of.unexplained[h, r]) for h in inside)
        load += sum(loaded(of, h, r) for h in hosts if emptied(of, h) and of.hosts.capacity[h, r] != ABSENT)
        total = sum(room(rule, of, h, r) for h in inside)
        for h in inside:
            share = (loaded(of, h, r) + int(of.unexplained[h, r])) / room(rule, of, h, r)
            if share > load / total + Fraction(str(rule.tolerance)):
                out.append(of.hosts.ids[h])
    return out


def room(rule: Balance, of: Any, h: int, r: int) -> Fraction:
    if of.hosts.capacity[h, r] == ABSENT:
        return Fraction(0)
    ratio = Fraction(int(of.hosts.overcommit_millionths[h, r]), 10**6)
    if ratio < 0:
        said = [e for e in rule.overcommit if e.resource == rule.resource]
        fits = [e for e in said if all(of.hosts.labels[h].get(k) == v for k, v in e.labels.items())]
        ratio = Fraction(fits[0].ratio) if fits else Fraction(1)
    return Fraction(int(max(0, of.hosts.capacity[h, r] - of.hosts.reserved[h, r]) * ratio))


def window(of: Any, h: int) -> bool:
    return any(w.start <= of.now < w.end for w in of.hosts.maintenance.get(h, ()))


def serves(of: Any, h: int) -> bool:
    return of.hosts.state[h] == HostState.ACTIVE and not window(of, h)


def emptied(of: Any, h: int) -> bool:
    return of.hosts.state[h] == HostState.DRAINING or (of.hosts.state[h] == HostState.ACTIVE and window(of, h))


def loaded(of: Any, h: int, r: int) -> int:
    ends = [(int(of.vms.host[v]), int(of.also_at[v])) for v in range(len(of.vms))]
    return sum(int(of.vms.demand[v, r]) * e.count(h) for v, e in enumerate(ends))
