"""One host's agent, its gateway played by the test: restarts at every step, epochs, time, silence."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SimulatedClock
from optimizer.errors import InputError
from optimizer.execute.agents.client import GatewayDown
from optimizer.execute.agents.memory import Memory
from optimizer.execute.agents.run_agent import LONGEST_S, Backoff
from optimizer.execute.agents.worker import Worker
from optimizer.execute.drivers import ReplyLost, Unreadable
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.drivers.world import World
from optimizer.plan import PlannedMove
from tests.execute.plans import line_fleet, request_of

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.execute.drivers import Request

FLEET = line_fleet(vms=3, hosts=5)
TOKEN = "plan/m1/1"


class Desk:
    """Plays the gateway: hands out what it is given, keeps what it hears."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.abort: list[str] = []
        self.reports: list[dict[str, Any]] = []
        self.ends: list[dict[str, Any]] = []
        self.down, self.lost, self.look = False, False, 0
        self.seen: list[dict[str, Any]] = []

    def ask(self, path: str, asked: dict[str, Any], more_s: float = 0.0) -> dict[str, Any]:
        if self.down:
            raise GatewayDown("no answer")
        json.dumps(asked)
        if path.endswith("claim"):
            new = [order for order in self.orders if order["token"] not in asked["have"]]
            return {"orders": new, "abort": self.abort, "look": False, "lease_s": 60.0}
        self.seen += [asked["inventory"]] if asked.get("inventory") else []
        if self.lost:
            raise GatewayDown("the reply is lost")
        if path.endswith("report"):
            self.reports += asked["progress"]
            return {"orders": {one["token"]: "open" for one in asked["progress"]}, "look": self.look}
        self.ends.append(asked)
        self.orders = [order for order in self.orders if order["token"] != asked["token"]]
        return {"order": "ended"}


