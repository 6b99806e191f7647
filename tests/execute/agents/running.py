"""A gateway on a real socket in a thread of its own, and agents of simulated hypervisors that share one world."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

from optimizer.clock import SystemClock
from optimizer.execute.agents.client import Client
from optimizer.execute.agents.gateway import Gateway
from optimizer.execute.agents.memory import Memory
from optimizer.execute.agents.opening import open_store
from optimizer.execute.agents.run_agent import run_agents
from optimizer.execute.agents.serve import Listening, bind, serve
from optimizer.execute.agents.worker import Times, Worker
from optimizer.execute.drivers.agents import LOCATION, AgentsDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from optimizer.execute.agents.tokens import Tokens
    from optimizer.execute.drivers.simulated import SimulatedDriver
    from optimizer.fleet import Fleet

DEFAULTS = {name: field.default for name, field in LOCATION.fields.items()}
QUICK = Times(look_s=0.1, wait_s=0.5)


@contextmanager
def gateway(
    place: str,
    *,
    lease_s: float = 60.0,
    tokens: Tokens | None = None,
    cert: str = "",
    key: str = "",
    stopped: Callable[[str], str] = lambda fleet: "",
) -> Iterator[str]:
    """Run a gateway over these tables; yields its address."""
    store = open_store(place, SystemClock(), 4)
    served = Gateway(store, stopped, tokens, Random(0), lease_s=lease_s)
    listening = Listening(bind("127.0.0.1:0", tls=bool(cert), tokens=tokens is not None), cert, key)
    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(target=serve, args=(served, listening, stop, ready.set))
    thread.start()
    try:
        assert ready.wait(20)
        yield listening.url
    finally:
        stop.set()
        thread.join(20)
        store.close()
    assert not thread.is_alive()


@contextmanager
def agents(
    driver: SimulatedDriver, url: str, directory: Path, hosts: Iterable[str] = (), times: Times = QUICK
) -> Iterator[None]:
    """Run the agents of these hosts (all of the fleet by default)."""
    lock, client = threading.Lock(), Client(url)
    memories = [Memory(directory, driver.fleet, host) for host in (tuple(hosts) or driver._fleet.hosts.ids)]
    names = tuple(hosts) or driver._fleet.hosts.ids
    workers = [
        Worker(host, driver, lock, client, memory, time.monotonic, times)
        for host, memory in zip(names, memories, strict=True)
    ]
    for worker in workers:
        worker.start()
    stop = threading.Event()
    told: list[str] = []
    thread = threading.Thread(
        target=run_agents,
        args=(workers, driver.clock, stop, Random(1), told.append),
        kwargs={"simulated": True},
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        for memory in memories:
            memory.close()


def executor(fleet: Fleet, url: str, **more: float) -> AgentsDriver:
    """Open the driver `agents` at a gateway."""
    return AgentsDriver(fleet, Client(url), {**DEFAULTS, **more})


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        threading.Event().wait(0.02)
