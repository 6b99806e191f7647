"""The machinery of `apply` on plans written by hand; `verify` is asked in test_end_to_end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from optimizer.concurrency import Concurrency
from optimizer.errors import AlreadyApplied, SafetyStop
from optimizer.execute.apply import Applied, apply
from optimizer.execute.core.model import Settings
from optimizer.execute.drivers import MoveRefused
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.ledger import Ledger, open_ledger, peek_ledger
from optimizer.execute.states import MoveState, RunState
from optimizer.fleet import MoveOutcome
from tests import build
from tests.execute.applying import FLEET, POLICY, chain, hosts_of, state_of
from tests.execute.plans import move, plan_of, request_of

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

pytestmark = pytest.mark.usefixtures("unjudged")


def test_everything_is_done_recorded_and_takes_its_time(ledger: Ledger) -> None:
    driver, plan = SimulatedDriver(FLEET), chain()
    seen: list[tuple[str, MoveState]] = []
    applied = apply(FLEET, POLICY, plan, driver, ledger, act=True, progress=lambda m, s, *_: seen.append((m.id, s)))
    assert sorted(applied.done) == ["m0001", "m0002", "m0003", "m0004", "m0005"]
    assert (applied.failed, applied.skipped, applied.stopped, applied.exit_code) == ((), (), "", 0)
    seconds = {m.id: m.seconds for m in plan.moves}
    chain_s = seconds["m0001"] + seconds["m0003"] + seconds["m0004"]  # no batch has to wait for another
    confirming_s = 3 * 3 * Settings().poll_s
    took = applied.ended_at - applied.started_at
    assert timedelta(seconds=chain_s) <= took <= timedelta(seconds=chain_s + confirming_s)
    after = hosts_of(driver.snapshot())
    assert after == {"v0": "h8", "v1": "h9", "v2": "h0", "v3": "h2", "v4": "h1", "v5": "h5"}
    assert state_of(ledger, plan.id) is RunState.DONE
    assert set(ledger.states("tiny", plan.id).values()) == {MoveState.DONE}
    of_first = [state for move, state in seen if move == "m0001"]
    assert of_first == [MoveState.INTENDED, MoveState.ACCEPTED, MoveState.COPYING, MoveState.DONE]


@pytest.mark.parametrize(
    ("fail", "skipped"),
    [("m0001", ("m0003", "m0004")), ("m0002", ("m0005",)), ("m0003", ("m0004",)), ("m0004", ()), ("m0005", ())],
)
def test_a_failure_stops_its_dependents_and_nothing_else(ledger: Ledger, fail: str, skipped: tuple[str, ...]) -> None:
    driver, plan = SimulatedDriver(FLEET, {fail}), chain()
    applied = apply(FLEET, POLICY, plan, driver, ledger, act=True)
    assert applied.failed == (fail,)
    assert tuple(name for name, _ in applied.skipped) == skipped
    assert {*applied.done, *skipped, fail} == {m.id for m in plan.moves}
    assert applied.exit_code == 1
    moved = {m.vm: m.target for m in plan.moves if m.id in applied.done}
    assert hosts_of(driver.snapshot()) == hosts_of(FLEET) | moved
    assert state_of(ledger, plan.id) is RunState.FAILED


def test_a_dry_run_writes_nothing_and_moves_nothing(tmp_path: Path) -> None:
    driver = SimulatedDriver(FLEET)
    path = str(tmp_path / "ledger.sqlite")
    applied = apply(FLEET, POLICY, chain(), driver, peek_ledger(path), act=False)
    assert applied.would_do == ("m0001", "m0002", "m0003", "m0004", "m0005")
    assert (applied.acted, applied.done, applied.exit_code) == (False, (), 0)
    assert hosts_of(driver.snapshot()) == hosts_of(FLEET)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_that_the_plan_was_applied(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.sqlite")
    with open_ledger(path) as ledger:
        apply(FLEET, POLICY, chain(), SimulatedDriver(FLEET), ledger, act=True)
    before = (tmp_path / "ledger.sqlite").read_bytes()
    peeked = peek_ledger(path)
    assert peeked is not None
    with peeked, pytest.raises(AlreadyApplied):
        apply(FLEET, POLICY, chain(), SimulatedDriver(FLEET), peeked, act=False)
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


def test_a_second_apply_does_nothing(ledger: Ledger) -> None:
    apply(FLEET, POLICY, chain(), SimulatedDriver(FLEET), ledger, act=True)
    events = ledger.events("tiny")
    again = SimulatedDriver(FLEET)
    with pytest.raises(AlreadyApplied) as refused:
        apply(FLEET, POLICY, chain(), again, ledger, act=True)
    assert refused.value.exit_code == 4
    assert hosts_of(again.snapshot()) == hosts_of(FLEET)
    assert ledger.events("tiny") == events


def overlap(fleet: Fleet, plan: Plan, caps: Concurrency, ledger: Ledger) -> list[frozenset[str]]:
    """Return the sets of moves that were in flight together."""
    flying: set[str] = set()
    seen: list[frozenset[str]] = []

    def watch(move, state, *_) -> None:
        if state is MoveState.ACCEPTED:
            flying.add(move.id)
            seen.append(frozenset(flying))
        flying.difference_update({move.id} if state in (MoveState.DONE, MoveState.FAILED) else ())

    policy = replace(POLICY, concurrency=caps)
    applied = apply(fleet, policy, plan, SimulatedDriver(fleet), ledger, act=True, progress=watch)
    assert applied.exit_code == 0
    return seen


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_moves_at_once_than_the_fleet_allows(ledger: Ledger, most: int) -> None:
    plan = plan_of(FLEET, *(move(FLEET, i + 1, f"v{i}", f"h{i}", f"h{i + 6}") for i in range(6)))
    seen = overlap(FLEET, plan, Concurrency(fleet=most, per_domain={}), ledger)
    assert max(len(s) for s in seen) == most


def test_one_move_at_once_for_a_source_a_target_and_two_for_a_rack(ledger: Ledger) -> None:
    fleet = build.fleet(
        [build.host(f"h{i}", memory=65536, rack=f"r{i // 2}") for i in range(12)],
        [build.vm(f"v{i}", f"h{i // 2}", memory=1000) for i in range(8)],
    )
    plan = plan_of(fleet, *(move(fleet, i + 1, f"v{i}", f"h{i // 2}", f"h{4 + i % 4}") for i in range(8)))
    seen = overlap(fleet, plan, Concurrency(fleet=8, per_domain={"rack": 2, "unheard_of": 0}), ledger)
    by_id = {m.id: m for m in plan.moves}
    for together in seen:
        moves = [by_id[m] for m in together]
        assert len({m.source for m in moves}) == len({m.target for m in moves}) == len(moves)
        for rack in range(6):
            ends = {f"h{2 * rack}", f"h{2 * rack + 1}"}
            assert sum(bool({m.source, m.target} & ends) for m in moves) <= 2
    assert max(len(s) for s in seen) == 4


def test_limits_that_let_nothing_start_stop_the_run(ledger: Ledger) -> None:
    policy = replace(POLICY, concurrency=Concurrency(per_source=0))
    applied = apply(FLEET, policy, chain(), SimulatedDriver(FLEET), ledger, act=True)
    assert "0 per source" in applied.stopped
    assert len(applied.skipped) == 5
    assert applied.exit_code == 4


def test_a_vm_hops(ledger: Ledger) -> None:
    plan = plan_of(FLEET, move(FLEET, 1, "v0", "h0", "h8"), move(FLEET, 2, "v0", "h8", "h9", after=(1,), batch=2))
    driver = SimulatedDriver(FLEET)
    assert apply(FLEET, POLICY, plan, driver, ledger, act=True).done == ("m0001", "m0002")
    assert hosts_of(driver.snapshot())["v0"] == "h9"


def test_acting_needs_a_ledger() -> None:
    with pytest.raises(SafetyStop, match="ledger"):
        apply(FLEET, POLICY, chain(), SimulatedDriver(FLEET), None, act=True)


def test_a_plan_without_moves_is_done_at_once(ledger: Ledger) -> None:
    applied = apply(FLEET, POLICY, plan_of(FLEET), SimulatedDriver(FLEET), ledger, act=True)
    assert applied == Applied("plan-1", "tiny", True, FLEET.taken_at, FLEET.taken_at, simulated=True)
    assert state_of(ledger, "plan-1") is RunState.DONE


def test_the_snapshot_afterwards_tells_the_history(ledger: Ledger) -> None:
    driver = SimulatedDriver(FLEET, {"m0002"})
    applied = apply(FLEET, POLICY, chain(), driver, ledger, act=True)
    after = driver.snapshot()
    assert after.taken_at == applied.ended_at
    assert after.history_since == FLEET.now
    outcomes = {p.vm: p.outcome for p in after.history}
    assert outcomes["v0"] is MoveOutcome.DONE
    assert outcomes["v1"] is MoveOutcome.FAILED
    assert len(after.history) == 4


def test_what_no_vm_explains_stays_with_its_host(ledger: Ledger) -> None:
    hosts = [build.host(f"h{i}", disk=10**6, measured={"disk_mib": 50_000 if i else 5_000}) for i in range(3)]
    fleet = build.fleet(hosts, [build.vm(f"v{i}", f"h{i}", disk=10_000) for i in range(2)])
    plan = plan_of(fleet, move(fleet, 1, "v0", "h0", "h2"), move(fleet, 2, "v1", "h1", "h0", after=(1,), batch=2))
    driver = SimulatedDriver(fleet)
    apply(fleet, POLICY, plan, driver, ledger, act=True)
    assert driver.snapshot().unexplained.tolist() == fleet.unexplained.tolist()
    assert driver.snapshot().hosts.measured[:, 2].tolist() == [5_000, 40_000, 60_000]


def test_a_snapshot_half_way_shows_what_is_under_way() -> None:
    driver = SimulatedDriver(FLEET)
    driver.submit(request_of(chain().moves[0]))
    (flying,) = driver.snapshot().in_flight
    assert (flying.vm, flying.source, flying.target, flying.by) == (0, 0, 8, "remora")
    with pytest.raises(MoveRefused):
        driver.submit(request_of(replace(chain().moves[2], source="h9")))
