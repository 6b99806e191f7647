"""Asks a Prometheus what the monitors want to know; the only thing here that waits for anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.monitors import reading
from optimizer.prometheus.answers import Unclear
from optimizer.prometheus.asking import ask_all, ask_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.monitors.reading import Answer, Monitor
    from optimizer.prometheus.answers import Vector
    from optimizer.prometheus.asking import Asking
    from optimizer.prometheus.server import Server

__all__ = ["ask_for", "queries_of"]


def queries_of(monitors: Iterable[Monitor]) -> tuple[str, ...]:
    """Return what has to be asked, each query once."""
    return tuple(dict.fromkeys(query for monitor in monitors for query in monitor.queries()))


def ask_for(
    monitors: Iterable[Monitor], server: Server, clock: Clock, within_s: float, at: datetime | None = None
) -> dict[str, Answer]:
    """Ask every query of the monitors, with one deadline over all; what is unclear says why, and is never a number.

    Parameters
    ----------
    at
        Of what time; now, where none is given.
    """
    queries = queries_of(monitors)

    def asking(query: str) -> Callable[[float], Asking[Vector]]:
        return lambda left: ask_instant(server, clock, query, left, at)

    said = ask_all([asking(query) for query in queries], clock, within_s)
    return {query: _answer(one) for query, one in zip(queries, said, strict=True)}


def _answer(said: Vector | Unclear) -> Answer:
    if isinstance(said, Unclear):
        return reading.Unclear(str(said))
    return reading.Samples(list(zip(said.labels, said.values.tolist(), strict=True)))
