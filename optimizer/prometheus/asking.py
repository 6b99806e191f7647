"""Queries in progress: each in a thread of its own, which does not keep the process alive, with a deadline over all."""

from __future__ import annotations

import re
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from optimizer.errors import printable
from optimizer.prometheus.answers import Matrix, Unclear, Vector, matrix, vector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.prometheus.server import Server

__all__ = ["LARGEST", "Asking", "ask_all", "ask_instant", "ask_range"]

LARGEST = 64 * 2**20
"""Bytes of an answer that are read: 50,000 series with a dozen labels each are about 20 MiB."""

LONGEST_MESSAGE = 300
ANOTHER_TIME_S = 60.0
"""How far the time of a value may be from the one that was asked for; Prometheus answers with that itself."""

LOOK_S = 0.005

A = TypeVar("A", bound=Vector | Matrix)


@dataclass(frozen=True, slots=True)
class _Limits:
    deadline_s: float
    largest: int


class Asking(Generic[A]):
    """A query that was sent; `poll` returns its answer, or why there is none, at the latest at its deadline."""

    def __init__(self, server: Server, clock: Clock, limits: _Limits, ask: Callable[[Any, Any], A]) -> None:
        self._server, self._clock, self._limits = server, clock, limits
        self._ask: Callable[[Any, Any], A] = ask
        self._until = clock.monotonic() + limits.deadline_s
        self._said: SimpleQueue[A | Unclear] = SimpleQueue()
        threading.Thread(target=self._run, name="prometheus", daemon=True).start()

    def poll(self) -> A | Unclear | None:
        """Return what came of it; None while it may still come."""
        with suppress(Empty):
            return self._said.get_nowait()
        if self._clock.monotonic() < self._until:
            return None
        return self._late()

    def give_up(self) -> None:
        """Listen no more; the thread ends by itself at its deadline."""

    def _run(self) -> None:
        try:
            self._said.put(self._answer())
        except Unclear as error:
            self._said.put(self._unclear(str(error)))
        except Exception as error:  # whatever an answer is that nobody thought of, nothing is made of it
            self._said.put(self._unclear(f"{type(error).__name__}: {error}"))

    def _answer(self) -> A:
        from prometheus_api_client import PrometheusConnect
        from requests import RequestException
        from urllib3.util.retry import Retry

        from optimizer.prometheus.session import Session

        session: Any = Session(self._server, self._clock, self._until, self._limits.largest)
        try:
            with closing(session):
                source = PrometheusConnect(
                    self._server.url, auth=self._server.secret, session=session, retry=Retry(0, redirect=0)
                )
                return self._ask(source, session)
        except RequestException as error:
            raise self._late() if "timed out" in str(error) else Unclear(_no_connection(error)) from error

    def _late(self) -> Unclear:
        return Unclear(f"no answer within {self._limits.deadline_s:.3g} s")

    def _unclear(self, text: str) -> Unclear:
        """Return it without the secret, without what could steer a terminal, and short."""
        text = printable(self._server.secret.scrubbed(text))
        return Unclear(text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…")


def _no_connection(error: Exception) -> str:
    """Return why there was no connection, without the address: that is where the configuration is, and in no log.

    The cause is in the error of `requests` as its argument, and in that as `reason`; its text begins with the object.
    """
    if isinstance(error, ValueError):  # of requests: no address, or none that can be read
        return "no connection: its address cannot be read"
    cause = error.args[0] if error.args else error
    cause = getattr(cause, "reason", None) or cause
    while isinstance(inner := next((a for a in getattr(cause, "args", ())[1:]), None), Exception):
        cause = inner  # of a proxy
    text = re.sub(r"^(?:<[^>]*>|HTTPS?Connection(?:Pool)?\([^)]*\)): ", "", str(cause))
    text = re.sub("not valid for '[^']*'", "not valid for its name", text)
    return "no connection: " + re.sub("resolve '[^']*'", "resolve its name", text)


WHOLE = {"partial_response": "false"}
"""Thanos: an error instead of a part."""


def ask_instant(
    server: Server, clock: Clock, query: str, deadline_s: float, at: datetime | None = None, largest: int = LARGEST
) -> Asking[Vector]:
    """Send a query of values at one time (now where none is given); those of another, as a cache has them, are none."""
    more: dict[str, Any] = dict(WHOLE)
    if at is not None:
        more["time"] = f"{at.timestamp():.3f}"

    def ask(source: Any, session: Any) -> Vector:
        result = source.custom_query(query, params=more, timeout=deadline_s)
        found = vector(session.kind, result)
        if at is not None and len(found):
            _refuse_another_time(found, at.timestamp())
        return found

    return Asking(server, clock, _Limits(deadline_s, largest), ask)


def _refuse_another_time(found: Vector, asked: float) -> None:
    off = float(np.abs(found.times - asked).max())
    if not off <= ANOTHER_TIME_S:
        raise Unclear(f"values of another time than was asked for, by {off:,.0f} s: is there a cache in between?")


def ask_range(
    server: Server,
    clock: Clock,
    query: str,
    deadline_s: float,
    start: datetime,
    end: datetime,
    step_s: int,
    largest: int = LARGEST,
) -> Asking[Matrix]:
    """Send a query of values over a time: one each `step_s` seconds from `start` (to the second) to `end`."""

    def ask(source: Any, session: Any) -> Matrix:
        result = source.custom_query_range(query, start, end, str(step_s), params=dict(WHOLE), timeout=deadline_s)
        return matrix(session.kind, result)

    return Asking(server, clock, _Limits(deadline_s, largest), ask)


def ask_all(
    asks: Sequence[Callable[[float], Asking[A]]], clock: Clock, deadline_s: float, at_once: int = 4
) -> list[A | Unclear]:
    """Return the answers in order, with at most `at_once` queries in progress and one deadline over all of them.

    Parameters
    ----------
    asks
        Each sends its query, given the seconds that are left.
    """
    until = clock.monotonic() + deadline_s
    said: dict[int, A | Unclear] = {}
    waiting = list(enumerate(asks))
    running: dict[int, Asking[A]] = {}
    while len(said) < len(asks):
        left = until - clock.monotonic()
        while waiting and len(running) < at_once and left > 0:
            number, ask = waiting.pop(0)
            running[number] = ask(left)
        for number, one in list(running.items()):
            answer = one.poll()
            if answer is not None:
                said[number] = answer
                del running[number]
        if left <= 0:
            late = Unclear(f"not everything was answered within {deadline_s:g} s")
            said |= {number: late for number, _ in waiting} | dict.fromkeys(running, late)
        elif len(said) < len(asks):
            clock.sleep(LOOK_S)
    return [said[number] for number in range(len(asks))]
