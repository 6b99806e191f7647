"""Many agents in one process, each on a connection of its own: they report, poll, take orders and end them at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Any

__all__ = ["Agents", "Connection"]

FLEET = "bench"
WAIT_S = 40.0


class Connection:
    """One HTTP connection that is kept; it asks one thing after the other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Ask, and return the answer; any but 200 is an error."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        reader, writer = self._streams
        body = json.dumps(asked).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        said = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(said.split("content-length:")[1].split("\r\n")[0])
        answer = json.loads(await reader.readexactly(length))
        if not said.startswith("http/1.1 200"):
            raise RuntimeError(f"{path}: {said.splitlines()[0]}: {answer}")
        found: dict[str, Any] = answer
        return found

    def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()


class Agents:
    """All of them, and what they received: token -> how often, and when first."""

    def __init__(self, number: int, port: int) -> None:
        self.number = number
        self.received: Counter[str] = Counter()
        self.at: dict[str, float] = {}
        self.faults: list[str] = []
        self._connections = [Connection(port) for _ in range(number)]
        self._ending = False

    def _who(self, n: int) -> dict[str, Any]:
        return {"fleet": FLEET, "host": f"h{n}", "agent": f"{n:032x}"}

    async def report_all(self, at_once: int = 200) -> None:
        """Report one VM on each host."""
        gate = asyncio.Semaphore(at_once)

        async def report(n: int) -> None:
            async with gate:
                await self._connections[n].ask(
                    "/v1/agent/report", {**self._who(n), "progress": [], "inventory": _seen(n)}
                )

        await asyncio.gather(*(report(n) for n in range(self.number)))

    async def live(self, n: int) -> None:
        """Poll for ever, and end each order as done."""
        connection = self._connections[n]
        try:
            while not self._ending:
                asked = {**self._who(n), "have": [], "digest": f"{n:064x}", "ago_s": 0.0, "wait_s": WAIT_S}
                for order in (await connection.ask("/v1/agent/claim", asked))["orders"]:
                    self.received[order["token"]] += 1
                    self.at.setdefault(order["token"], time.monotonic())
                    end = {**self._who(n), "token": order["token"], "state": "done"}
                    await connection.ask("/v1/agent/finish", end)
        except (OSError, RuntimeError, asyncio.IncompleteReadError) as error:
            if not self._ending:
                self.faults.append(f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """End them all."""
        self._ending = True
        for connection in self._connections:
            connection.close()


def _seen(n: int) -> dict[str, Any]:
    vm = {"id": f"v{n}", "host": f"h{n}", "state": "running", "mobility": "live", "demand": {"memory_mib": 4096}}
    host = {"id": f"h{n}", "state": "active", "capacity": {"memory_mib": 131072}, "busy": [], "vms": [f"v{n}"]}
    return {"simulated": True, "digest": f"{n:064x}", "ago_s": 0.0, "host": host, "vms": [vm]}
