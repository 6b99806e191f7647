"""From a fleet to the fleet after: real plans, judged by the real `verify`, carried out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from optimizer.check import check
from optimizer.errors import AlreadyApplied, SafetyStop
from optimizer.execute.apply import apply
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.ledger import Ledger, open_ledger
from optimizer.fleet import Move, State
from optimizer.pipeline import Request, make_plan
from tests import build

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.problem.rule import Violation

POLICY = build.policy()


def crowded() -> Fleet:
    """Return two full hosts and a pair on the same host, with so little room that moves depend on each other."""
    hosts = [build.host(f"h{i}", memory=10_000, disk=100_000) for i in range(4)]
    vms = [
        build.vm("a1", "h0", memory=6_000, groups=["a"]),
        build.vm("a2", "h0", memory=6_000, groups=["a"]),
        build.vm("b1", "h1", memory=5_000, groups=["b"]),
        build.vm("b2", "h1", memory=4_000, groups=["b"]),
        build.vm("c", "h2", memory=3_000),
        build.vm("d", "h3", memory=2_000),
    ]
    return build.fleet(hosts, vms)


FLEET = crowded()


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(FLEET, POLICY, Request(seconds=10, deterministic=True))


def excesses(found: list[Violation]) -> dict[tuple[str, ...], int]:
    return {v.instance: v.excess for v in found}


def test_the_fleet_afterwards_is_what_the_plan_promised(plan: Plan, ledger: Ledger) -> None:
    assert check(FLEET, POLICY)
    assert len(plan.moves) >= 2
    driver = SimulatedDriver(FLEET)
    applied = apply(FLEET, POLICY, plan, driver, ledger, act=True)
    assert applied.exit_code == 0
    assert len(applied.done) == len(plan.moves)
    assert not plan.remaining
    assert check(driver.snapshot(), POLICY) == []
    with pytest.raises(AlreadyApplied):
        apply(FLEET, POLICY, plan, SimulatedDriver(FLEET), ledger, act=True)


def test_whatever_move_fails_nothing_gets_worse_at_any_instant(plan: Plan, tmp_path: Path) -> None:
    at_first = excesses(check(FLEET, POLICY))
    for move in plan.moves:
        states = [State.start(FLEET)]

        def watch(m, state, *_, states: list[State] = states) -> None:
            moved = Move(FLEET.vm_index[m.vm], FLEET.host_index[m.source], FLEET.host_index[m.target])
            last = states[-1]
            if state.value == "accepted":
                states.append(last.begin([moved]))
            elif state.value == "done":
                states.append(last.finish([moved]))
            elif state.value == "failed":
                states.append(replace(last, in_flight=tuple(f for f in last.in_flight if f != moved)))

        with open_ledger(str(tmp_path / move.id)) as ledger:
            driver = SimulatedDriver(FLEET, {move.id})
            applied = apply(FLEET, POLICY, plan, driver, ledger, act=True, progress=watch)
        assert applied.failed == (move.id,)
        assert {*applied.done, *applied.failed, *(s for s, _ in applied.skipped)} == {m.id for m in plan.moves}
        started = {*applied.done, *applied.failed}
        assert all(set(m.after) <= set(applied.done) for m in plan.moves if m.id in started)
        for state in states:
            now = [v for rule in POLICY.rules for v in rule.check(state)]
            assert all(v.excess <= at_first.get(v.instance, 0) for v in now), state


def test_a_plan_that_was_meddled_with_is_refused(plan: Plan, ledger: Ledger) -> None:
    first = plan.moves[0]
    elsewhere = next(h for h in FLEET.hosts.ids if h not in (first.source, first.target) and h != plan.moves[-1].target)
    meddled = replace(plan, moves=(replace(first, target=elsewhere), *plan.moves[1:]))
    driver = SimulatedDriver(FLEET)
    with pytest.raises(SafetyStop):
        apply(FLEET, POLICY, meddled, driver, ledger, act=True)
    assert (driver.snapshot().vms.host == FLEET.vms.host).all()
    assert ledger.run(plan.fleet, plan.id) is None
