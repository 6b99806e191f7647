"""The order in which `check` lists what is wrong."""

from __future__ import annotations

from random import Random

from optimizer.check import check
from optimizer.fleet import State
from optimizer.problem.rule import Hardness
from tests import build

POLICY = build.policy("capacity", "anti_affinity", {"rule": "headroom", "resource": "disk_mib", "hardness": "should"})


def random_fleet(random: Random):
    hosts = [build.host(f"h{n}", disk=random.choice([100, 200])) for n in range(5)]
    vms = [
        build.vm(f"v{n}", f"h{random.randrange(5)}", disk=random.randrange(1, 90), groups=[f"g{random.randrange(6)}"])
        for n in range(20)
    ]
    return build.fleet(hosts, vms)


def test_a_full_disk_comes_before_replicas_on_one_host():
    hosts = [build.host("h0", disk=100), build.host("h1", disk=100)]
    vms = [build.vm(f"v{n}", "h0", disk=40, groups=["db"]) for n in range(3)]
    assert [v.rule for v in check(build.fleet(hosts, vms), POLICY)][:2] == ["capacity", "anti_affinity"]


def test_musts_first_then_what_is_full_then_the_most_harm():
    mixed = 0
    for seed in range(40):
        fleet = random_fleet(Random(seed))
        found = check(fleet, POLICY)
        start = State.start(fleet)
        assert {v.instance for v in found} == {v.instance for rule in POLICY.rules for v in rule.check(start)}
        full = {v.subject for v in found if v.rule == "capacity" and v.value > v.unit}
        must = [v for v in found if v.hardness is Hardness.MUST]
        assert found[: len(must)] == must
        first = [v.rule == "capacity" and v.subject in full for v in must]
        assert first == sorted(first, reverse=True)
        for kind in (True, False):
            harms = [v.harm for v, is_full in zip(must, first, strict=True) if is_full is kind]
            assert harms == sorted(harms, reverse=True)
        mixed += any(first) and not all(first)
    assert mixed > 20
