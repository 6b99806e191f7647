"""Everything that Prometheus is asked for one reading, each query once, and its answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from optimizer.prometheus.answers import Unclear, Vector
from optimizer.prometheus.asking import Asking, ask_all, ask_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.prometheus.server import Server
    from optimizer.signals.config import SignalsPart, Wanted
    from optimizer.signals.signal import Join

__all__ = [
    "CLOCK",
    "Answers",
    "ask",
    "info_query",
    "keys_of",
    "last_query",
    "newest_query",
    "queries_of",
    "samples_query",
]

CLOCK = "time()"
"""Asked without a time: what the clock of Prometheus says."""

LOOK_BACK_S = 21_600
"""How far back the last sample of a series is looked for that has none now."""

Answers = dict[str, Vector | Unclear]


@dataclass(frozen=True, slots=True)
class _Question:
    """A query; `now`: at the server's own time."""

    query: str
    now: bool = False


def keys_of(wanted: Wanted) -> tuple[str, ...]:
    """Return the labels that the series of a signal are kept apart by."""
    vm = wanted.vm.keys if wanted.vm is not None and wanted.signal.of.value == "vm" else ()
    return tuple(dict.fromkeys([*wanted.host.keys, *vm]))


def newest_query(wanted: Wanted) -> str:
    """Return the query for when the series of a signal were last seen, where that is minutes ago."""
    return f"max by ({', '.join(keys_of(wanted))}) (timestamp({wanted.signal.series}))"


def samples_query(wanted: Wanted, window_s: int) -> str:
    """Return the query for how many samples the first half of a window has.

    A rate over a window that has only just begun to fill is too low, and no sign of it is in the value.
    """
    half = window_s // 2
    return f"min by ({', '.join(keys_of(wanted))}) (count_over_time({wanted.signal.series}[{half}s] offset {half}s))"


def last_query(wanted: Wanted) -> str:
    """Return the query for when the series were last seen, where that may be hours ago."""
    return (
        f"max by ({', '.join(keys_of(wanted))}) (max_over_time(timestamp({wanted.signal.series})[{LOOK_BACK_S}s:60s]))"
    )


def info_query(join: Join) -> str:
    """Return the query for the series that carries the names of a join."""
    return f"group by ({', '.join(dict.fromkeys([*join.on, join.label]))}) ({join.series})"


def ask(
    server: Server, clock: Clock, part: SignalsPart, queries: Iterable[str], at: datetime, deadline_s: float
) -> Answers:
    """Return the answer to each query, or why there is none, within the deadline.

    Parameters
    ----------
    clock
        By which the deadline is measured.
    at
        The time of the values.
    """
    questions = [_Question(query, now=query == CLOCK) for query in dict.fromkeys(queries)]
    asks = [partial(_send, server, clock, question.query, None if question.now else at) for question in questions]
    answers = ask_all(asks, clock, deadline_s, part.at_once)
    return {question.query: answer for question, answer in zip(questions, answers, strict=True)}


def _send(server: Server, clock: Clock, query: str, at: datetime | None, left_s: float) -> Asking[Vector]:
    return ask_instant(server, clock, query, left_s, at)


def queries_of(part: SignalsPart, wanted: Sequence[Wanted]) -> Iterator[str]:
    """Yield what a reading asks at first."""
    yield CLOCK
    for one in wanted:
        yield one.signal.query
        if one.signal.busy:
            yield one.signal.busy
        if one.signal.once:
            yield one.signal.once
        yield newest_query(one)
        yield samples_query(one, part.window_s)
        for join in (one.host, one.vm):
            if join is not None and join.series:
                yield info_query(join)
