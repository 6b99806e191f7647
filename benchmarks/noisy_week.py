"""A noisy week: how often monitors cry without a reason, and how soon they find what is real.

    python -m benchmarks.noisy_week [--hosts 200] [--days 7] [--every 300] [--hover 0.75] [--seed 1]

Every host has an I/O pressure sampled once a minute: a daily wave and slow noise around a level of its own (a tenth of
the hosts hover at up to `--hover` of the limit), fast noise of 25 %, spikes of one to four minutes six times a day,
single scrapes that are wrong, scrapes that are missing, and outages of up to an hour. Into that, real events are
planted: half an hour to six hours at 1.5 to 4 times the limit. What monitors see is the quantile 0.66 of the last ten
minutes, as the signals read it; where half of the samples are missing, so is the reading.

A false alarm is an imbalance that opens while no event is there and none has ended within the last window. A real one
is found when an imbalance is open; minutes without a reading do not count, since nobody could see.

The command ends with 1 where the last way, which is the one that ships, cries more than once a host-month, misses an
event, or finds one later than two windows after it began.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.fleet import Pressure
from optimizer.monitors.config import MonitorsPart
from optimizer.monitors.pressure import Psi
from optimizer.monitors.reading import Observation
from optimizer.monitors.watching import watch_once
from optimizer.sources.fleet_json import fleet_from_document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from optimizer.execute.ledger.watch_records import Imbalance
    from optimizer.monitors.reading import Monitor

__all__ = ["Event", "Found", "Week", "made", "replayed"]

START = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE_S, WINDOW = 60, 10
LIMIT = 0.10


@dataclass(frozen=True, slots=True)
class Event:
    """Something real: a host is over the limit from one minute to another."""

    host: int
    first: int
    last: int


@dataclass(frozen=True)
class Week:
    """float64 [minutes, hosts]: raw samples, NaN where a scrape is missing; and what was planted."""

    samples: NDArray[np.float64]
    events: tuple[Event, ...]

    def averages(self) -> NDArray[np.float64]:
        """float64 [minutes, hosts]: the average of the last ten minutes; NaN where half of the samples are missing."""
        return self._over_windows(lambda window: np.nanmean(window, axis=-1))

    def quantiles(self, share: float = 0.66) -> NDArray[np.float64]:
        """float64 [minutes, hosts]: the quantile of the last ten minutes; NaN where half of the samples are missing."""
        return self._over_windows(lambda window: _quantile(window, share))

    def _over_windows(self, of: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        out = np.full_like(self.samples, np.nan)
        for host in range(self.samples.shape[1]):  # host by host: all windows at once would be large
            windows = np.lib.stride_tricks.sliding_window_view(self.samples[:, host], WINDOW)
            seen = np.isnan(windows).sum(axis=-1) < WINDOW / 2
            out[WINDOW - 1 :][seen, host] = of(windows[seen])
        return out


def _quantile(window: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """float64 [n]: a quantile of each row without its NaN, interpolated as Prometheus does it."""
    ordered = np.sort(window, axis=-1)  # NaN come last
    rank = share * (WINDOW - np.isnan(window).sum(axis=-1) - 1)
    low = np.floor(rank).astype(np.int64)
    rows = np.arange(len(window))
    high = np.minimum(low + 1, np.ceil(rank).astype(np.int64))
    return np.asarray(ordered[rows, low] + (rank - low) * (ordered[rows, high] - ordered[rows, low]))


@dataclass(frozen=True, slots=True)
class Found:
    """What a way to watch made of a week."""

    opened: int
    false_alarms: int
    missed: int
    delays_s: tuple[float, ...]
    host_months: float

    @property
    def late(self) -> int:
        """How many were found later than two windows after they began."""
        return sum(delay > 2 * WINDOW * MINUTE_S for delay in self.delays_s)

    def line(self, name: str) -> str:
        """Return it as a row."""
        delays = sorted(self.delays_s)
        middle = delays[len(delays) // 2] / 60 if delays else float("nan")
        longest = delays[-1] / 60 if delays else float("nan")
        rate = self.false_alarms / self.host_months
        figures = f"{self.opened:>7,} {self.false_alarms:>7,} {rate:>13.2f} {self.missed:>7} {self.late:>17}"
        return f"{name:<34} {figures} {middle:>9.1f} {longest:>9.1f}"


def made(hosts: int, days: int, seed: int, events: int, hover: float = 0.75) -> Week:
    """Make a week."""
    random = np.random.default_rng(seed)
    minutes = days * 1440
    level = np.where(random.random(hosts) < 0.1, random.uniform(0.06, 0.085, hosts), random.uniform(0.005, 0.04, hosts))
    wave = 1 + 0.3 * np.sin(2 * np.pi * (np.arange(minutes)[:, None] / 1440 + random.random(hosts)))
    underlying = np.minimum(level * wave * np.exp(_slow(random, minutes, hosts)), hover * LIMIT)
    samples = underlying * random.lognormal(0, 0.25, (minutes, hosts))
    planted = _planted(random, minutes, hosts, events)
    for event in planted:
        lasts = event.last - event.first
        samples[event.first : event.last, event.host] = LIMIT * random.uniform(1.5, 4) * random.lognormal(0, 0.2, lasts)
    for host in range(hosts):
        for first in random.integers(0, minutes, random.poisson(6 * days)):
            samples[first : first + random.integers(1, 5), host] += random.uniform(0.1, 0.5)
    wrong = random.random((minutes, hosts)) < 0.0005
    samples = np.where(wrong, random.uniform(0, 1, (minutes, hosts)), np.minimum(samples, 1.0))
    samples[random.random((minutes, hosts)) < 0.01] = np.nan
    for host in range(hosts):
        for first in random.integers(0, minutes, random.poisson(0.5 * days)):
            samples[first : first + random.integers(5, 60), host] = np.nan
    return Week(samples, planted)


def _slow(random: np.random.Generator, minutes: int, hosts: int) -> NDArray[np.float64]:
    """float64 [minutes, hosts]: noise that remembers half an hour (AR(1)), with a spread of 0.15."""
    keep = np.exp(-1 / 30)
    out = np.empty((minutes, hosts))
    now = random.normal(0, 0.15, hosts)
    for minute in range(minutes):
        now = keep * now + random.normal(0, 0.15 * np.sqrt(1 - keep**2), hosts)
        out[minute] = now
    return out


def _planted(random: np.random.Generator, minutes: int, hosts: int, events: int) -> tuple[Event, ...]:
    """Plant events that do not meet: at most one a host and day."""
    slots = random.permutation(hosts * (minutes // 1440))[:events]
    out = []
    for slot in slots.tolist():
        host, day = slot % hosts, slot // hosts
        lasts = int(random.integers(30, 360))
        first = day * 1440 + int(random.integers(60, 1440 - lasts - 60))
        out.append(Event(host, first, first + lasts))
    return tuple(sorted(out, key=lambda e: (e.first, e.host)))


def replayed(week: Week, monitor: Monitor, every_s: int, values: NDArray[np.float64]) -> Found:
    """Step a monitor through a week, by float64 [minutes, hosts] of `values` that were made of its samples."""
    minutes, hosts = values.shape
    fleet = fleet_from_document(_document(hosts), "generated")
    part = MonitorsPart()
    live: tuple[Imbalance, ...] = ()
    spans: dict[str, list[int]] = {}
    for minute in range(WINDOW, minutes, every_s // MINUTE_S):
        pressure = fleet.hosts.pressure.copy()
        pressure[:, Pressure.IO] = values[minute]
        at = START + timedelta(minutes=minute)
        now = replace(fleet, taken_at=at, hosts=replace(fleet.hosts, pressure=pressure))
        watched = watch_once((monitor,), part, Observation(now, at), live)
        live = watched.live
        for told in watched.changes:
            if told.after == "open" and told.before != "closing":
                spans[told.imbalance.id] = [int(told.subject[1:]), minute, minutes]
            elif told.after == "closed":
                spans[told.imbalance.id][2] = minute
    return _judged(week, list(spans.values()), np.isnan(values) | np.isnan(week.samples))


def _judged(week: Week, spans: Sequence[Sequence[int]], unseen: NDArray[np.bool_]) -> Found:
    minutes, hosts = unseen.shape
    false_alarms = sum(
        not any(e.host == host and e.first <= opened <= e.last + WINDOW for e in week.events)
        for host, opened, _ in spans
    )
    missed, delays = 0, []
    for event in week.events:
        at = [
            max(o, event.first)
            for host, o, closed in spans
            if host == event.host and o <= event.last and closed > event.first
        ]
        if not at:
            missed += 1
            continue
        blind = int(unseen[event.first : min(at), event.host].sum())
        delays.append(float((min(at) - event.first - blind) * MINUTE_S))
    return Found(len(spans), false_alarms, missed, tuple(delays), hosts * minutes / 1440 / 30)


def _document(hosts: int) -> dict[str, Any]:
    return {
        "format": "remora-fleet/1",
        "fleet": "week",
        "taken_at": START.isoformat(),
        "resources": [{"name": "disk_mib", "copied": True}],
        "levels": ["host"],
        "hosts": [
            {"id": f"h{i}", "domains": {}, "capacity": {"disk_mib": 1000}, "pressure": {"io": 0.0}}
            for i in range(hosts)
        ],
        "vms": [],
    }


def main() -> int:
    """Print the table; 1 where what ships cries more than once a host-month, or is late, or misses something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--every", type=int, default=300, help="seconds between two looks, a multiple of 60")
    parser.add_argument("--events", type=int, default=80)
    parser.add_argument("--hover", type=float, default=0.75, help="how near to the limit quiet hosts come")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    week = made(asked.hosts, asked.days, asked.seed, asked.events, asked.hover)
    months = asked.hosts * asked.days / 30
    print(f"{asked.hosts} hosts, {asked.days} days ({months:.1f} host-months), {len(week.events)} real events")
    print(f"a look every {asked.every} s, hover {asked.hover:g}, seed {asked.seed}")
    heads = f"{'opened':>7} {'false':>7} {'a host-month':>13} {'missed':>7} {'later than 20 min':>17}"
    print(f"{'':<34} {heads} {'median':>9} {'longest':>9}")
    at_once = Psi(resource="io", open_after_s=0, close_after_s=0, closes_below=LIMIT - 1e-9)
    ways = (
        ("one limit, single samples", at_once, week.samples),
        ("one limit, averages of 10 min", at_once, week.averages()),
        ("one limit, quantiles of 10 min", at_once, week.quantiles()),
        ("psi_io as it ships, averages", Psi(resource="io"), week.averages()),
        ("psi_io as it ships, quantiles", Psi(resource="io"), week.quantiles()),
    )
    for name, monitor, values in ways:
        found = replayed(week, monitor, asked.every, values)
        print(found.line(name))
    return int(found.false_alarms > found.host_months or found.missed > 0 or found.late > 0)


if __name__ == "__main__":
    sys.exit(main())
