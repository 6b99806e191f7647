"""Long polls that wait for an order, in memory: waiting costs no database connection and no query."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optimizer.execute.agents.news import Host

__all__ = ["MOST_PER_HOST", "Polls"]

MOST_PER_HOST = 4


class Polls:
    """Who waits."""

    def __init__(self) -> None:
        self._waiting: dict[Host, set[asyncio.Future[str]]] = defaultdict(set)
        self.closing = False

    @property
    def number(self) -> int:
        """How many polls wait."""
        return sum(map(len, self._waiting.values()))

    def is_full(self, host: Host) -> bool:
        """Whether as many polls of a host wait as may."""
        return host in self._waiting and len(self._waiting[host]) >= MOST_PER_HOST

    async def wait(self, host: Host, seconds: float) -> str:
        """Wait until something may be there; returns what woke it, empty for time."""
        if self.closing or seconds <= 0:
            return ""
        loop = asyncio.get_running_loop()
        waker: asyncio.Future[str] = loop.create_future()
        self._waiting[host].add(waker)
        timer = loop.call_later(seconds, _wake, waker, "")
        try:
            return await waker
        finally:
            timer.cancel()
            self._waiting[host].discard(waker)
            if not self._waiting[host]:
                del self._waiting[host]

    def wake(self, host: Host, why: str) -> None:
        """Wake the polls of a host."""
        for waker in tuple(self._waiting.get(host, ())):
            _wake(waker, why)

    def close(self) -> None:
        """Let every poll end with nothing."""
        self.closing = True
        for host in tuple(self._waiting):
            self.wake(host, "closing")


def _wake(waker: asyncio.Future[str], why: str) -> None:
    if not waker.done():
        waker.set_result(why)
