from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import pytest

from constraints.pressure import MADE_BY, HostPressure
from optimizer.errors import InputError
from optimizer.fleet import Move, State
from optimizer.pipeline import Request, make_plan
from optimizer.problem.rule import Hardness
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm

LOAD = "cpu_load_millicores"


def suffering(pressure: dict[str, float | None], loads: dict[str, list[int]], **more: Any):
    """Hosts of 16 cores with this steal, and VMs that use so many millicores."""
    hosts = [
        host(name, capacity={"memory_mib": 1000, LOAD: 16000}, **more)
        | ({} if steal is None else {"pressure": {"cpu_steal": steal}})
        for name, steal in pressure.items()
    ]
    vms = [
        vm(f"{name}-{i}", name, demand={"memory_mib": 1, LOAD: load})
        for name, mine in loads.items()
        for i, load in enumerate(mine)
    ]
    resources = [{"name": "memory_mib", "copied": True}, {"name": LOAD, "copied": False}]
    return fleet(hosts, vms, resources=resources)


def found(whole: Any, **parameters: Any) -> dict[str, tuple[int, int]]:
    rule = HostPressure(of="cpu_steal", **parameters)
    return {v.subject: (v.value, v.limit) for v in rule.check(State.start(whole))}


def test_a_host_over_the_alert_gives_up_a_step() -> None:
    whole = suffering({"h0": 0.14, "h1": 0.01}, {"h0": [6000, 4000, 3000, 2000], "h1": []})
    assert found(whole) == {"h0": (15000, 11250)}
    assert found(whole, step=1.0) == {"h0": (15000, 15000 * 50 // 140)}
    assert found(whole, alert=0.14) == {}
    assert found(whole, alert=0.139, safe=0.13) == {"h0": (15000, 15000 * 130 // 140)}


def test_levels_are_met_exactly() -> None:
    whole = suffering({"h0": 0.1, "h1": 0.1001}, {"h0": [1000], "h1": [1000]})
    assert set(found(whole)) == {"h1"}


@pytest.mark.parametrize(("steal", "refused"), [(0.05, False), (0.06, True), (0.1, True), (None, True), (0.0, False)])
def test_who_receives(steal: float | None, refused: bool) -> None:
    whole = suffering({"h0": 0.2, "h1": steal}, {"h0": [4000, 4000], "h1": [1000]})
    rule = HostPressure(of="cpu_steal")
    moved = State.start(whole).begin([Move(0, 0, 1)])
    hard = [v for v in rule.check(moved) if v.hardness is Hardness.HARD]
    assert bool(hard) == refused
    assert all("may not receive h0-0" in rule.explain(v, whole) for v in hard)


def test_a_host_receives_up_to_its_room() -> None:
    whole = suffering({"h0": 0.2, "h1": 0.0}, {"h0": [9000, 5000], "h1": [4000]})
    rule = HostPressure(of="cpu_steal")
    over = [v for v in rule.check(State.start(whole).finish([Move(0, 0, 1)])) if v.subject == "h1"]
    assert [(v.value, v.limit) for v in over] == [(13000, 12800)]
    assert "of 12.8 cores that it may receive to" in rule.explain(over[0], whole)
    plan = planned(whole)
    assert [(m.vm, m.target) for m in plan.moves] == [("h0-1", "h1")]


def planned(whole: Any):
    rules = policy("capacity", {"rule": "pressure", "of": "cpu_steal"})
    plan = make_plan(whole, rules, Request(seconds=5, deterministic=True))
    assert verify(whole, rules, plan).findings == ()
    return plan


def test_one_move_is_enough_and_goes_where_nobody_waits() -> None:
    whole = suffering({"h0": 0.14, "h1": 0.07, "h2": 0.01}, {"h0": [6000, 4000, 3000, 2000], "h1": [100], "h2": [4000]})
    (move,) = planned(whole).moves
    assert move.source == "h0" and move.target == "h2" and move.vm in ("h0-0", "h0-1")
    assert "vCPUs wait 14.0 % of the time (alert 10.0 %, safe 5.0 %)" in move.why


def test_what_no_vm_uses_remains() -> None:
    whole = suffering({"h0": 0.5, "h1": 0.0}, {"h0": [], "h1": []}, measured={LOAD: 9000})
    plan = planned(whole)
    assert plan.moves == () and [r.subject for r in plan.remaining] == ["h0"]


def test_a_fleet_without_the_pressure_is_not_judged() -> None:
    whole = suffering({"h0": None, "h1": None}, {"h0": [1000], "h1": [2000]})
    rule = HostPressure(of="cpu_steal")
    assert list(rule.lower(whole)) == [] and list(rule.check(State.start(whole))) == []
    assert [(n.what, n.hosts) for n in rule.not_evaluated(whole)] == [("pressure.cpu_steal", 2)]


def test_a_host_that_suffers_of_what_nobody_measures_is_named() -> None:
    whole = suffering({"h0": 0.4, "h1": 0.0}, {"h0": [], "h1": [2000]})
    assert [(n.what, n.hosts) for n in HostPressure(of="cpu_steal").not_evaluated(whole)] == [(f"demand.{LOAD}", 1)]
    other = suffering({"h0": 0.4}, {"h0": [1]})
    assert [n.what for n in HostPressure(of="cpu_steal", resource="disk_io_kib_per_s").not_evaluated(other)] == [
        "demand.disk_io_kib_per_s"
    ]


def test_each_kind_has_a_resource_that_makes_it() -> None:
    assert {HostPressure(of=kind).made_by for kind in MADE_BY} == set(MADE_BY.values())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "rules[0].of"),
        ({"of": "disk"}, "one of cpu_steal, cpu, io, memory"),
        ({"of": "io", "safe": 0.2}, "safe (0.2) has to be at most alert (0.1)"),
        ({"of": "io", "alert": 1.5}, "rules[0].alert"),
        ({"of": "io", "step": 0}, "rules[0].step"),
        ({"of": "io", "require": ["pressure.cpu"]}, "pressure.io"),
    ],
)
def test_what_is_wrong_is_named(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        policy({"rule": "pressure", **parameters})
    assert said in str(caught.value)


@pytest.mark.parametrize("seed", range(40))
def test_random_hosts_are_judged_as_by_fractions(seed: int) -> None:
    """Judged by exact arithmetic on the document's own numbers."""
    rng = Random(f"pressure {seed}")
    steal = {f"h{i}": rng.choice([None, 0.0, round(rng.random() * 0.3, rng.choice((2, 4)))]) for i in range(4)}
    loads = {name: [rng.randint(0, 8000) for _ in range(rng.randint(0, 4))] for name in steal}
    alert, step = rng.choice([0.1, 0.2]), rng.choice([0.1, 0.25, 1.0])
    whole = suffering(steal, loads)
    want = {}
    for name, pressure in steal.items():
        if pressure is None:
            continue
        milli = -(-Fraction(str(pressure)) * 1000 // 1)
        if milli > Fraction(str(alert)) * 1000:
            load = sum(loads[name])
            limit = max(load * 50 // milli, load * (1 - Fraction(str(step))) // 1)
            if load > limit:
                want[name] = (load, int(limit))
    assert found(whole, alert=alert, step=step) == want
