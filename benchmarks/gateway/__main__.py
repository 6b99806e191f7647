"""`python -m benchmarks.gateway --ledger postgresql://... [--agents 15000]`: prints a table in Markdown.

All agents poll at once. Then orders come slowly (how long from giving one to its agent having it), then all at once
(how many a second). The connections are counted by the PostgreSQL server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gateway.agents import FLEET, Agents, Connection

CLI = Path(__file__).resolve().parents[2] / "cli.py"
ENQUEUERS = 16
LONGEST_S = 300.0


@dataclass
class Figures:
    """What was measured."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    connections: int = 0
    good: bool = True

    def add(self, what: str, value: str) -> None:
        """Add a row."""
        self.rows.append((what, value))
        print(f"{what}: {value}", file=sys.stderr, flush=True)


class Server:
    """The process of the gateway, by /proc."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._where = Path(f"/proc/{process.pid}")

    def mib(self, name: str) -> float:
        """Return a figure of its memory."""
        lines = (self._where / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

    def cpu_s(self) -> float:
        """Return the CPU seconds that it has used."""
        words = (self._where / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / 100


async def count_connections(address: str, figures: Figures) -> None:
    """Ask the PostgreSQL server, again and again, how many connections others have to this database."""
    import psycopg

    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    )
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        while True:
            (number,) = await (await connection.execute(query)).fetchone() or (0,)
            figures.connections = max(figures.connections, number)
            await asyncio.sleep(0.1)


def order_of(number: int, host: int, agents: int) -> dict[str, Any]:
    """Return an order for the VM of a host."""
    said = {"fleet": FLEET, "token": f"plan/m{number}/1", "plan": "plan", "move": f"m{number}", "attempt": 1}
    ends = {"vm": f"v{host}", "source": f"h{host}", "target": f"h{(host + 1) % agents}"}
    return {
        **said,
        **ends,
        "copied_mib": 4096,
        "seconds": 60.0,
        "epoch": 1,
        "begin_within_s": 600.0,
        "current_s": 600.0,
    }


def waiting(port: int) -> int:
    """Return how many polls wait at the gateway."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as answer:
        return int(json.load(answer)["polls"])


async def give(orders: list[dict[str, Any]], port: int, per_second: float) -> dict[str, float]:
    """Give orders, at a rate or (0) as fast as it goes; returns when each was given."""
    given: dict[str, float] = {}
    waiting = list(reversed(orders))
    began = time.monotonic()

    async def work() -> None:
        connection = Connection(port)
        while waiting:
            number, order = len(orders) - len(waiting), waiting.pop()
            if per_second:
                await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
            given[order["token"]] = time.monotonic()
            await connection.ask("/v1/orders/enqueue", order)
        connection.close()

    await asyncio.gather(*(work() for _ in range(ENQUEUERS)))
    return given


async def until_received(agents: Agents, given: dict[str, float]) -> None:
    """Wait until agents have all of these."""
    end = time.monotonic() + LONGEST_S
    while not given.keys() <= agents.at.keys():
        if time.monotonic() > end:
            return
        await asyncio.sleep(0.02)


def quantile(values: list[float], share: float) -> float:
    """Return a quantile of sorted values."""
    return values[min(len(values) - 1, int(share * len(values)))]


def milliseconds(agents: Agents, given: dict[str, float]) -> str:
    """Return the median and the 99th percentile of the time from giving to having."""
    waits = sorted(agents.at[token] - at for token, at in given.items() if token in agents.at)
    return f"{1000 * quantile(waits, 0.5):.0f} ms, {1000 * quantile(waits, 0.99):.0f} ms"


async def measure(asked: argparse.Namespace, port: int, server: Server, figures: Figures) -> None:
    """Run all parts against a gateway."""
    agents = Agents(asked.agents, port)
    counting = asyncio.create_task(count_connections(asked.ledger, figures))
    began = time.monotonic()
    await agents.report_all()
    figures.add("first reports a second", f"{asked.agents / (time.monotonic() - began):.0f}")
    polling = [asyncio.create_task(agents.live(n)) for n in range(asked.agents)]
    while await asyncio.to_thread(waiting, port) < asked.agents and not agents.faults:
        await asyncio.sleep(0.2)
    cpu, began = server.cpu_s(), time.monotonic()
    await asyncio.sleep(asked.idle)
    figures.add(
        "CPU while all only wait", f"{100 * (server.cpu_s() - cpu) / (time.monotonic() - began):.0f} % of a core"
    )
    figures.add("memory while all wait", f"{server.mib('VmRSS'):.0f} MiB")
    hosts = random.Random(0).sample(range(asked.agents), asked.slow + asked.burst)
    orders = [order_of(number, host, asked.agents) for number, host in enumerate(hosts)]
    given = await give(orders[: asked.slow], port, asked.rate)
    await until_received(agents, given)
    figures.add(f"from order to agent at {asked.rate:.0f} orders a second, median and p99", milliseconds(agents, given))
    cpu, began = server.cpu_s(), time.monotonic()
    burst = await give(orders[asked.slow :], port, 0.0)
    await until_received(agents, burst)
    last = max(agents.at.values())
    figures.add("claims a second, all orders at once", f"{asked.burst / (last - began):.0f}")
    figures.add("the gateway's CPU for each of them", f"{1000 * (server.cpu_s() - cpu) / asked.burst:.1f} ms")
    figures.add("from order to agent then, median and p99", milliseconds(agents, burst))
    figures.add("memory at most", f"{server.mib('VmHWM'):.0f} MiB")
    twice = sum(count > 1 for count in agents.received.values())
    figures.add("orders given, received, received twice", f"{len(orders)}, {len(agents.received)}, {twice}")
    figures.add("database connections at most", str(figures.connections))
    figures.add("agents that lost their connection", str(len(agents.faults)))
    figures.good = not twice and len(agents.received) == len(orders) and figures.connections <= 10 and not agents.faults
    counting.cancel()
    with suppress(asyncio.CancelledError):
        await counting
    agents.close()
    for task in polling:
        task.cancel()
    await asyncio.gather(*polling, return_exceptions=True)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--ledger", required=True, help="a PostgreSQL, in a schema of its own")
    parser.add_argument("--agents", type=int, default=15_000)
    parser.add_argument("--slow", type=int, default=600, help="orders that come slowly")
    parser.add_argument("--rate", type=float, default=20.0, help="of those a second")
    parser.add_argument("--burst", type=int, default=3000, help="orders that come at once")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds in which all only wait")
    asked = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    words = [sys.executable, str(CLI), "gateway", "--ledger", asked.ledger, "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE)
    figures = Figures()
    try:
        assert process.stderr is not None
        if b"listening" not in process.stderr.readline():
            return 1
        figures.add("agents that poll at once", str(asked.agents))
        asyncio.run(measure(asked, port, Server(process), figures))
    finally:
        process.terminate()
        process.wait(30)
    print("| | |\n|---|---|\n" + "\n".join(f"| {what} | {value} |" for what, value in figures.rows))
    return 0 if figures.good else 1


if __name__ == "__main__":
    sys.exit(main())
