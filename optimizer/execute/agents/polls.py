"""Long polls that wait for an order, in memory: waiting costs no database connection and no query.

What is open is read from the tables a few times a second, once for all polls; what this process enqueues wakes its poll
at once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["MOST_PER_HOST", "Polls"]

Host = tuple[str, str]
Open = dict[str, tuple[str, str, bool]]

MOST_PER_HOST = 4


class Polls:
    """Who waits, and what is open for each host: token -> (state, agent, aborting)."""

    def __init__(self) -> None:
        self._waiting: dict[Host, set[asyncio.Future[str]]] = defaultdict(set)
        self._open: dict[Host, Open] = {}
        self.closing = False

    @property
    def number(self) -> int:
        """How many polls wait."""
        return sum(map(len, self._waiting.values()))

    def is_full(self, host: Host) -> bool:
        """Whether as many polls of a host wait as may."""
        return host in self._waiting and len(self._waiting[host]) >= MOST_PER_HOST

    def has_news(self, host: Host, agent: str, have: Collection[str]) -> bool:
        """Whether there is something for an agent: an order that it does not have, or one that it should abort."""
        return any(
            (token not in have and (state == "waiting" or by == agent)) or (aborting and token in have and by == agent)
            for token, (state, by, aborting) in self._open.get(host, {}).items()
        )

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

    def note(self, host: Host, token: str) -> None:
        """Note a new order, and wake its host."""
        self._open.setdefault(host, {})[token] = "waiting", "", False
        self.wake(host, "order")

    def learn(self, rows: Iterable[tuple[str, str, str, str, str, int]]) -> None:
        """Take in all that is open, and wake whoever it may be for."""
        found: dict[Host, Open] = defaultdict(dict)
        for fleet, source, token, state, agent, aborting in rows:
            found[fleet, source][token] = state, agent, bool(aborting)
        self._open = dict(found)
        for host in found:
            self.wake(host, "order")

    def close(self) -> None:
        """Let every poll end with nothing."""
        self.closing = True
        for host in tuple(self._waiting):
            self.wake(host, "closing")


def _wake(waker: asyncio.Future[str], why: str) -> None:
    if not waker.done():
        waker.set_result(why)
