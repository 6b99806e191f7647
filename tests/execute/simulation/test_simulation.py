"""Random schedules under faults and crashes, judged offline; a failing seed is named and replays alone.

`python -m tests.execute.simulation FIRST NUMBER` runs as many as one likes. In CI a sixteenth of 2,000 takes turns.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optimizer.execute.drivers.faults import Fault
from optimizer.execute.probes import PROBES
from optimizer.execute.states import MoveState
from tests.execute.simulation import checker, history, limits, load, orders
from tests.execute.simulation.checker import violations
from tests.execute.simulation.history import Facts
from tests.execute.simulation.meddling import Mayhem
from tests.execute.simulation.network import Network
from tests.execute.simulation.plans import AGENTS, LARGE, SMALL
from tests.execute.simulation.simulate import simulate, without_admission

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tests.execute.simulation.plans import Shape

QUICK, CHUNK, CHUNKS = 20, 25, 80
AGENTS_CHUNK, AGENTS_CHUNKS = 8, 32

RARE = ("withdraw", "abort")
"""Steps of which the crashes are left to `tests.execute.crashes`, which visits each."""

JUDGES = (checker, history, limits, load, orders)

INTERESTING = {
    *(fault.name for fault in Fault),
    *(state.value for state in MoveState if state not in (MoveState.PREPARING, MoveState.GONE)),
    *(f"crash {probe}" for probe in PROBES if not probe.endswith(RARE)),
    *(kind.name for kind in Mayhem),
    *("takeover", "left open", "told to copy"),
    *("gate open", "gate closed", "gate hangs", "gate nonsense", "hook agrees", "hook vetoes", "hook after"),
    *(f"looked aside: slow {guard}" for guard in ("gate", "hook before", "hook after")),
    *("breaker", "run stopped", "ended done", "ended failed", "ended skipped", "ended unknown", "refused"),
}
"""What has to be reached in a run of the whole, or it says nothing."""


@pytest.fixture(autouse=True)
def _let_in() -> Iterator[None]:
    with without_admission():
        yield


def run(first: int, number: int, shape: Shape = SMALL) -> set[str]:
    reached: set[str] = set()
    for seed in range(first, first + number):
        found = simulate(seed, shape=shape)
        named = {SMALL: "small", LARGE: "large", AGENTS: "agents"}[shape]
        assert found.broken == [], f"python -m tests.execute.simulation {seed} 1 --shape {named}"
        assert found.steps >= shape.least_steps and found.faults >= shape.least_faults, seed
        assert found.moves >= shape.least_moves, seed
        reached |= found.reached
    return reached


def test_nothing_is_broken_quick() -> None:
    run(0, QUICK)


@pytest.mark.rotating(shares=16)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_nothing_is_broken(chunk: int) -> None:
    run(1000 + CHUNK * chunk, CHUNK)


@pytest.mark.rotating(shares=16)
def test_every_interesting_state_is_reached() -> None:
    left = set(INTERESTING)
    for first in range(10_000, 10_000 + 500, 10):
        left -= run(first, 10)
        if not left:
            return
    raise AssertionError(left)


def test_nothing_is_broken_through_a_gateway_and_agents_quick() -> None:
    run(240, 3, AGENTS)


@pytest.mark.rotating(shares=16)
@pytest.mark.parametrize("chunk", range(AGENTS_CHUNKS))
def test_nothing_is_broken_through_a_gateway_and_agents(chunk: int) -> None:
    run(1000 + AGENTS_CHUNK * chunk, AGENTS_CHUNK, AGENTS)


@pytest.mark.rotating(shares=16)
@pytest.mark.parametrize("chunk", range(16))
def test_nothing_is_broken_in_long_plans(chunk: int) -> None:
    run(1000 + 2 * chunk, 2, LARGE)


@pytest.mark.rotating(shares=16)
def test_all_that_may_happen_to_gateway_and_agents_is_reached() -> None:
    left = {*(kind.name for kind in Network), "old leader refused", "lease ran out"}
    for first in range(10_000, 10_000 + 160, 8):
        left -= run(first, 8, AGENTS)
        if not left:
            return
    raise AssertionError(left)


@pytest.mark.slow
def test_without_faults_all_is_done() -> None:
    for seed in range(20):
        found = simulate(seed, kinds=())
        assert found.broken == []


@pytest.mark.parametrize("shape", [SMALL, AGENTS])
def test_a_seed_is_the_same_twice(shape: Shape) -> None:
    assert simulate(3, shape=shape).history == simulate(3, shape=shape).history


@pytest.mark.parametrize("judge", JUDGES)
def test_the_checker_knows_nothing_of_the_executor(judge: ModuleType) -> None:
    tree = ast.parse(Path(str(judge.__file__)).read_text("utf-8"))
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    judges = {judge.__name__ for judge in JUDGES}
    assert modules <= judges | {"__future__", "collections", "collections.abc", "dataclasses", "typing"}


# -- the checker itself -----------------------------------------------------------------------------------------------

FACTS = Facts(2, 1, 1, 2, {f"h{i}": f"r{i // 3}" for i in range(9)}, {"v0": "g", "v1": "g"}, {("p", "m2"): ["m1"]})


def submit(move: str, vm: str, source: str, target: str, **more):
    facts = {"plan": "p", "move": move, "attempt": 1, "vm": vm, "source": source, "target": target, "epoch": 1} | more
    return {"what": "submit", "token": f"p/{move}/{facts['attempt']}", **facts}


def state(move: str, state: str):
    return {"what": "state", "plan": "p", "move": move, "state": state}


def start(move: str, vm: str, attempt: int = 1):
    return {"what": "start", "token": f"p/{move}/{attempt}", "vm": vm}


def end(move: str, vm: str, at: str, attempt: int = 1):
    return {"what": "end", "token": f"p/{move}/{attempt}", "vm": vm, "at": at}


ABORT = {"what": "abort", "token": "p/m1/1", "plan": "p"}
FIRST = [state("m1", "intended"), submit("m1", "v0", "h0", "h3"), start("m1", "v0")]
ENDED = [*FIRST, end("m1", "v0", "h3"), state("m1", "done")]
SECOND = [state("m2", "intended"), submit("m2", "v2", "h1", "h6"), start("m2", "v2")]


@pytest.mark.parametrize(
    ("history", "what"),
    [
        (ENDED + SECOND, None),
        ([*FIRST, FIRST[1]], "submitted 2 times"),
        ([FIRST[1]], "before it was intended"),
        (FIRST + SECOND, "before m1 was done"),
        ([*FIRST, state("m1", "failed"), end("m1", "v0", "h0")], "and then there was its end"),
        ([*FIRST[:2], state("m1", "failed"), start("m1", "v0")], "and then there was its start"),
        ([*FIRST, end("m1", "v0", "h0"), state("m1", "done")], "is done, but the VM is on h0"),
        ([*FIRST, end("m1", "v0", "h3"), state("m1", "failed")], "is failed, but the VM is on h3"),
        ([{"what": "stop"}, *FIRST], "after the stop"),
        ([{"what": "stop"}, {"what": "resume"}, *ENDED], None),
        ([{"what": "limit", "most": 0}, *FIRST], "1 at once, 0 allowed in the fleet"),
        ([*FIRST, state("m3", "intended"), submit("m3", "v5", "h0", "h8")], "2 at once for source h0"),
        ([*FIRST, state("m3", "intended"), submit("m3", "v5", "h8", "h3")], "2 at once for target h3"),
        ([*FIRST, state("m3", "intended"), submit("m3", "v1", "h8", "h6")], "2 at once for group g"),
        ([*FIRST, state("m3", "intended"), submit("m3", "v0", "h8", "h6")], "2 at once for VM v0"),
        ([*ENDED, state("m3", "intended"), submit("m3", "v5", "h8", "h6", epoch=0)], "in epoch 0 after 1"),
        (
            [
                *FIRST,
                end("m1", "v0", "h0"),
                state("m1", "failed"),
                state("m1", "intended"),
                submit("m1", "v0", "h0", "h3", attempt=2),
            ],
            "submitted 2 times, 1 attempts allowed",
        ),
        ([*ENDED, *SECOND], "behind a closed gate"),
        ([*ENDED, {"what": "gate open", "plan": "p"}, *SECOND], None),
        ([*ENDED, {"what": "gate hangs", "plan": "p"}, *SECOND], "behind a closed gate"),
        ([*ENDED, {"what": "gate open", "plan": "p"}, {"what": "crash"}, *SECOND], "behind a closed gate"),
        ([{"what": "hook vetoes", "plan": "p", "move": "m1"}, *ENDED], "against a veto"),
        ([{"what": "lead", "epoch": 2}, *FIRST], "in epoch 1 after 2"),
        ([{"what": "down", "host": "h3"}, *FIRST], "a host of it was dead"),
        ([{"what": "down", "host": "h3"}, {"what": "up", "host": "h3"}, *FIRST], None),
        ([{"what": "resized", "vm": "v0", "s": -1.0}, *FIRST], "others had resized its VM"),
        ([{"what": "moved", "vm": "v0", "s": -11.0, "at": "h5"}, *FIRST], "others had moved its VM"),
        ([{"what": "deleted", "vm": "v0", "s": -11.0}, *FIRST], "others had deleted its VM"),
        ([{"what": "moved", "vm": "v0", "s": -11.0, "at": "h0"}, *FIRST], None),
        ([*FIRST, {"what": "doubled", "vm": "v0", "s": 0.0, "for_s": 9.0}, *ENDED[3:]], "two copies of v0"),
        ([*FIRST, {"what": "takeover", "plan": "q"}, ABORT], "was to be given up by q"),
        ([*FIRST, {"what": "takeover", "plan": "q"}, {"what": "stop", "abort": True}, ABORT], None),
    ],
)
def test_the_checker_finds(history, what: str | None) -> None:
    gated = any(e["what"].startswith("gate") for e in history) or what == "behind a closed gate"
    found = violations(history, replace(FACTS, canary=1, gate_every=1) if gated else FACTS)
    assert found == [] if what is None else any(what in one for one in found), found


def order(what: str, move: str = "m1", **more):
    return {"what": what, "token": f"p/{move}/1", "host": "h0", "agent": "a", "epoch": 1} | more


TAKEN = [*FIRST[:2], order("handed"), order("received"), order("asked")]


@pytest.mark.parametrize(
    ("history", "what"),
    [
        (TAKEN, None),
        ([*TAKEN, order("handed"), order("received")], None),  # the reply was lost
        ([*TAKEN, order("asked")], "p/m1/1 was asked for 2 times"),
        ([*TAKEN, order("handed", agent="b")], "p/m1/1 was handed out twice, to a and to b"),
        ([*TAKEN[:3], order("asked")], "by h0, which had not heard of it"),
        ([order("handed")], "nobody had submitted it"),
        ([*FIRST[:2], state("m1", "failed"), order("handed")], "after it was written down as failed"),
        ([*FIRST[:2], {"what": "stop"}, order("handed")], "was handed out after the stop"),
        ([order("known", look=7), order("known", look=7), order("known", look=9)], None),
        ([order("known", look=8), order("known", look=7)], "look 7 of h0 took the place of look 8"),
        ([*TAKEN, {"what": "stop"}, order("handed")], None),
        (
            [*TAKEN, *SECOND[:1], order("received", "m2", epoch=0), order("asked", "m2", epoch=0)],
            "p/m2/1 of epoch 0 was begun, and h0 knew epoch 1",
        ),
    ],
)
def test_the_judge_of_orders_finds(history, what: str | None) -> None:
    found = list(orders.disorder(history))
    assert found == [] if what is None else any(what in one for one in found), found


TIMED = replace(FACTS, backoff_s=20.0, window_s=300.0, window_moves=1, canary=1, most_submits_per_move=2, fleet=9)
AGAIN = [end("m1", "v0", "h0"), state("m1", "failed"), state("m1", "intended")]


@pytest.mark.parametrize(
    ("later", "what"),
    [
        ([*AGAIN, submit("m1", "v0", "h0", "h3", attempt=2, s=5.0)], "was tried again after 5 s"),
        ([*AGAIN, submit("m1", "v0", "h0", "h3", attempt=2, s=20.0)], None),
        ([end("m1", "v0", "h3"), state("m1", "done"), state("m3", "intended")], "2 began within 300 s"),
        ([submit("m3", "v5", "h7", "h8")], "before 1 canaries had ended"),
    ],
)
def test_the_checker_finds_what_is_too_soon(later, what: str | None) -> None:
    history = [{"s": 0.0} | event for event in [*FIRST, *later]]
    found = violations(history, TIMED)
    assert found == [] if what is None else any(what in one for one in found), found
