"""`apply` where something else happens: to the fleet, to the driver, to the process itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.concurrency import Concurrency
from optimizer.errors import Interrupted
from optimizer.execute.apply import apply
from optimizer.execute.button import StopFile
from optimizer.execute.drivers import MoveRefused, Unreadable
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.ledger import Ledger, open_ledger
from optimizer.execute.states import MoveState, RunState
from optimizer.fleet import HostState
from tests.execute.applying import FLEET, POLICY, chain, hosts_of, state_of
from tests.execute.plans import move, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from optimizer.fleet import Fleet

pytestmark = pytest.mark.usefixtures("unjudged")


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


class Away(SimulatedDriver):
    """Cannot be read for a while from the beginning on."""

    def __init__(self, fleet: Fleet, seconds: float, during: Callable[[float], None] = lambda _: None) -> None:
        super().__init__(fleet)
        self.until, self.during = self.clock.monotonic() + seconds, during

    def read_vm(self, vm: str):
        left = self.until - self.clock.monotonic()
        if left > 0:
            self.during(left)
            raise Unreadable("503")
        return super().read_vm(vm)


def test_an_api_that_is_away_for_half_a_minute_stops_no_run(ledger: Ledger) -> None:
    applied = apply(FLEET, POLICY, chain(), Away(FLEET, 25.0), ledger, act=True)
    assert (len(applied.done), applied.stopped) == (5, "")


def test_one_that_is_away_for_longer_stops_it_and_nothing_was_begun(ledger: Ledger) -> None:
    applied = apply(FLEET, POLICY, chain(), Away(FLEET, 40.0), ledger, act=True)
    assert (applied.done, len(applied.skipped), applied.exit_code) == ((), 5, 4)
    assert applied.stopped == "what cannot be read stops the run: 503"


def test_the_button_is_heeded_while_nothing_can_be_read(ledger: Ledger, tmp_path: Path) -> None:
    """It is pressed in an outage, which the run then does not sit out."""
    button = StopFile(tmp_path / "stop")

    def during(left: float) -> None:
        if left <= 90.0:
            (tmp_path / "stop").write_text("ann: no more\n")

    driver = Away(FLEET, 100.0, during)
    began = driver.clock.monotonic()
    applied = apply(FLEET, POLICY, chain(), driver, ledger, act=True, button=button)
    assert applied.done == () and "503" not in applied.stopped
    assert driver.clock.monotonic() - began < 40.0


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
