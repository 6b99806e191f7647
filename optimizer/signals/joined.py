"""One signal joined with a fleet: the value of each host or VM, how old it is, and why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from optimizer.prometheus.answers import Unclear
from optimizer.signals.asking import last_query, newest_query, samples_query
from optimizer.signals.signal import TWICE, Of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.prometheus.answers import Vector
    from optimizer.signals.asking import Answers
    from optimizer.signals.config import SignalsPart, Wanted
    from optimizer.signals.naming import Namer

__all__ = ["Joined", "Place", "join_signal", "span"]

NO_SERIES = "no series"
OVER_ONE = 1.05
"""A rate of a counter of seconds may be a little over 1; a fraction of time that is more than this is none."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a signal is joined with.

    Attributes
    ----------
    expected
        bool [n]: of which hosts or VMs there should be a value.
    host_of
        int32 [n]: the host of each VM; of hosts the hosts themselves.
    peopled
        bool [n]: hosts on which VMs run.
    ids
        Of the hosts or VMs.
    moving
        VMs that may be seen on two hosts.
    """

    expected: NDArray[np.bool_]
    host_of: NDArray[np.int32]
    peopled: NDArray[np.bool_]
    ids: tuple[str, ...]
    host_ids: tuple[str, ...]
    moving: frozenset[int] = frozenset()


@dataclass(slots=True)
class Joined:
    """A signal of every host or VM.

    Attributes
    ----------
    values
        float64 [n], in the field's unit; NaN where there is none that one may act on.
    ages
        float64 [n], seconds; NaN where no sample was seen.
    problems
        By host or VM: why it has none.
    failed
        Why nobody has one.
    led, unled
        How many series there are that lead to a host or VM, and how many that lead to none.
    """

    wanted: Wanted
    place: Place
    values: NDArray[np.float64]
    ages: NDArray[np.float64]
    problems: dict[int, str] = field(default_factory=dict)
    failed: str = ""
    quiet: int = 0
    led: int = 0
    unled: int = 0

    def lacking(self) -> list[int]:
        """Return the hosts or VMs that should have a value and have none of any age."""
        return [i for i in np.flatnonzero(self.place.expected).tolist() if self.problems.get(i) == NO_SERIES]

    def refuse(self, index: int, why: str) -> None:
        """Take a value away, with the first reason for it."""
        self.problems.setdefault(index, why)
        self.values[index] = np.nan


@dataclass(frozen=True, slots=True)
class _Finders:
    host: Namer
    vm: Namer | None


def join_signal(
    wanted: Wanted, place: Place, answers: Answers, host: Namer, vm: Namer | None, part: SignalsPart, now: float
) -> Joined:
    """Join a signal with the hosts or VMs that it speaks of, and refuse what may not be acted on."""
    count = len(place.ids)
    out = Joined(wanted, place, np.full(count, np.nan), np.full(count, np.nan))
    finders = _Finders(host, vm)
    answer = answers[wanted.signal.query]
    named = finders.vm if wanted.signal.of is Of.VM else finders.host
    why = str(answer) if isinstance(answer, Unclear) else (named.failed if named is not None else "")
    if why or isinstance(answer, Unclear):
        out.failed = why
        for i in np.flatnonzero(place.expected).tolist():
            out.refuse(i, f"Prometheus: {why}")
        return out
    _take(out, answer, finders)
    _judge_times(out, answers, finders, part, now)
    _judge_values(out)
    _judge_once(out, answers, finders)
    _judge_busy(out, answers, finders)
    return out


def _take(out: Joined, answer: Vector, finders: _Finders) -> None:
    """Take the values of a vector; of two for one host or VM, none."""
    seen: dict[int, int] = {}
    elsewhere: dict[int, str] = {}
    named = finders.vm if out.wanted.signal.of is Of.VM and finders.vm is not None else finders.host
    values = (answer.values * out.wanted.signal.scale).tolist()
    for row, labels in enumerate(answer.labels):
        i = _subject(out, labels, finders, elsewhere)
        if i is None:
            if named.find(labels) is None:
                named.note_unnamed(labels)
                out.unled += 1
            continue
        out.led += 1
        if i in seen:
            out.refuse(i, f"two series: {_shown(answer.labels[seen[i]])} and {_shown(labels)}")
            continue
        seen[i] = row
        out.values[i] = values[row]
        if not math.isfinite(values[row]):
            out.refuse(i, f"{answer.texts[row]} is no number")
    for i in np.flatnonzero(out.place.expected).tolist():
        if i in seen:
            continue
        if i in elsewhere:
            out.refuse(i, elsewhere[i])
        elif out.wanted.signal.of_its_vms and not out.place.peopled[i]:
            out.values[i] = 0.0
        else:
            out.refuse(i, NO_SERIES)


def _subject(out: Joined, labels: dict[str, str], finders: _Finders, elsewhere: dict[int, str]) -> int | None:
    """Return which host or VM a series is about; a VM only where its own host reports it, or no label says which."""
    host = finders.host.find(labels)
    if out.wanted.signal.of is Of.HOST or finders.vm is None:
        return host
    vm = finders.vm.find(labels)
    if vm is None or vm in out.place.moving or out.place.host_of[vm] == host:
        return vm
    if host is None and not finders.host.says(labels):
        return vm
    ids = out.place.host_ids
    elsewhere[vm] = (
        "the host that reports it is none of the inventory"
        if host is None
        else f"seen on {ids[host]}, and the inventory has it on {ids[out.place.host_of[vm]]}"
    )
    return None


def _shown(labels: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name}={text}" for name, text in sorted(labels.items()) if name != "__name__") + "}"


def _column(
    out: Joined, answer: Vector | Unclear, finders: _Finders, pick: Callable[[float, float], float]
) -> NDArray[np.float64]:
    """Return float64 [n]: a vector by host or VM, with `pick` of two values for one."""
    column = np.full(len(out.place.ids), np.nan)
    if isinstance(answer, Unclear):
        return column
    values = answer.values.tolist()
    for row, labels in enumerate(answer.labels):
        i = _subject(out, labels, finders, {})
        if i is not None:
            column[i] = values[row] if math.isnan(column[i]) else pick(float(column[i]), values[row])
    return column


def _judge_times(out: Joined, answers: Answers, finders: _Finders, part: SignalsPart, now: float) -> None:
    """Refuse what is too old, from a clock that is ahead, or of a window that is not filled."""
    newest, samples = answers[newest_query(out.wanted)], answers[samples_query(out.wanted, part.window_s)]
    unclear = next((str(one) for one in (newest, samples) if isinstance(one, Unclear)), "")
    out.ages = now - _column(out, newest, finders, max)
    last = answers.get(last_query(out.wanted))
    if last is not None:
        older = now - _column(out, last, finders, max)
        out.ages = np.where(np.isnan(out.ages), older, out.ages)
    counts = _column(out, samples, finders, min)
    for i in np.flatnonzero(out.place.expected & ~_counts_as_nothing(out)).tolist():
        if why := _time_problem(float(out.ages[i]), float(counts[i]), unclear, part):
            if out.problems.get(i) == NO_SERIES and not math.isnan(out.ages[i]):
                del out.problems[i]
            out.refuse(i, why)


def _counts_as_nothing(out: Joined) -> NDArray[np.bool_]:
    """Return bool [n]: hosts without VMs, of which a signal that is made of VMs has nothing to say."""
    return ~out.place.peopled if out.wanted.signal.of_its_vms else np.zeros(len(out.place.ids), np.bool_)


def _time_problem(age: float, samples: float, unclear: str, part: SignalsPart) -> str:
    if unclear:
        return f"how old it is cannot be told: Prometheus: {unclear}"
    if math.isnan(age):
        return NO_SERIES
    if age > part.max_age_s:
        return f"{span(age)} old, at most {span(part.max_age_s)}"
    if age < -part.max_skew_s:
        return f"from a clock that is {span(-age)} ahead"
    if not samples >= part.min_samples:
        have = 0 if math.isnan(samples) else int(samples)
        return f"{have} samples in the first half of the window of {span(part.window_s)}, at least {part.min_samples}"
    return ""


def _judge_values(out: Joined) -> None:
    """Refuse what the field cannot be."""
    fraction = ".pressure." in out.wanted.signal.name
    for i in np.flatnonzero(~np.isnan(out.values)).tolist():
        value = float(out.values[i])
        if value < 0:
            out.refuse(i, f"{value:g} is less than nothing")
        elif fraction and value > OVER_ONE:
            out.refuse(i, f"{value:g} is no fraction of time: in what scale is it?")
        elif fraction:
            out.values[i] = min(value, 1.0)


def _judge_once(out: Joined, answers: Answers, finders: _Finders) -> None:
    """Refuse what was added up over series that are there more than once."""
    if not out.wanted.signal.once:
        return
    answer = answers[out.wanted.signal.once]
    times = _column(out, answer, finders, max)
    for i in np.flatnonzero(~np.isnan(out.values)).tolist():
        if isinstance(answer, Unclear):
            out.refuse(i, f"whether it is counted twice cannot be told: Prometheus: {answer}")
        elif times[i] > 1:
            out.refuse(i, f"{times[i]:.0f} series of each in the window where one is expected: is it {TWICE}?")


def _judge_busy(out: Joined, answers: Answers, finders: _Finders) -> None:
    """Count a pressure as 0 where its resource is not busy; refuse it where that cannot be told."""
    signal = out.wanted.signal
    if not signal.busy:
        return
    answer = answers[signal.busy]
    busy = _column(out, answer, finders, max)
    for i in np.flatnonzero(~np.isnan(out.values)).tolist():
        if not math.isfinite(busy[i]):
            why = f"Prometheus: {answer}" if isinstance(answer, Unclear) else "no series for it"
            out.refuse(i, f"whether the resource is busy cannot be told: {why}")
        elif busy[i] <= signal.busy_above and out.values[i] > 0:
            out.values[i] = 0.0
            out.quiet += 1


def span(seconds: float) -> str:
    """Return a time in words: 90 s, 12 min, 3 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
