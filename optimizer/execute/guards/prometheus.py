"""A query of Prometheus against a threshold: anything but a clear answer within the deadline holds back.

Open is only: a whole and clear answer (`optimizer.prometheus`), at least one value, all of them finite, fresh, and
within the threshold.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING

from optimizer.execute.guards.pending import Answer
from optimizer.prometheus.answers import Unclear
from optimizer.prometheus.asking import ask_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optimizer.clock import Clock
    from optimizer.execution import Gate
    from optimizer.prometheus.answers import Vector
    from optimizer.prometheus.server import Server

__all__ = ["Query", "judge"]

LARGEST = 4 * 2**20
"""Bytes of an answer that are read: a gate wants a few numbers."""

STALE_S = 300.0
"""How far the time of a value may be from now: as far as Prometheus itself looks back."""

VALUES_SHOWN = 3


class Query:
    """A query that was sent for a gate."""

    def __init__(self, gate: Gate, server: Server, clock: Clock) -> None:
        self._gate, self._clock = gate, clock
        self._asking = ask_instant(server, clock, gate.query, gate.deadline_s, largest=LARGEST)

    def poll(self) -> Answer | None:
        """Return the answer once it is there, or its deadline has passed."""
        found = self._asking.poll()
        if found is None:
            return None
        return Answer(False, str(found)) if isinstance(found, Unclear) else judge(found, self._gate, self._clock.now())

    def give_up(self) -> None:
        """Listen no more."""
        self._asking.give_up()


def judge(found: Vector, gate: Gate, now: datetime) -> Answer:
    """Hold what a query returned (a vector, or one scalar) against the thresholds of its gate."""
    if not len(found):
        return Answer(False, "the query returned nothing")
    shown, bad = [], []
    for labels, at, number, text in zip(
        found.labels, found.times.tolist(), found.values.tolist(), found.texts, strict=True
    ):
        what = _named(labels, text)
        if not abs(now.timestamp() - at) <= STALE_S:
            return Answer(False, f"{what} is of {_time(at, now)}")
        if not math.isfinite(number):
            return Answer(False, f"{what} is no number")
        shown.append(what)
        if wrong := _outside(number, gate):
            bad.append(f"{what} is {wrong}")
    told = bad or shown
    more = f" and {len(told) - VALUES_SHOWN} more" if len(told) > VALUES_SHOWN else ""
    return Answer(not bad, ", ".join(told[:VALUES_SHOWN]) + more)


def _time(at: float, now: datetime) -> str:
    try:
        return datetime.fromtimestamp(at, now.tzinfo).isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{at:g} s since 1970"


def _named(labels: Mapping[str, str], text: str) -> str:
    names = ", ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "__name__")
    return f"{text}{f' ({names})' if names else ''}"


def _outside(number: float, gate: Gate) -> str:
    checks: list[tuple[float | None, Callable[[float], bool], str]] = [
        (gate.at_most, lambda most: number > most, "over"),
        (gate.at_least, lambda least: number < least, "under"),
    ]
    return next((f"{word} {limit:g}" for limit, fails, word in checks if limit is not None and fails(limit)), "")
