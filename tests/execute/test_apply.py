"""The machinery of `apply` on plans written by hand; `verify` is asked in test_end_to_end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import AlreadyApplied, ForeignPlan, Interrupted, SafetyStop, StalePlan
from optimizer.execute import admission
from optimizer.execute.apply import Applied, apply
from optimizer.execute.core.model import Settings
from optimizer.execute.drivers import MoveRefused, Unreadable
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.ledger import Ledger, open_ledger, peek_ledger
from optimizer.execute.states import MoveState, RunState
from optimizer.fleet import HostState, MoveOutcome
from optimizer.policy import Concurrency, Policy
from optimizer.verify.verdict import Finding, Verdict
from tests import build
from tests.execute.plans import line_fleet, move, plan_of, request_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

FLEET = line_fleet()
POLICY = Policy("test", (), concurrency=Concurrency(per_domain={}))


def chain() -> Plan:
    """m1 and m2 free, m3 after m1, m4 after m3, m5 after m2."""
    return plan_of(
        FLEET,
        move(FLEET, 1, "v0", "h0", "h8"),
        move(FLEET, 2, "v1", "h1", "h9"),
        move(FLEET, 3, "v2", "h2", "h0", after=(1,), batch=2),
        move(FLEET, 4, "v3", "h3", "h2", after=(3,), batch=3),
        move(FLEET, 5, "v4", "h4", "h1", after=(2,), batch=3),
    )


@pytest.fixture(autouse=True)
def _verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "verify", lambda *_: Verdict(()))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(str(tmp_path / "ledger.sqlite")) as opened:
        yield opened


def state_of(ledger: Ledger, plan: str = "plan-1") -> RunState:
    run = ledger.run("tiny", plan)
    assert run is not None
    return run.state


def hosts_of(fleet: Fleet) -> dict[str, str]:
    return {name: fleet.hosts.ids[h] for name, h in zip(fleet.vms.ids, fleet.vms.host.tolist(), strict=True)}


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


def refused(plan: Plan, ledger: Ledger, fleet: Fleet = FLEET, driver: SimulatedDriver | None = None) -> SafetyStop:
    """Return the refusal of a plan, having made sure that it left no trace."""
    driver = driver or SimulatedDriver(fleet)
    with pytest.raises(SafetyStop) as stop:
        apply(fleet, POLICY, plan, driver, ledger, act=True)
    assert ledger.run(plan.fleet, plan.id) is None
    assert hosts_of(driver.snapshot()) == hosts_of(fleet)
    return stop.value


def test_a_foreign_plan_is_refused(ledger: Ledger) -> None:
    assert isinstance(refused(plan_of(FLEET, *chain().moves, fleet="other"), ledger), ForeignPlan)
    elsewhere = SimulatedDriver(replace(FLEET, id="other"))
    assert isinstance(refused(chain(), ledger, driver=elsewhere), ForeignPlan)


@pytest.mark.parametrize("seconds", [899, 900, 100_000])
def test_a_plan_expires_by_the_clock_of_the_driver(ledger: Ledger, seconds: int) -> None:
    driver = SimulatedDriver(FLEET)
    driver.clock.sleep(seconds)
    if seconds < 900:
        assert apply(FLEET, POLICY, chain(), driver, ledger, act=True).exit_code == 0
    else:
        assert isinstance(refused(chain(), ledger, driver=driver), StalePlan)


def later(**changes: Any) -> Fleet:
    """Return a later snapshot of the same fleet, in which something has changed."""
    hosts = [build.host(f"h{i}", cpu=4000, memory=65536, disk=10**6, rack=f"r{i // 4}") for i in range(12)]
    vms = [build.vm(f"v{i}", f"h{i}", cpu=1000, memory=1000 * (i + 1), disk=10_000) for i in range(6)]
    for path, value in changes.items():
        kind, number, field = path.split("_", 2)
        {"host": hosts, "vm": vms}[kind][int(number)][field] = value
    return build.fleet(hosts, vms, taken_at="2026-11-21T12:05:00Z")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"vm_2_host": "h11"}, "v2 is on 'h11', not on 'h2'"),
        ({"vm_2_host": None}, "no host"),
        ({"vm_2_id": "new"}, "there is no VM 'v2'"),
        ({"vm_2_demand": {"memory_mib": 1}}, "1 MiB to copy, not"),
        ({"vm_2_dirty_mib_per_s": 500.0}, "to move, not"),
        ({"host_8_state": "draining"}, "'h8' is draining"),
        ({"host_8_migration_mib_per_s": 10}, "to move, not"),
    ],
)
def test_a_plan_is_stale_where_what_it_touches_has_changed(
    ledger: Ledger, change: dict[str, object], text: str
) -> None:
    stop = refused(chain(), ledger, later(**change))
    assert isinstance(stop, StalePlan)
    assert text.replace("'", "") in str(stop).replace("'", "")


def test_a_later_snapshot_in_which_nothing_touched_has_changed_will_do(ledger: Ledger) -> None:
    fleet = later(vm_5_demand={"memory_mib": 7}, host_11_state="down")
    assert apply(fleet, POLICY, chain(), SimulatedDriver(fleet), ledger, act=True).exit_code == 0


def test_a_plan_that_verify_faults_is_refused(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ("h8 is overloaded", "two", "three", "four")
    findings = [Finding("load", f"moves[{i}]", text) for i, text in enumerate(texts)]
    monkeypatch.setattr(admission, "verify", lambda *_: Verdict(tuple(findings)))
    stop = refused(chain(), ledger)
    assert "moves[0]: h8 is overloaded; moves[1]: two; moves[2]: three; and 1 more" in str(stop)
    assert not isinstance(stop, StalePlan)
    assert isinstance(refused(chain(), ledger, later(vm_5_demand={})), StalePlan)


def test_a_later_snapshot_is_no_fault_by_itself(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = (Finding("fleet_digest", "fleet_digest", "another"), Finding("taken_at", "taken_at", "another"))
    monkeypatch.setattr(admission, "verify", lambda *_: Verdict(findings))
    refused(chain(), ledger)  # of this very snapshot nobody may say so
    fleet = later(vm_5_demand={})
    assert apply(fleet, POLICY, chain(), SimulatedDriver(fleet), ledger, act=True).exit_code == 0


class Meddled(SimulatedDriver):
    """A fleet in which something else happens just before m0003 is looked at."""

    def __init__(self, fleet: Fleet, **changes: Any) -> None:
        super().__init__(fleet)
        self.changes = changes

    def read_vm(self, vm: str):
        reading = super().read_vm(vm)
        if vm == "v2" and reading is not None:
            ours = {k[3:]: v for k, v in self.changes.items() if k.startswith("vm_")}
            return None if "gone" in ours else replace(reading, **ours)
        return reading

    def read_host(self, host: str):
        reading = super().read_host(host)
        if host == "h0" and reading is not None and hosts_of(self.snapshot())["v0"] == "h8":
            ours = {k[5:]: v for k, v in self.changes.items() if k.startswith("host_")}
            return None if "gone" in ours else replace(reading, **ours)
        return reading


@pytest.mark.parametrize(
    "change",
    [
        {"vm_gone": True},
        {"vm_host": "h7"},
        {"vm_host": None},
        {"vm_moving_to": "h7"},
        {"vm_demand": {"memory_mib": 9}},
        {"vm_state": 4},
        {"vm_mobility": 2},
        {"host_gone": True},
        {"host_state": HostState.DRAINING},
        {"host_capacity": {"memory_mib": 1}},
        {"host_busy": ("create",)},
        {"host_vms": frozenset({"stranger"})},
    ],
    ids=str,
)
def test_a_move_is_not_started_where_a_fresh_reading_differs(ledger: Ledger, change: dict[str, object]) -> None:
    applied = apply(FLEET, POLICY, chain(), Meddled(FLEET, **change), ledger, act=True)
    assert tuple(name for name, _ in applied.skipped) == ("m0003", "m0004")
    assert applied.done == ("m0001", "m0002", "m0005")
    assert applied.exit_code == 1


class Blind(SimulatedDriver):
    """Cannot read v2."""

    def read_vm(self, vm: str):
        if vm == "v2":
            raise Unreadable("no answer")
        return super().read_vm(vm)


def test_what_cannot_be_read_stops_the_run_and_what_flies_is_awaited(ledger: Ledger) -> None:
    plan = chain()
    applied = apply(FLEET, POLICY, plan, Blind(FLEET), ledger, act=True)
    assert {"m0001", "m0002"} <= set(applied.done)
    assert {name for name, _ in applied.skipped} == {"m0001", "m0002", "m0003", "m0004", "m0005"} - set(applied.done)
    assert "m0003" not in applied.done
    assert "no answer" in applied.stopped
    assert applied.exit_code == 4
    assert state_of(ledger, plan.id) is RunState.STOPPED


class Refusing(SimulatedDriver):
    """Refuses m0001."""

    def submit(self, request) -> str:
        if request.move == "m0001":
            raise MoveRefused("no")
        return super().submit(request)


def test_a_refused_move_has_failed(ledger: Ledger) -> None:
    applied = apply(FLEET, POLICY, chain(), Refusing(FLEET), ledger, act=True)
    assert applied.failed == ("m0001",)
    assert applied.done == ("m0002", "m0005")


class Crashing(SimulatedDriver):
    """Dies while m0003 is submitted: nobody knows whether it started."""

    def submit(self, request) -> str:
        if request.move == "m0003":
            raise RuntimeError("power cut")
        return super().submit(request)


def test_after_a_crash_between_intent_and_submit_the_run_goes_on(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.sqlite")
    crashed = Crashing(FLEET)
    with open_ledger(path) as ledger, pytest.raises(RuntimeError, match="power cut"):
        apply(FLEET, POLICY, chain(), crashed, ledger, act=True)
    again = SimulatedDriver(FLEET, clock=crashed.clock, world=crashed.world)
    with open_ledger(path) as ledger:
        assert ledger.states("tiny", "plan-1")["m0003"] is MoveState.INTENDED
        applied = apply(FLEET, POLICY, chain(), again, ledger, act=True)
        assert set(applied.done) == {"m0001", "m0002", "m0003", "m0004", "m0005"}
        assert applied.exit_code == 0
        assert ledger.in_flight("tiny") == ()
        assert ledger.audit().faults == ()
    assert len(again.world.jobs) == 5
    assert len(applied.past) >= 5


class Forgetful(SimulatedDriver):
    """Starts m0003, and the process dies before it hears of that."""

    def submit(self, request) -> str:
        job = super().submit(request)
        if request.move == "m0003":
            raise RuntimeError("power cut")
        return job


def test_a_move_that_was_submitted_before_a_crash_is_found_and_not_repeated(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.sqlite")
    crashed = Forgetful(FLEET)
    with open_ledger(path) as ledger, pytest.raises(RuntimeError, match="power cut"):
        apply(FLEET, POLICY, chain(), crashed, ledger, act=True)
    with open_ledger(path) as ledger:
        driver = SimulatedDriver(FLEET, clock=crashed.clock, world=crashed.world)
        applied = apply(FLEET, POLICY, chain(), driver, ledger, act=True)
        assert (len(applied.done), applied.exit_code) == (5, 0)
        moves = {m.flying.move: m.flying.attempt for m in ledger.moves("tiny", "plan-1")}
        assert set(moves.values()) == {1}
    assert sorted(j.request.move for j in crashed.world.jobs.values()) == sorted(applied.done)


def test_another_plan_takes_over_and_counts_what_is_in_flight(tmp_path: Path) -> None:
    """The moves of the plan that was cut off are observed to their end, and keep their slots until then."""
    path = str(tmp_path / "ledger.sqlite")
    crashed = Forgetful(FLEET)
    with open_ledger(path) as ledger, pytest.raises(RuntimeError, match="power cut"):
        apply(FLEET, POLICY, chain(), crashed, ledger, act=True)
    now = crashed.snapshot()
    onto_it = replace(plan_of(now, move(now, 1, "v5", "h5", "h10")), id="plan-2")
    busy = {j.request.vm for j in crashed.world.running()}
    assert "v2" in busy
    with open_ledger(path) as ledger:
        driver = SimulatedDriver(now, clock=crashed.clock, world=crashed.world)
        policy = replace(POLICY, concurrency=Concurrency(fleet=1, per_domain={}))
        applied = apply(now, policy, onto_it, driver, ledger, act=True)
        assert (applied.done, applied.exit_code) == (("m0001",), 0)
        assert state_of(ledger, "plan-1") is RunState.SUPERSEDED
        assert ledger.states("tiny", "plan-1")["m0003"] is MoveState.DONE
        assert ledger.in_flight("tiny") == ()
    last = max(crashed.world.jobs.values(), key=lambda j: j.started_at)
    assert last.request.vm == "v5"
    assert all(
        j.ended_at is not None and j.ended_at <= last.started_at for j in crashed.world.jobs.values() if j != last
    )


class Interrupting(SimulatedDriver):
    """The user presses Ctrl-C while the first moves are in flight."""

    def observe(self, request):
        raise KeyboardInterrupt


def test_an_interrupt_leaves_the_truth_in_the_ledger(ledger: Ledger) -> None:
    with pytest.raises(Interrupted, match=r"may be in flight: m0001 \(v0: h0 to h8\), m0002 \(v1: h1 to h9\)") as stop:
        apply(FLEET, POLICY, chain(), Interrupting(FLEET), ledger, act=True)
    assert stop.value.exit_code == 130
    assert [f.move for f in ledger.in_flight("tiny")] == ["m0001", "m0002"]


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
