"""Agents on the virtual clock: the real workers, with memories that outlive them, over lines that lose and delay."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from optimizer.execute.agents.client import GatewayDown, GatewayRefused
from optimizer.execute.agents.memory import Memory
from optimizer.execute.agents.run_agent import Backoff
from optimizer.execute.agents.wire import CLAIM
from optimizer.execute.agents.worker import Times, Worker
from optimizer.execute.drivers import Unreadable
from optimizer.execute.drivers.agents import LOCATION
from tests.execute.simulation.network import Line, Network, Office

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.drivers.world import World
    from tests.execute.simulation.recorded import OfAgent

__all__ = ["AGENTS_LAG_S", "LEASE_S", "SAID", "Agents"]

CURRENT_S, LEASE_S, LOOK_S, WAIT_S = 20.0, 20.0, 5.0, 15.0
SAID = {name: f.default for name, f in LOCATION.fields.items()} | {
    "current_s": CURRENT_S,
    "begin_within_s": 12.0,
    "deadline_s": 5.0,
}
AGENTS_LAG_S = CURRENT_S + LOOK_S + 15.0
"""Seconds by which what agents see may be older than what a driver sees by itself; a report may come late."""

SILENT_S = (30.0, 90.0)
STARTED_AFTER_S = (1.0, 30.0)


class Killed(BaseException):
    """The agent's process ends here."""


class Remembered(Memory):
    """An agent's memory on a disk of the simulation; `dies` is asked before and after it is written."""

    def __init__(self, disk: dict[str, str], fleet: str, host: str, dies: Callable[[], bool]) -> None:
        self._disk, self._fleet, self._host, self._dies = disk, fleet, host, dies
        self.agent, self.starts, self.epoch, self.in_hand = f"{sum(host.encode()):032x}", 0, 0, {}
        if host in disk:
            self.remember(json.loads(disk[host]))
        self.starts += 1
        self.save()

    def save(self) -> None:
        """Write it, unless the process dies before; it may die right after."""
        if self._dies():
            raise Killed
        self._disk[self._host] = json.dumps(self.said())
        if self._dies():
            raise Killed

    def close(self) -> None:
        """Nothing is locked."""


@dataclass
class Running:
    """An agent: its worker while its process lives, the claim that waits, the answer that is on its way."""

    host: str
    worker: Worker | None
    backoff: Backoff
    starts_at: float = 0.0
    polls_at: float = 0.0
    ticks_at: float = 0.0
    silent_until: float = 0.0
    claim: dict[str, Any] | None = None
    claim_until: float = 0.0
    answers: list[tuple[float, dict[str, Any]]] = field(default_factory=list)


class Agents:
    """The gateway and one agent a host."""

    def __init__(
        self,
        hypervisors: Callable[[], OfAgent],
        office: Office,
        world: World,
        hosts: list[str],
        note: Callable[..., None],
    ) -> None:
        self.office, self._world, self._note = office, world, note
        self._hypervisors, self._disk = hypervisors, dict[str, str]()
        self._rng = office.rng
        self.agents = [Running(h, None, Backoff(Random(h))) for h in hosts]

    @property
    def _now(self) -> float:
        return self.office.clock.seconds

    def advance(self) -> None:
        """Let gateway and agents do what is due."""
        office = self.office
        if office.strikes(Network.GATEWAY_RESTARTS, 0.003):
            office.restart()
            for agent in self.agents:
                agent.claim = None
        office.advance()
        for agent in self.agents:
            if agent.host in self._world.down:
                self._die(agent)
            try:
                self._go_on(agent)
            except Killed:
                self._die(agent)
            except (GatewayDown, GatewayRefused, Unreadable):
                agent.ticks_at = self._now + min(8.0, agent.backoff.failed())

    def is_quiet(self) -> bool:
        """Whether every agent is there, in reach, and has nothing in hand, and nothing is still to come."""
        return self.office.is_quiet() and all(
            a.worker is not None and self._now >= a.silent_until and not a.worker._memory.in_hand for a in self.agents
        )

    def _die(self, agent: Running) -> None:
        agent.worker, agent.claim = None, None
        agent.answers.clear()
        agent.starts_at = self._now + self._rng.uniform(*STARTED_AFTER_S)

    def _go_on(self, agent: Running) -> None:
        if agent.worker is None:
            if self._now < agent.starts_at or agent.host in self._world.down:
                return
            agent.worker = self._started(agent)
            agent.worker.start()
        if self.office.strikes(Network.AGENT_SILENT, 0.0005):
            agent.silent_until = self._now + self._rng.uniform(*SILENT_S)
        self._poll(agent, agent.worker)
        if self._now >= agent.ticks_at or agent.worker.has_to_look.is_set():
            agent.worker.tick()
            agent.backoff.worked()

    def _started(self, agent: Running) -> Worker:
        """Start an agent: it remembers what is on its disk."""
        driver = self._hypervisors()
        memory = Remembered(self._disk, driver.fleet, agent.host, self._agent_dies)
        line = Line(self.office, lambda: None, lambda: self._now >= agent.silent_until)
        times = Times(look_s=LOOK_S, wait_s=WAIT_S, again_s=120.0)
        agent.polls_at = agent.ticks_at = self._now
        return Worker(agent.host, driver, threading.Lock(), line, memory, self.office.clock.monotonic, times)

    def _agent_dies(self) -> bool:
        return self.office.strikes(Network.AGENT_DIES, 0.02)

    def _poll(self, agent: Running, worker: Worker) -> None:
        """Ask for orders, wait, and take what comes."""
        office = self.office
        for at, said in tuple(agent.answers):
            if self._now >= at:
                agent.answers.remove((at, said))
                self._take(agent, worker, said)
        if agent.silent_until > self._now:
            agent.claim = None
            return
        if agent.claim is None and not agent.answers and self._now >= agent.polls_at:
            if office.strikes(Network.REQUEST_LOST, 0.03):
                agent.polls_at = self._now + 5.0
                return
            agent.claim, agent.claim_until = worker.claim(), self._now + WAIT_S * self._rng.uniform(0.5, 1.0)
            office.desk.contact(agent.claim, self._now)
        if agent.claim is not None:
            self._answer(agent, worker, agent.claim)

    def _answer(self, agent: Running, worker: Worker, claim: dict[str, Any]) -> None:
        """Answer a claim that waits, if there is something to say, or its time is up."""
        office, host = self.office, (claim["fleet"], claim["host"])
        said = None
        if office.desk.has_news(claim):
            found = office.do(CLAIM, claim)
            said = found if found["orders"] or found["abort"] else None
        if said is None and (host in office.woken or self._now >= agent.claim_until):
            said = office.desk.nothing(look=host in office.woken)
        if said is None:
            return
        office.woken.discard(host)
        agent.claim, agent.polls_at = None, self._now + self._rng.uniform(0.0, 4.0)
        if office.strikes(Network.REPLY_LOST, 0.05):
            agent.polls_at = self._now + 5.0
        elif office.strikes(Network.CLAIM_LATE, 0.05):
            agent.answers.append((self._now + self._rng.uniform(2.0, 20.0), said))
        else:
            self._take(agent, worker, said)

    def _take(self, agent: Running, worker: Worker, said: dict[str, Any]) -> None:
        for order in said["orders"]:
            self._note("received", token=order["token"], host=agent.host, epoch=order["epoch"])
        worker.take(said)
