"""Overcommit is said once and holds for every rule; ratios are read as they are written, exactly."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from constraints.capacity import Overcommit
from constraints.eligible import Eligible
from optimizer.errors import InputError
from optimizer.pipeline import Request, make_plan
from optimizer.problem.rounding import ratio_millionths
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

MEMORY = {"resource": "memory_mib", "ratio": "1.5"}


def drained(used: int, **more: Any) -> Fleet:
    """v has to leave a; on b, of 1000 MiB, `used` are taken."""
    hosts = [host("a", memory=1000, state="draining"), host("b", memory=1000, **more)]
    return fleet(hosts, [vm("v", "a", memory=300), *(vm(f"w{i}", "b", memory=used // 5) for i in range(5))])


def moved(whole: Fleet, *rules: Any) -> int:
    asked = policy(*rules, "allowed", "maintenance")
    plan = make_plan(whole, asked, Request(seconds=5, deterministic=True))
    assert verify(whole, asked, plan).findings == ()
    return len(plan.moves)


def test_said_on_capacity_it_holds_for_eligible_and_the_other_way_round() -> None:
    said = {"rule": "capacity", "overcommit": [MEMORY]}
    assert moved(drained(1000), said, "eligible") == 1
    assert moved(drained(1000), "eligible", said) == 1
    assert moved(drained(1000), "capacity", {"rule": "eligible", "overcommit": [MEMORY]}) == 1
    assert moved(drained(1000), "capacity", "eligible") == 0
    assert moved(drained(1205), said, "eligible") == 0


@pytest.mark.parametrize("seed", range(30))
def test_random_ratios_bind_both_rules_at_the_same_amount(seed: int) -> None:
    rng = Random(seed)
    ratio, used = Fraction(rng.randint(800, 2000), 1000), 5 * rng.randint(100, 300)
    written = rng.choice((f"{float(ratio)}", float(ratio), f"{float(ratio * 100):.1f}%"))
    said = {"rule": "capacity", "overcommit": [{"resource": "memory_mib", "ratio": written}]}
    assert moved(drained(used), said, "eligible") == (used + 300 <= 1000 * ratio)


def test_two_values_are_refused_and_two_resources_are_not() -> None:
    other = {"rule": "eligible", "overcommit": [MEMORY | {"ratio": "1.6"}]}
    with pytest.raises(InputError, match=r"rules\[1\]\.overcommit: 'memory_mib'"):
        policy({"rule": "capacity", "overcommit": [MEMORY]}, other)
    same = {"rule": "eligible", "overcommit": [MEMORY | {"ratio": "150%"}]}
    policy({"rule": "capacity", "overcommit": [MEMORY]}, same)
    cpu = {"resource": "cpu_millicores", "ratio": 2}
    eligible = policy({"rule": "capacity", "overcommit": [cpu]}, {"rule": "eligible", "overcommit": [MEMORY]}).rules[1]
    assert isinstance(eligible, Eligible)
    assert {(o.resource, o.millionths) for o in eligible.overcommit} == {
        ("cpu_millicores", 2_000_000),
        ("memory_mib", 1_500_000),
    }


@pytest.mark.parametrize("millionths", [Random(f"ratio {n}").randint(0, 999_999_999) for n in range(60)])
def test_every_way_of_writing_is_exact(millionths: int) -> None:
    decimal = f"{millionths // 10**6}.{millionths % 10**6:06}"
    percent = f"{millionths // 10**4}.{millionths % 10**4:04}%"
    assert [ratio_millionths(text) for text in (decimal, percent, float(decimal))] == [millionths] * 3
    assert Overcommit(resource="memory_mib", ratio=percent).millionths == millionths
    assert drained(0, overcommit={"memory_mib": percent}).hosts.overcommit_millionths[1, 1] == millionths


@pytest.mark.parametrize(
    "wrong", ["", "1,5", "-1", "150 %", "1e3", "1.0000001", 1.0000001, 1000, -0.5, True, None, "٣"]
)
def test_what_is_no_ratio_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match=r"overcommit\[0\]\.ratio"):
        policy({"rule": "capacity", "overcommit": [{"resource": "memory_mib", "ratio": wrong}]})
    with pytest.raises(InputError, match=r"hosts\[1\]\.overcommit"):
        drained(0, overcommit={"memory_mib": wrong})


def test_thresholds_are_read_in_percent() -> None:
    written = policy({"rule": "headroom", "resource": "memory_mib", "alert": "90%", "safe": "0.8"})
    assert written.rules == policy({"rule": "headroom", "resource": "memory_mib", "alert": 0.9, "safe": 0.8}).rules
    with pytest.raises(InputError, match="alert"):
        policy({"rule": "headroom", "resource": "memory_mib", "alert": "90"})
