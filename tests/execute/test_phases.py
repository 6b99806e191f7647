"""Where a driver holds back: what is submitted prepares, and links are taken when it is told to copy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.concurrency import Concurrency
from optimizer.execute.caps import Caps
from optimizer.execute.core import begin, step
from optimizer.execute.core.choose import tasks_of
from optimizer.execute.core.events import (
    Abort,
    Answered,
    AskGates,
    Blocked,
    Check,
    Checked,
    GatesAnswered,
    Intended,
    Look,
    Observed,
    Proceed,
    Proceeded,
    Record,
    Tick,
    Wait,
)
from optimizer.execute.core.model import Pace, Settings
from optimizer.execute.drivers import HoldsBack, JobReading, MoveRefused, NotAborted, VmReading
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.drivers.world import World
from optimizer.execute.ledger.records import Change, FlyingMove, Key
from optimizer.execute.states import MoveState
from optimizer.fleet import Mobility, VmState
from tests import build
from tests.command_line import run
from tests.execute.plans import line_fleet, move, plan_of, request_of
from tests.execute.test_core import at

if TYPE_CHECKING:
    from optimizer.execute.core.events import Effect
    from optimizer.execute.core.model import State

FLEET = line_fleet()
CAPS = Caps(FLEET, Concurrency(fleet=2, per_source=1, per_target=1, per_domain={}), apart=True)
ONE, TWO = Key("plan-1", "m0001"), Key("plan-1", "m0002")
MOVES = tuple(replace(move(FLEET, n + 1, f"v{n}", f"h{n}", "h8"), seconds=9.0) for n in (0, 1))  # to the same target


def look(key: Key, state: MoveState, *, ready: bool = False) -> Look:
    n = int(key.move[1:]) - 1
    vm = VmReading(f"v{n}", f"h{n}", VmState.RUNNING, Mobility.LIVE, {}, "h8")
    return Look(key, JobReading("j", state, 100.0, ready=ready), vm)


def prepared(**settings: Any) -> tuple[State, tuple[Effect, ...]]:
    """Take two moves to where both wait to be told to copy."""
    made = Settings(**{"fleet_cap": 2, "settles_s": 0.0, "apart": True, "canary": 2, **settings})
    state = begin(tasks_of(plan_of(FLEET, *MOVES), FLEET, CAPS), made, (), (), CAPS, at(0))
    state, effects = step(state, Tick(at(0)))
    for key in (ONE, TWO):
        assert effects[-1] == Check(key), "preparing takes no link"
        state, _ = step(state, Checked(at(0), key, ""))
        state, _ = step(state, Intended(at(0), key))
        state, effects = step(state, Answered(at(0), Change(key, MoveState.ACCEPTED), "j"))
    state, _ = step(state, Tick(at(2)))
    return step(state, Observed(at(2), tuple(look(k, MoveState.PREPARING, ready=True) for k in (ONE, TWO))))


def test_both_prepare_and_one_copies_to_the_same_target() -> None:
    state, effects = prepared()
    assert effects[-1] == Proceed(ONE)
    assert isinstance(effects[0], Record)
    state, effects = step(state, Proceeded(at(2), ONE, Change(ONE, MoveState.COPYING)))
    assert effects == (Wait(2.0),)
    going_on = (look(ONE, MoveState.COPYING), look(TWO, MoveState.PREPARING, ready=True))
    state, effects = step(step(state, Tick(at(4)))[0], Observed(at(4), going_on))
    assert effects == (Wait(2.0),)
    arrived = VmReading("v0", "h8", VmState.RUNNING, Mobility.LIVE, {})
    for now in (6, 8):
        done = (Look(ONE, JobReading("j", MoveState.DONE), arrived), going_on[1])
        state, effects = step(step(state, Tick(at(now)))[0], Observed(at(now), done))
    assert effects[-1] == Proceed(TWO)


def test_what_the_ledger_holds_back_is_asked_again_in_the_next_round() -> None:
    state, _ = prepared()
    state, effects = step(state, Proceeded(at(2), ONE, None))
    assert effects == (Wait(2.0),)
    again = tuple(look(k, MoveState.PREPARING, ready=True) for k in (ONE, TWO))
    assert step(state, Observed(at(4), again))[1][-1] == Proceed(ONE)


def test_what_is_refused_to_copy_three_times_is_given_up() -> None:
    state, effects = prepared()
    again = tuple(look(k, MoveState.PREPARING, ready=True) for k in (ONE, TWO))
    for now in (2, 4, 6):
        assert effects[-1] == Proceed(ONE)
        state, _ = step(state, Proceeded(at(now), ONE, None, refused=True))
        state, effects = step(state, Observed(at(now + 2), again))
    assert [e.key for e in effects if isinstance(e, Abort)] == [ONE]


def test_a_stop_gives_up_what_is_only_prepared() -> None:
    state, _ = prepared()
    state, effects = step(state, Blocked(at(3), "stopped by ann: fire"))
    assert not [e for e in effects if isinstance(e, Proceed)]
    again = tuple(look(k, MoveState.PREPARING, ready=True) for k in (ONE, TWO))
    state, effects = step(state, Observed(at(4), again))
    assert [e.key for e in effects if isinstance(e, Abort)] == [ONE, TWO]


def test_what_no_limit_lets_copy_is_given_up_in_the_end() -> None:
    state, _ = prepared(patience_s=60)
    again = tuple(look(k, MoveState.PREPARING, ready=True) for k in (ONE, TWO))
    state, _ = step(state, Proceeded(at(2), ONE, None))
    for now in range(4, 60, 2):
        state, effects = step(state, Observed(at(now), again))
        assert not [e for e in effects if isinstance(e, Abort)]
        state, _ = step(state, Proceeded(at(now), ONE, None))
    _, effects = step(state, Observed(at(64), again))
    assert len([e for e in effects if isinstance(e, Abort)]) == 2


def test_gates_come_before_a_prepared_move_copies() -> None:
    state, _ = prepared(gates=True)
    state, _ = step(state, Proceeded(at(2), ONE, None))
    again = tuple(look(k, MoveState.PREPARING, ready=True) for k in (ONE, TWO))
    state, effects = step(replace(state, finished=9), Observed(at(4), again))
    assert effects[-1] == AskGates()
    effects = step(state, GatesAnswered(at(4), ("errors: 7 is over 5",)))[1]
    assert isinstance(effects[-1], Wait)
    assert step(state, GatesAnswered(at(4), ()))[1][-1] == Proceed(ONE)


def test_as_many_again_prepare_as_may_copy() -> None:
    moves = [move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}") for n in range(6)]
    made = Settings(fleet_cap=2, apart=True, canary=1)
    state = begin(tasks_of(plan_of(FLEET, *moves), FLEET, CAPS), made, (), (), CAPS, at(0))
    state, _ = step(replace(state, finished=1, pace=Pace(9)), Tick(at(0)))
    assert len(state.queue) == 4


@pytest.mark.parametrize(
    ("others", "refused"),
    [
        ([], ""),
        ([("m2", "h1", "h8", MoveState.PREPARING)], ""),
        ([("m2", "h1", "h8", MoveState.COPYING)], "1 per target"),
        ([("m2", "h1", "h8", MoveState.UNKNOWN)], "1 per target"),
        ([("m2", "h1", "h8", MoveState.SWITCHING)], "1 per target"),
        ([("m2", "h0", "h9", MoveState.COPYING)], "1 per source"),
        ([("m2", "h1", "h9", MoveState.COPYING), ("m3", "h2", "h10", MoveState.COPYING)], "2 in the fleet"),
    ],
)
def test_the_ledger_has_the_last_word_on_links(others: list[tuple[Any, ...]], refused: str) -> None:
    from optimizer.execute.ledger.ledger import Usage

    mine = FlyingMove("plan-1", "m0001", "v0", "h0", "h8", MoveState.PREPARING)
    flying = [FlyingMove("plan-0", name, f"x{name}", a, b, state) for name, a, b, state in others]
    held = CAPS.refusal_to_copy(mine, Usage((mine, *flying), lambda _: (), None))
    assert (held.reason if held else "") == refused


# -- the simulated driver ------------------------------------------------------------------------------------------


def test_a_move_waits_to_be_told_and_told_twice_is_told_once() -> None:
    driver = SimulatedDriver(FLEET, world=World(FLEET, preparing_s=20), holds_back=True)
    assert isinstance(driver, HoldsBack)
    request = request_of(MOVES[0])
    driver.submit(request)
    with pytest.raises(MoveRefused):
        driver.proceed(request)
    driver.clock.sleep(5000)
    reading = driver.observe(request)
    assert reading is not None
    assert (reading.state, reading.ready) == (MoveState.PREPARING, True)
    driver.proceed(request)
    driver.proceed(request)
    driver.clock.sleep(request.seconds - 0.1)
    driver.proceed(request)
    reading = driver.observe(request)
    assert reading is not None
    assert (reading.state, reading.ready) == (MoveState.COPYING, False)
    driver.clock.sleep(0.2)
    arrived = driver.read_vm("v0")
    assert arrived is not None
    assert arrived.host == "h8"
    with pytest.raises(NotAborted):
        driver.abort(request)


def test_what_is_prepared_can_be_aborted() -> None:
    driver = SimulatedDriver(FLEET, world=World(FLEET), holds_back=True)
    driver.submit(request_of(MOVES[0]))
    driver.abort(request_of(MOVES[0]))
    assert driver.migrating() == frozenset()


# -- as a user meets it ----------------------------------------------------------------------------------------------


def test_moves_prepare_together_and_copy_one_after_the_other(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    hosts = [
        build.host("h0", memory=100_000, state="draining"),
        *(build.host(f"h{i}", memory=100_000) for i in (1, 2, 3)),
    ]
    vms = [build.vm(f"v{i}", "h0", memory=20_000) for i in range(3)]
    Path("fleet.json").write_text(json.dumps(build.document(hosts, vms)))
    assert run("plan", "fleet.json", "-o", "plan.json").code == 0
    took = {}
    for where in ("prepares:60", "prepares:0"):
        ledger = ("--ledger", f"{where}.sqlite")
        outcome = run("apply", "fleet.json", "plan.json", "--act", "--location", where, "--json", *ledger)
        assert (outcome.code, outcome.json["done"]) == (0, 3)
        took[where] = _seconds(outcome.json)
        copying: set[str] = set()
        together = prepared_at_once = 0
        states: dict[str, str] = {}
        for event in run("ledger", "events", "--json", *ledger).json:
            if event["move"] is not None:
                states[event["move"]] = event["state"]
                copying = {m for m, s in states.items() if s in ("copying", "switching")}
                together = max(together, len(copying))
                prepared_at_once = max(prepared_at_once, sum(s == "preparing" for s in states.values()))
        assert together == 1
        assert prepared_at_once >= 1
        assert run("ledger", "verify", *ledger).code == 0
    assert took["prepares:60"] - took["prepares:0"] < 100  # three times 60 s, were they prepared one after the other


def _seconds(facts: dict[str, str]) -> float:
    from datetime import datetime

    ends = [datetime.fromisoformat(facts[name].replace("Z", "+00:00")) for name in ("started_at", "ended_at")]
    return (ends[1] - ends[0]).total_seconds()


def test_a_wrong_location_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fleet.json").write_text(
        json.dumps(build.document([build.host("h0", memory=10), build.host("h1", memory=1)], []))
    )
    run("plan", "fleet.json", "-o", "plan.json")
    for where in ("prepares:", "prepares:x", "prepares:-1", "prepares:1000000"):
        outcome = run("apply", "fleet.json", "plan.json", "--location", where)
        assert outcome.code == 2
        assert "prepares:SECONDS" in outcome.err
