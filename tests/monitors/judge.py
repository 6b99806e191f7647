"""The state machine of a subject again, without a state: each answer is looked up in the whole history of readings.

Written from the words of `optimizer.monitors.machine`, not from its code: it searches for the stretches of readings
that open and close an imbalance, where the machine goes on from one reading to the next.
"""

from __future__ import annotations

from itertools import pairwise

from optimizer.monitors.machine import Hysteresis, Judged

__all__ = ["opened_and_closed"]

Reading = tuple[int, Judged]
UNJUDGED = (Judged.MISSING, Judged.GONE)


def opened_and_closed(readings: list[Reading], rules: Hysteresis) -> list[tuple[int, str]]:
    """Return when an imbalance opened and closed, in order: (time, "open" or "closed")."""
    out: list[tuple[int, str]] = []
    start = 0
    while True:
        opened = _first_stretch(readings, start, Judged.BAD, rules.open_after_s, rules)
        if opened is None:
            return out
        out.append((readings[opened][0], "open"))
        closed = _closing(readings, opened, rules)
        if closed is None:
            return out
        out.append((readings[closed][0], "closed"))
        start = closed + 1


def _closing(readings: list[Reading], opened: int, rules: Hysteresis) -> int | None:
    well = _first_stretch(readings, opened + 1, Judged.WELL, rules.close_after_s, rules)
    gone = next((i for i in range(opened + 1, len(readings)) if _long_gone(readings, i, rules)), None)
    found = [i for i in (well, gone) if i is not None]
    return min(found) if found else None


def _long_gone(readings: list[Reading], i: int, rules: Hysteresis) -> bool:
    judged = [t for t, what in readings[:i] if what not in UNJUDGED]
    return readings[i][1] is Judged.GONE and readings[i][0] - judged[-1] >= rules.forget_after_s


def _first_stretch(readings: list[Reading], start: int, what: Judged, least_s: float, rules: Hysteresis) -> int | None:
    """Return the end of the first run of readings of one kind that counts for long enough."""
    for end in range(start, len(readings)):
        if readings[end][1] is not what:
            continue
        run = _run_before(readings, start, end, what, rules)
        counted = sum(b - a for a, b in pairwise(run) if b - a <= rules.gap_s)
        if counted >= least_s:
            return end
    return None


def _run_before(readings: list[Reading], start: int, end: int, what: Judged, rules: Hysteresis) -> list[int]:
    """Return the times of the readings of one kind that lead up to `end` with no other kind in between."""
    times = [readings[end][0]]
    for i in range(end - 1, start - 1, -1):
        at, kind = readings[i]
        if kind is Judged.GONE and what is Judged.BAD and _gone_since(readings, i, start, rules):
            break  # what was pending was let go
        if kind in UNJUDGED:
            continue
        if kind is not what:
            break
        times.append(at)
    return times[::-1]


def _gone_since(readings: list[Reading], i: int, start: int, rules: Hysteresis) -> bool:
    judged = [t for t, kind in readings[start:i] if kind not in UNJUDGED]
    return bool(judged) and readings[i][0] - judged[-1] >= rules.forget_after_s
