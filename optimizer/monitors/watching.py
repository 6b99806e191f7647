"""Steps every monitor once: what is remembered, and what is seen now, become what is remembered from now on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from optimizer.execute.ledger.watch_records import CLOSED, Imbalance, Seen
from optimizer.monitors.machine import Change, Hysteresis, Judged, Memory, Phase, step
from optimizer.monitors.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.monitors.config import MonitorsPart
    from optimizer.monitors.reading import Monitor, Observation

__all__ = ["Told", "Unjudged", "Watched", "watch_once"]

_WORST_FIRST = (Judged.BAD, Judged.MISSING, Judged.GONE, Judged.BETWEEN, Judged.WELL)
"""Of two readings of one subject, the first of these counts."""

NOT_CONFIGURED = "no monitor of this name is configured"


@dataclass(frozen=True, slots=True)
class Told:
    """A change of state; `before` is empty where nothing was known, `after` where a pending one came to nothing."""

    monitor: str
    subject: str
    before: str
    after: str
    imbalance: Imbalance


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Subjects that a monitor could not judge, and why; none where it could judge nothing at all."""

    monitor: str
    why: str
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of looking once.

    Attributes
    ----------
    live
        What is pending, open or closing now.
    changes
        What changed its state, closed ones included.
    unjudged
        What could not be judged.
    seen
        The same for the ledger.
    """

    live: tuple[Imbalance, ...]
    changes: tuple[Told, ...]
    unjudged: tuple[Unjudged, ...]
    seen: Seen

    @property
    def open(self) -> tuple[Imbalance, ...]:
        """The imbalances: what is open, or closing."""
        return tuple(one for one in self.live if one.state in (Phase.OPEN.value, Phase.CLOSING.value))


def watch_once(
    monitors: Sequence[Monitor], part: MonitorsPart, seen: Observation, live: Iterable[Imbalance]
) -> Watched:
    """Step every monitor; a pure function, so it may be called within the ledger's transaction.

    Parameters
    ----------
    live
        The imbalances of this fleet that are not closed.
    """
    known: dict[str, dict[str, Imbalance]] = {}
    for one in live:
        known.setdefault(one.monitor, {})[one.subject] = one
    steps: list[tuple[Imbalance | None, Imbalance | None, tuple[Change, ...]]] = []
    unjudged: list[Unjudged] = []
    for monitor in monitors:
        of_this = known.pop(monitor.name, {})
        readings = _merged(monitor.readings(seen, {name: one.evidence for name, one in of_this.items()}))
        unjudged += _unjudged(monitor.name, readings.values())
        hysteresis = part.hysteresis(monitor)
        for reading in sorted(readings.values(), key=lambda r: r.subject):
            if reading.subject:
                steps.append(_step(monitor.name, reading, of_this.get(reading.subject), seen, hysteresis))
    for name, left in known.items():
        unjudged.append(Unjudged(name, NOT_CONFIGURED, tuple(sorted(left))))
        for one in left.values():
            gone = Reading(one.subject, Judged.GONE, why=NOT_CONFIGURED)
            steps.append(_step(name, gone, one, seen, Hysteresis(0, 0, part.gap_s, part.forget_after_s)))
    return _watched(steps, unjudged)


def _merged(readings: Iterable[Reading]) -> dict[str, Reading]:
    """Return one reading for each subject, the worst; those of no subject are told apart by why."""
    found: dict[str, Reading] = {}
    for reading in readings:
        key = reading.subject or f"\0{reading.why}"
        other = found.get(key)
        if other is None or _WORST_FIRST.index(reading.judged) < _WORST_FIRST.index(other.judged):
            found[key] = reading
    return found


def _unjudged(monitor: str, readings: Iterable[Reading]) -> list[Unjudged]:
    by_reason: dict[str, list[str]] = {}
    for reading in readings:
        if reading.judged in (Judged.MISSING, Judged.GONE):
            by_reason.setdefault(reading.why, []).append(reading.subject)
    return [Unjudged(monitor, why, tuple(sorted(filter(None, names)))) for why, names in by_reason.items()]


def _step(
    monitor: str, reading: Reading, before: Imbalance | None, seen: Observation, hysteresis: Hysteresis
) -> tuple[Imbalance | None, Imbalance | None, tuple[Change, ...]]:
    memory = _memory_of(before) if before is not None else None
    after, changes = step(memory, reading.judged, seen.at.timestamp(), hysteresis, reading.why)
    if after is None:
        return before, None, changes
    if after is memory:
        return before, before, changes
    fresh = not after.unjudged and reading.judged not in (Judged.MISSING, Judged.GONE)
    return before, _imbalance(monitor, reading, before, after, seen, fresh=fresh), changes


def _memory_of(one: Imbalance) -> Memory:
    m = one.machine
    return Memory(
        Phase(one.state),
        one.since.timestamp(),
        float(m["held_s"]),
        float(m["judged_at"]),
        one.seen_at.timestamp(),
        str(m.get("unjudged", "")),
    )


def _imbalance(
    monitor: str, reading: Reading, before: Imbalance | None, memory: Memory, seen: Observation, *, fresh: bool
) -> Imbalance:
    machine = {"held_s": memory.held_s, "judged_at": memory.judged_at}
    if memory.unjudged:
        machine["unjudged"] = memory.unjudged  # type: ignore[assignment]
    state = memory.phase.value
    if before is not None:
        evidence = reading.evidence if fresh else before.evidence
        return replace(before, state=state, seen_at=seen.at, evidence=evidence, machine=machine)
    name = sha256("\0".join((seen.fleet.id, monitor, reading.subject, seen.at.isoformat())).encode()).hexdigest()
    at = seen.at
    return Imbalance(
        fleet=seen.fleet.id,
        id=f"imb-{name[:12]}",
        monitor=monitor,
        subject=reading.subject,
        place=reading.place,
        state=state,
        since=datetime.fromtimestamp(memory.since, UTC),
        opened_at=at if memory.phase is Phase.OPEN else None,
        closed_at=None,
        changed_at=at,
        seen_at=at,
        evidence=reading.evidence,
        machine=machine,
    )


def _watched(
    steps: Iterable[tuple[Imbalance | None, Imbalance | None, tuple[Change, ...]]], unjudged: list[Unjudged]
) -> Watched:
    kept, dropped, live, told = [], [], [], []
    for before, after, changes in steps:
        if after is None and before is not None:
            dropped.append(before.id)
        if after is not None:
            kept += [after] * (after is not before)
            live += [after] * (after.state != CLOSED)
        subject = after or before
        for change in changes:
            assert subject is not None
            names = [phase.value if phase else "" for phase in (change.before, change.after)]
            told.append(Told(subject.monitor, subject.subject, names[0], names[1], subject))
    order = sorted(live, key=lambda one: (one.since, one.monitor, one.subject))
    return Watched(tuple(order), tuple(told), tuple(unjudged), Seen(tuple(kept), tuple(dropped)))
