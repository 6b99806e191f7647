"""What a reading of signals found: signal by signal and host by host, there or not, how old, in what scale, by what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.signals.signal import Of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from optimizer.fleet import Fleet
    from optimizer.signals.filling import Closed
    from optimizer.signals.joined import Joined

__all__ = ["SignalLine", "SignalsReport", "report"]

GROUPS = 5
"""That many different reasons of a signal are named."""

LIKELY = {"pressure": 1.0}


@dataclass(frozen=True, slots=True)
class SignalLine:
    """One signal over the fleet.

    Attributes
    ----------
    expected, there
        Of how many hosts or VMs there should be a value, and of how many there is one.
    oldest_s
        Of the values that are there; None where there is none.
    low, middle, high
        The least, the median and the largest value, in the field's unit.
    quiet
        How many count as 0 since the resource is not busy.
    missing
        Reasons, each with how many have it and one of them; without the hosts that are silent altogether.
    """

    name: str
    of: str
    exporter: str
    query: str
    series: str
    scale: float
    needed: bool
    expected: int
    there: int
    oldest_s: float | None
    low: float | None
    middle: float | None
    high: float | None
    quiet: int
    missing: tuple[tuple[str, int, str], ...]
    advice: str
    failed: str = ""


@dataclass(frozen=True, slots=True)
class SignalsReport:
    """All signals, and which hosts and VMs are closed for what.

    Attributes
    ----------
    hosts, vms
        By id, why each is closed.
    silent
        Hosts that have none of the signals that are needed, with the reason.
    details
        By host and signal: the value and the age in seconds, or why there is none.
    notes
        What else a reader should know.
    leads_to_hosts
        False where there are series of hosts, and none of them leads to one of the inventory.
    """

    signals: tuple[SignalLine, ...]
    hosts: dict[str, list[str]]
    vms: dict[str, list[str]]
    details: dict[str, dict[str, dict[str, object]]]
    silent: dict[str, str]
    host_count: int
    vm_count: int
    seconds: float
    notes: tuple[str, ...] = ()
    leads_to_hosts: bool = True

    @property
    def doubts(self) -> tuple[str, ...]:
        """In few lines: how many hosts and VMs are closed, and why one of them is; what was not read; the notes."""
        closed = (
            f"{len(by_id):,} of {count:,} {what} not observed, such as {one}: {why}"
            for what, count, by_id in (("hosts", self.host_count, self.hosts), ("VMs", self.vm_count, self.vms))
            for one, (why, *_) in list(by_id.items())[:1]
        )
        failed: dict[str, list[str]] = {}
        for line in self.signals:
            if line.failed and not line.needed:
                failed.setdefault(line.failed, []).append(line.name)
        return (*closed, *(f"not read: {', '.join(names)}: {why}" for why, names in failed.items()), *self.notes)

    @property
    def clean(self) -> bool:
        """Whether nothing is closed."""
        return not self.hosts and not self.vms


def report(
    fleet: Fleet, read: Sequence[Joined], hosts: Closed, vms: Closed, notes: Iterable[str], seconds: float
) -> SignalsReport:
    """Sum up a reading."""
    silent = _silent(read)
    return SignalsReport(
        tuple(_line(one, silent.keys()) for one in read),
        {fleet.hosts.ids[h]: whys for h, whys in sorted(hosts.items())},
        {fleet.vms.ids[v]: whys for v, whys in sorted(vms.items())},
        _details(fleet, read),
        {fleet.hosts.ids[h]: why for h, why in silent.items()},
        len(fleet.hosts),
        len(fleet.vms),
        seconds,
        tuple(notes),
        _lead_to_hosts(read),
    )


def _lead_to_hosts(read: Sequence[Joined]) -> bool:
    of_hosts = [one for one in read if one.wanted.signal.of is Of.HOST]
    return not any(one.unled for one in of_hosts) or any(one.led for one in of_hosts)


def _silent(read: Sequence[Joined]) -> dict[int, str]:
    """Return the hosts that have none of the signals that are needed, with the first reason."""
    asked = [one for one in read if one.wanted.signal.of is Of.HOST and one.wanted.signal.needed]
    if not asked:
        return {}
    lost = set.intersection(*(set(one.problems) for one in asked))
    return {h: asked[0].problems[h] for h in sorted(lost) if asked[0].place.expected[h]}


def _line(one: Joined, silent: Collection[int]) -> SignalLine:
    signal = one.wanted.signal
    there = one.place.expected & ~np.isnan(one.values)
    values, ages = one.values[there], one.ages[there]
    ages = ages[~np.isnan(ages)]
    first: dict[str, str] = {}
    count: Counter[str] = Counter()
    for i, why in sorted(one.problems.items()):
        if one.place.expected[i] and int(one.place.host_of[i]) not in silent:
            count[why] += 1
            first.setdefault(why, one.place.ids[i])
    return SignalLine(
        name=signal.name,
        of="hosts" if signal.of is Of.HOST else "VMs",
        exporter=one.wanted.exporter,
        query=signal.query,
        series=signal.series,
        scale=signal.scale,
        needed=signal.needed,
        expected=int(one.place.expected.sum()),
        there=int(there.sum()),
        oldest_s=float(ages.max()) if ages.size else None,
        low=float(values.min()) if values.size else None,
        middle=float(np.median(values)) if values.size else None,
        high=float(values.max()) if values.size else None,
        quiet=one.quiet,
        missing=tuple((why, n, first[why]) for why, n in count.most_common(GROUPS)),
        advice=_advice(one),
        failed=one.failed,
    )


def _advice(one: Joined) -> str:
    """Return what to do where a signal is missing; where its series are there, and lead nowhere, that is the cause."""
    if not one.unled or one.led:
        return one.wanted.signal.advice
    what, field = ("host", "hosts") if one.wanted.signal.of is Of.HOST else ("VM", "vms")
    return f"{one.unled:,} series of it are there and lead to no {what} of the inventory: set signals.{field}"


def _details(fleet: Fleet, read: Sequence[Joined]) -> dict[str, dict[str, dict[str, object]]]:
    """Return by host: each of its signals; of those of VMs how many there are."""
    out: dict[str, dict[str, dict[str, object]]] = {host: {} for host in fleet.hosts.ids}
    for one in read:
        if one.wanted.signal.of is Of.HOST:
            _of_hosts(one, out)
        else:
            _of_vms(fleet, one, out)
    return out


def _of_hosts(one: Joined, out: dict[str, dict[str, dict[str, object]]]) -> None:
    values, ages = one.values.tolist(), one.ages.tolist()
    for i, host in enumerate(one.place.ids):
        if i in one.problems:
            out[host][one.wanted.signal.name] = {"problem": one.problems[i]}
        elif values[i] == values[i]:
            said: dict[str, object] = {"value": values[i]}
            out[host][one.wanted.signal.name] = said | ({"age_s": round(ages[i], 3)} if ages[i] == ages[i] else {})


def _of_vms(fleet: Fleet, one: Joined, out: dict[str, dict[str, dict[str, object]]]) -> None:
    count = len(fleet.hosts)
    expected = one.place.expected
    there = expected & ~np.isnan(one.values)
    asked = np.bincount(one.place.host_of[expected], minlength=count)
    have = np.bincount(one.place.host_of[there], minlength=count)
    for h, host in enumerate(fleet.hosts.ids):
        if asked[h]:
            out[host][one.wanted.signal.name] = {"vms": int(asked[h]), "there": int(have[h])}
