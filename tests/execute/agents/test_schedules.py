"""Random schedules: requests and replies are lost, agents die at any write and come back, orders are aborted.

Gateway, agents and driver are the real ones, without sockets; the simulated hypervisors alone know the truth, and are
asked at the end.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SimulatedClock
from optimizer.execute.agents.client import GatewayDown, GatewayRefused
from optimizer.execute.agents.gateway import Gateway
from optimizer.execute.agents.memory import Memory
from optimizer.execute.agents.opening import open_store
from optimizer.execute.agents.worker import Times, Worker
from optimizer.execute.drivers import MoveRefused, NotAborted, ReplyLost, Request, Unreadable
from optimizer.execute.drivers.agents import AgentsDriver
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.drivers.world import World
from optimizer.execute.states import MoveState
from tests.execute.agents.running import DEFAULTS
from tests.execute.plans import line_fleet, move, request_of

if TYPE_CHECKING:
    from pathlib import Path

FLEET = line_fleet(vms=4, hosts=6)
HOSTS = FLEET.hosts.ids
SEEDS = 20
NOW = Times(look_s=5.0, wait_s=0.0)
REACHED = ("request lost", "reply lost", "killed", "aborted", "done", "failed", "given back")


class Killed(BaseException):
    """The agent's process ends here."""


class Schedule:
    """One gateway, one agent a host, one executor, and chance."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.rng, self.directory, self.faults = Random(seed), directory, True
        self.reached: set[str] = set()
        self.clock, self.world = SimulatedClock(FLEET.taken_at), World(FLEET, preparing_s=2.0, switching_s=2.0)
        self.hypervisors = SimulatedDriver(FLEET, clock=self.clock, world=self.world)
        self.store = open_store(str(directory / "ledger"), self.clock, 1)
        self.loop = asyncio.new_event_loop()
        self.gateway = Gateway(self.store, lambda fleet: "", None, Random(0), lease_s=20.0)
        self.memories: dict[str, Memory] = {}
        self.workers = {host: self.started(host) for host in HOSTS}
        executor: Any = Line(self, lossy=True)
        self.faults = False
        for worker in self.workers.values():
            worker.start()
        self.driver = AgentsDriver(FLEET, executor, {**DEFAULTS, "current_s": 600.0})
        self.faults = True

    def started(self, host: str) -> Worker:
        """Start an agent (again): its memory is what is on its disk."""
        if host in self.memories:
            self.memories[host].close()
        memory = self.memories[host] = Memory(self.directory / "agents", FLEET.id, host)
        save = memory.save

        def saving() -> None:
            if self.happens(0.08, "killed"):
                if self.rng.random() < 0.5:
                    save()
                raise Killed
            save()

        memory.save = saving  # type: ignore[method-assign]
        client: Any = Line(self, lossy=True)
        return Worker(host, self.hypervisors, threading.Lock(), client, memory, self.clock.monotonic, NOW)

    def happens(self, share: float, what: str) -> bool:
        """Draw whether a fault happens."""
        if not self.faults or self.rng.random() >= share:
            return False
        self.reached.add(what)
        return True

    def step(self) -> None:
        """Let some agents work, and a few seconds pass."""
        for host in self.rng.sample(HOSTS, len(HOSTS)):
            for work in ("poll", "tick"):
                try:
                    getattr(self.workers[host], work)()
                except (GatewayDown, GatewayRefused, Unreadable):
                    pass
                except Killed:
                    self.workers[host] = self.started(host)
        self.clock.sleep(self.rng.uniform(1.0, 6.0))

    def close(self) -> None:
        for memory in self.memories.values():
            memory.close()
        self.gateway._threads.shutdown()
        self.store.close()
        self.loop.close()


class Line:
    """Asks the gateway without a socket; requests and replies may be lost."""

    where = "a line"

    def __init__(self, schedule: Schedule, *, lossy: bool) -> None:
        self._schedule, self._lossy = schedule, lossy

    def ask(self, path: str, asked: dict[str, Any], more_s: float = 0.0) -> dict[str, Any]:
        schedule = self._schedule
        if schedule.happens(0.1, "request lost"):
            raise GatewayDown("request lost")
        gateway = schedule.gateway
        desk = gateway._desk
        with schedule.store.transaction() as db:
            desk.learn(desk.look(desk.contacts(), db))
        status, said = schedule.loop.run_until_complete(self._over_asgi(path, json.dumps(asked).encode()))
        if schedule.happens(0.1, "reply lost"):
            raise GatewayDown("reply lost")
        if status != 200:
            raise GatewayRefused(status, said["error"], temporary=said["temporary"])
        return said

    async def _over_asgi(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._schedule.gateway({"type": "http", "path": path, "method": "POST", "headers": []}, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])


def run(seed: int, directory: Path) -> set[str]:
    schedule = Schedule(seed, directory)
    rng = schedule.rng
    requests: list[Request] = []
    refused: set[str] = set()
    try:
        for number in range(1, 5):
            vm, target = f"v{number - 1}", rng.choice(HOSTS[4:])
            request = request_of(move(FLEET, number, vm, f"h{number - 1}", target))
            requests.append(request)
            for _ in range(rng.randint(1, 2)):  # the second time is one more attempt to say the same
                try:
                    schedule.driver.submit(request)
                except MoveRefused:
                    refused.add(request.token)
                except ReplyLost:
                    pass
            for _ in range(rng.randint(0, 5)):
                schedule.step()
            if rng.random() < 0.3:
                try:
                    schedule.driver.abort(request)
                    schedule.reached.add("aborted")
                except NotAborted:
                    pass
        for _ in range(20):
            schedule.step()
        schedule.faults = False
        for _ in range(45):
            schedule.step()
        check(schedule, requests)
    finally:
        schedule.close()
    return schedule.reached


def check(schedule: Schedule, requests: list[Request]) -> None:
    """Hold what gateway and agents say against the hypervisors."""
    started = Counter(job.request.token for job in schedule.world.jobs.values())
    assert set(started.values()) <= {1}, "submitted twice"
    assert schedule.world.running() == []
    assert all(memory.in_hand == {} for memory in schedule.memories.values())
    for request in requests:
        job = schedule.driver.observe(request)
        vm = schedule.driver.read_vm(request.vm)
        assert vm is not None
        assert (vm.host, vm.moving_to) == (schedule.world.place[request.vm], None)
        if job is None:
            assert started[request.token] == 0
            continue
        assert job.state in (MoveState.DONE, MoveState.FAILED), job
        schedule.reached.add(job.state.value)
        if started[request.token] == 0:
            schedule.reached.add("given back")
        assert (job.state is MoveState.DONE) == (vm.host == request.target)


@pytest.mark.slow
def test_schedules(tmp_path: Path) -> None:
    reached: set[str] = set()
    for seed in range(SEEDS):
        (tmp_path / str(seed)).mkdir()
        try:
            reached |= run(seed, tmp_path / str(seed))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    assert reached >= set(REACHED)