class Bench:
    """A world that outlives the agents that act on it."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.world, self.desk = directory, World(FLEET), Desk()
        self.clock = SimulatedClock(FLEET.taken_at)
        self.driver = SimulatedDriver(FLEET, clock=self.clock, world=self.world)
        self.memory: Memory | None = None
        self.start()

    def start(self) -> None:
        """Start the agent, after whatever became of the one before."""
        if self.memory is not None:
            self.memory.close()
        self.memory = Memory(self.directory, FLEET.id, "h0")
        ask: Any = self.desk
        self.worker = Worker("h0", self.driver, threading.Lock(), ask, self.memory, self.clock.monotonic)

    def go_on(self, seconds: float = 200.0) -> None:
        """Let it poll and work for a while."""
        for _ in range(int(seconds / 5)):
            self.worker.poll()
            self.worker.tick()
            self.clock.sleep(5.0)

    def jobs(self) -> int:
        return len(self.world.jobs)


def order(**more: Any) -> dict[str, Any]:
    ends = {"vm": "v0", "source": "h0", "target": "h3", "copied_mib": 100, "seconds": 60.0, "epoch": 3}
    named = {"token": TOKEN, "plan": "plan", "move": "m1", "attempt": 1, "begin_within_s": 60.0}
    return {**named, **ends, "enqueued_s": FLEET.taken_at.timestamp(), **more}


@pytest.fixture
def bench(tmp_path: Path):
    made = Bench(tmp_path)
    yield made
    assert made.memory is not None
    made.memory.close()


def test_an_order_is_carried_out_and_reported(bench: Bench) -> None:
    bench.desk.orders = [order()]
    bench.go_on()
    (end,) = bench.desk.ends
    assert (end["state"], end["failure"], bench.jobs()) == ("done", "", 1)
    assert [vm["id"] for vm in end["inventory"]["vms"]] == []
    assert {one["state"] for one in bench.desk.reports} >= {"preparing", "copying"}
    assert bench.memory is not None
    assert (bench.memory.in_hand, bench.memory.epoch) == ({}, 3)


@pytest.mark.parametrize("at", range(1, 12))
def test_killed_and_started_again_at_any_write_it_never_submits_twice(bench: Bench, at: int) -> None:
    """The process dies right before or right after each thing that it writes or asks of its driver."""

    class Killed(BaseException):
        pass

    steps = 0

    def dying(work: Any, *, after: bool) -> Any:
        def step(*args: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == at and not after:
                raise Killed
            done = work(*args)
            steps += 1
            if steps == at and after:
                raise Killed
            return done

        return step

    memory, driver = bench.memory, bench.driver
    assert memory is not None
    save, submit = memory.save, driver.submit
    memory.save = dying(save, after=at % 2 == 0)  # type: ignore[method-assign]
    driver.submit = dying(submit, after=at % 2 == 0)  # type: ignore[method-assign]
    bench.desk.orders = [order()]
    try:
        bench.go_on()
    except Killed:
        driver.submit = submit  # type: ignore[method-assign]
        bench.start()
        bench.go_on(600.0)
    assert bench.jobs() <= 1
    states = {end["state"] for end in bench.desk.ends}
    assert states == ({"done"} if bench.jobs() else {"failed"})
    assert (bench.world.place["v0"] == "h3") == (states == {"done"})


def test_a_lower_epoch_is_refused_also_after_a_restart(bench: Bench) -> None:
    bench.desk.orders = [order(epoch=7)]
    bench.go_on()
    bench.start()
    bench.desk.orders = [order(token="plan/m2/1", vm="v9", epoch=6)]
    bench.go_on()
    assert bench.desk.ends[-1]["detail"] == "refused: epoch 6, and epoch 7 was seen"
    assert bench.jobs() == 1


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"begin_within_s": 0.0}, "not begun in time"),
        ({"source": "h1"}, "h0 is not h1"),
        ({"vm": "v1"}, "v1 is not on h0"),
        ({"target": "h9"}, "no host h9"),
    ],
)
def test_what_it_does_not_begin(bench: Bench, what: dict[str, Any], says: str) -> None:
    bench.desk.orders = [order(**what)]
    bench.clock.sleep(1.0)
    bench.worker.poll()
    bench.clock.sleep(1.0)
    bench.go_on(20.0)
    (end,) = bench.desk.ends
    assert says in end["detail"]
    assert (end["state"], bench.jobs()) == ("failed", 0)


def test_what_it_saw_is_said_again_until_it_is_heard(bench: Bench) -> None:
    """A report that had no answer may have been taken in, or may still come: what is seen then has to be said."""
    bench.go_on(10.0)
    first = len(bench.desk.seen)
    bench.go_on(20.0)
    assert len(bench.desk.seen) == first, "what has not changed is not said again"
    bench.desk.lost, place = True, bench.world.place
    place["v0"] = "h3"
    with pytest.raises(GatewayDown):
        bench.worker.tick()
    bench.desk.lost, place["v0"] = False, "h0"
    bench.go_on(10.0)
    before, gone, back = bench.desk.seen[-3:]
    assert before["digest"] == back["digest"] != gone["digest"]
    assert before["look"] < gone["look"] < back["look"]


def test_looks_are_numbered_on_after_a_restart_and_past_what_the_gateway_knows(bench: Bench) -> None:
    bench.worker.start()
    bench.start()
    bench.desk.look = 1 << 40  # the gateway has heard of more: the memory is an old copy
    bench.worker.start()
    bench.go_on(10.0)
    looks = [seen["look"] for seen in bench.desk.seen]
    assert looks[0] < looks[1] < bench.desk.look < looks[2]


def test_an_end_is_reported_until_it_is_heard(bench: Bench) -> None:
    bench.desk.orders = [order()]
    bench.go_on(20.0)
    bench.desk.down = True
    for _ in range(30):
        with pytest.raises(GatewayDown):
            bench.worker.tick()
            bench.worker.poll()
        bench.clock.sleep(5.0)
    bench.start()
    bench.desk.down = False
    bench.go_on(20.0)
    assert [end["state"] for end in bench.desk.ends] == ["done"]


def test_an_abort(bench: Bench) -> None:
    bench.desk.orders = [order(seconds=1000.0)]
    bench.go_on(20.0)
    bench.desk.abort = [TOKEN]
    bench.go_on(20.0)
    (end,) = bench.desk.ends
    assert (end["state"], end["failure"], bench.world.place["v0"]) == ("failed", "temporary", "h0")


def test_a_lost_reply_is_looked_for_and_not_repeated(bench: Bench) -> None:
    submit = bench.driver.submit

    def lost(request: Request) -> str:
        submit(request)
        raise ReplyLost("time-out")

    bench.driver.submit = lost  # type: ignore[method-assign]
    bench.desk.orders = [order()]
    bench.go_on()
    assert ([end["state"] for end in bench.desk.ends], bench.jobs()) == (["done"], 1)


def test_without_an_answer_a_job_of_before_is_not_taken_for_that_of_the_order(bench: Bench) -> None:
    """The VM was moved to this target before, and back; the request comes later than its answer was waited for."""
    before = request_of(PlannedMove("m0", "v0", "h0", "h3", (), 1, False, 5.0, 100), plan="earlier")
    bench.driver.submit(before)
    bench.clock.sleep(10.0)
    bench.driver.read_vm("v0")
    bench.world.place["v0"] = "h0"

    def late(request: Request) -> str:
        bench.world.start_later(request, bench.driver.time() + timedelta(seconds=20), {})
        raise ReplyLost("time-out")

    bench.driver.submit = late  # type: ignore[method-assign]
    bench.desk.orders = [order(enqueued_s=FLEET.taken_at.timestamp() - 60)]
    bench.go_on(15.0)
    assert (bench.desk.ends, bench.desk.reports[-1]["state"]) == ([], "unknown")
    bench.go_on()
    assert [end["state"] for end in bench.desk.ends] == ["done"]
    assert (bench.jobs(), bench.world.place["v0"]) == (2, "h3")


def test_what_it_cannot_see_is_unknown(bench: Bench) -> None:
    bench.desk.orders = [order()]
    bench.go_on(10.0)
    observe = bench.driver.observe

    def blind(request: Request) -> None:
        raise Unreadable("no answer")

    bench.driver.observe = blind  # type: ignore[method-assign]
    bench.go_on(10.0)
    assert bench.desk.reports[-1]["state"] == "unknown"
    bench.driver.observe = observe  # type: ignore[method-assign]
    bench.go_on()
    assert [end["state"] for end in bench.desk.ends] == ["done"]


def test_a_job_that_vanishes_is_judged_by_where_the_vm_is(bench: Bench) -> None:
    bench.desk.orders = [order()]
    bench.go_on(10.0)
    bench.world.jobs.clear()
    bench.go_on(20.0)
    assert bench.desk.ends == []
    bench.go_on(200.0)
    assert [end["detail"] for end in bench.desk.ends] == ["no trace of it"]


@pytest.mark.parametrize("place", [None, "h4"])
def test_without_a_job_a_vm_that_is_deleted_or_elsewhere_holds_no_order_open(bench: Bench, place: str | None) -> None:
    def lost(request: Request) -> str:
        raise ReplyLost("time-out")

    bench.driver.submit = lost  # type: ignore[method-assign]
    bench.desk.orders = [order()]
    bench.go_on(10.0)
    if place is None:
        bench.world.delete("v0", bench.driver.time())
    else:
        bench.world.place["v0"] = place
    bench.go_on()
    seen = f"no trace of it; v0 is seen: {place or 'nowhere'}"
    assert [(end["state"], end["failure"], end["detail"]) for end in bench.desk.ends] == [("failed", "permanent", seen)]


def test_its_memory(tmp_path: Path) -> None:
    first = Memory(tmp_path, "tiny", "h/0 ")
    with pytest.raises(InputError, match="another agent has it"):
        Memory(tmp_path, "tiny", "h/0 ")
    who = first.agent
    first.close()
    again = Memory(tmp_path, "tiny", "h/0 ")
    assert again.agent == who
    again.close()
    for wrong in ("", "{", "[]", "{}", json.dumps({"format": "remora-agent/1", "fleet": "other", "host": "h/0 "})):
        again.path.write_text(wrong)
        with pytest.raises(InputError):
            Memory(tmp_path, "tiny", "h/0 ")


def test_backoff_grows_is_spread_and_bounded() -> None:
    from random import Random

    many = [Backoff(Random(seed)) for seed in range(200)]
    waits = [[backoff.failed() for _ in range(50)] for backoff in many]
    assert len({wait[0] for wait in waits}) > 100
    assert all(max(wait) <= LONGEST_S and wait[0] <= 1.0 and wait[-1] >= LONGEST_S / 2 for wait in waits)
    many[0].worked()
    assert many[0].failed() <= 1.0
