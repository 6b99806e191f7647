"""Where the page has its facts from: the ledger, by one connection in one thread, and the service's directory."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from optimizer.errors import InputError, RemoraError
from optimizer.execute.ledger import peek_ledger
from optimizer.service.keep import DirectoryKeep
from optimizer.service.view import FILE, FORMAT
from optimizer.sources.plan_json import read_plan

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from optimizer.clock import Clock
    from optimizer.execute.ledger import Ledger
    from optimizer.plan import Plan

__all__ = ["Sources"]

OPEN_S = 30.0
"""After this the ledger is opened anew: it may have been brought up to date, or be another file."""

T = TypeVar("T")
NOTHING: dict[str, Any] = {
    "fleet": "",
    "cycle": 0,
    "taken_at": "",
    "resources": [],
    "violations": 0,
    "shown": [],
    "hosts": [],
}


class Sources:
    """Reads; every reading of the ledger is done by one thread, so one connection is enough."""

    def __init__(self, ledger: str, state: Path, clock: Clock) -> None:
        self._place, self._state, self._clock = ledger, state, clock
        self._reader = ThreadPoolExecutor(1, "ledger")
        self._ledger: Ledger | None = None
        self._until = 0.0
        self._view: tuple[tuple[int, int], dict[str, Any]] = ((0, 0), NOTHING)
        self.keep = DirectoryKeep(state)

    def close(self) -> None:
        """Close the ledger."""
        self._reader.submit(self._close).result()
        self._reader.shutdown()

    async def ask(self, loop: asyncio.AbstractEventLoop, work: Callable[[Ledger | None], T]) -> T:
        """Let the thread that has the ledger do something; it is given None where there is no ledger yet."""
        return await loop.run_in_executor(self._reader, lambda: work(self._opened()))

    def submit(self, work: Callable[[Ledger | None], T]) -> Future[T]:
        """Do the same without an event loop."""
        return self._reader.submit(lambda: work(self._opened()))

    def view(self) -> dict[str, Any]:
        """Return what the service wrote last of the fleet."""
        path = self._state / FILE
        try:
            stat = path.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            if mark != self._view[0]:
                document = json.loads(path.read_bytes())
                self._view = (mark, document if document.get("format") == FORMAT else NOTHING)
        except (OSError, ValueError, AttributeError):
            return NOTHING
        return self._view[1]

    def plan(self, name: str) -> Plan | None:
        """Return a plan that was kept."""
        if not name or "/" in name or name.startswith("."):
            return None
        try:
            return read_plan(self._state / "plans" / f"{name}.json")
        except InputError:
            return None

    def _opened(self) -> Ledger | None:
        now = self._clock.monotonic()
        if self._ledger is None or now >= self._until:
            self._close()
            self._ledger, self._until = peek_ledger(self._place), now + OPEN_S
        return self._ledger

    def _close(self) -> None:
        if self._ledger is not None:
            with suppress(RemoraError):
                self._ledger.close()
            self._ledger = None
