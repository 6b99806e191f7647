"""A server that answers the queries of a configuration from a small world of hosts and VMs, or fails as it is told."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlparse

from optimizer.signals.asking import CLOCK, info_query, last_query, newest_query, samples_query
from optimizer.signals.config import SignalsPart, wanted_signals
from optimizer.signals.signal import Of
from tests.prometheus.fake_server import serving, success
from tests.replies import answering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler

    from optimizer.signals.config import Wanted
    from optimizer.sources.config_yaml import Config

__all__ = ["World", "world_of"]

Row = tuple[dict[str, str], float]


@dataclass
class World:
    """What the exporters of a fleet say.

    `values`: by signal and host or VM, in the field's unit; what is absent has no series. `ages` (seconds) and
    `samples` are by host; so are `times`: how often each series is there. `faults`: by a part of a query, what is done
    instead of an answer.
    """

    wanted: list[Wanted]
    host_of: dict[str, str]
    hosts: list[str]
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    busy: dict[str, float] = field(default_factory=dict)
    ages: dict[str, float] = field(default_factory=dict)
    samples: dict[str, float] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    more: list[tuple[str, dict[str, str], float]] = field(default_factory=list)
    faults: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    ahead_s: float = 0.0
    warnings: list[str] = field(default_factory=list)
    now: Callable[[], float] = time.time
    asked: list[str] = field(default_factory=list)

    def set(self, signal: str, subject: str, value: float | None) -> None:
        mine = self.values.setdefault(signal, {})
        if value is None:
            mine.pop(subject, None)
        else:
            mine[subject] = value

    def labels(self, one: Wanted, subject: str) -> dict[str, str]:
        if one.signal.of is Of.HOST:
            return {"instance": f"{subject}:9100"}
        if one.vm is not None and one.vm.series:
            return {"instance": f"{self.host_of[subject]}:9177", "domain": f"instance-{subject}"}
        return {"instance": f"{self.host_of[subject]}:9010", one.vm.label if one.vm else "vm": subject}

    def host(self, one: Wanted, subject: str) -> str:
        return subject if one.signal.of is Of.HOST else self.host_of[subject]

    def rows(self, query: str, at: float) -> list[Row]:
        """Return every series of an answer at a time once; signals may share the series that they are made of."""
        found: dict[tuple[tuple[str, str], ...], Row] = {}
        for one in self.wanted:
            for labels, value in self._rows_of(one, query, at):
                found[tuple(sorted(labels.items()))] = (labels, value)
        return list(found.values()) + [(labels, value) for part, labels, value in self.more if part == query]

    def _rows_of(self, one: Wanted, query: str, at: float) -> list[Row]:
        mine = self.values.get(one.signal.name, {})
        age = {subject: self.ages.get(self.host(one, subject), 10.0) for subject in mine}
        if query == one.signal.query:
            return [(self.labels(one, s), value / one.signal.scale) for s, value in mine.items() if age[s] <= 600]
        if query in (newest_query(one), last_query(one)):
            gone = 300.0 if query == newest_query(one) else 1e9
            return [(self.labels(one, s), at - age[s]) for s in mine if age[s] <= gone]
        if query == samples_query(one, 600):
            return [(self.labels(one, s), self.samples.get(self.host(one, s), 10.0)) for s in mine if age[s] <= 600]
        if query == one.signal.once:
            return [(self.labels(one, s), self.times.get(self.host(one, s), 1.0)) for s in mine if age[s] <= 600]
        if query == one.signal.busy:
            return [({"instance": f"{h}:9100"}, self.busy.get(h, 1.0)) for h in self.hosts]
        if one.vm is not None and one.vm.series and query == info_query(one.vm):
            return [(self.labels(one, vm) | {one.vm.label: vm}, 1.0) for vm in self.host_of]
        return []

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        asked = parse_qs(urlparse(handler.path).query)
        query = asked["query"][0]
        self.asked.append(query)
        for part, fault in self.faults.items():
            if part in query:
                fault(handler)
                return
        if query == CLOCK:
            now = self.now() + self.ahead_s
            answering(success([now, repr(now)], "scalar"))(handler)
            return
        at = float(asked["time"][0])
        rows = [{"metric": labels, "value": [at, repr(value)]} for labels, value in self.rows(query, at)]
        more: dict[str, Any] = {"warnings": self.warnings} if self.warnings else {}
        answering(success(rows, **more))(handler)

    @contextmanager
    def serving(self) -> Iterator[str]:
        with serving(self.reply) as (url, _):
            yield url


def world_of(config: Config, document: dict[str, Any]) -> World:
    """Return a world in which a snapshot's hosts and VMs have every signal, and nothing hurts."""
    part = config.section("signals", SignalsPart)
    world = World(
        wanted_signals(config, part),
        {vm["id"]: vm["host"] for vm in document["vms"] if vm["host"]},
        [host["id"] for host in document["hosts"]],
    )
    for one in world.wanted:
        subjects = world.hosts if one.signal.of is Of.HOST else list(world.host_of)
        name = one.signal.name
        level = 0.01 if ".pressure." in name else 0.2 if name.endswith("skew_s") else 500.0
        world.values[name] = dict.fromkeys(subjects, level)
    load = {host["id"]: {"disk_mib": 0, "memory_mib": 0} for host in document["hosts"]}
    for vm in document["vms"]:
        for resource in ("disk_mib", "memory_mib"):
            if vm["host"]:
                load[vm["host"]][resource] += vm["demand"].get(resource, 0)
    for resource in ("disk_mib", "memory_mib"):
        world.values[f"host.measured.{resource}"] = {host: float(of[resource] + 100) for host, of in load.items()}
    world.values["host.full_in_s.disk_mib"] = {}
    world.values["host.measured.cpu_load_millicores"] = {
        host: 500.0 * sum(1 for at in world.host_of.values() if at == host) + 100 for host in world.hosts
    }
    return world
