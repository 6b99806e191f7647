"""One reading: the inventory, everything that Prometheus is asked, and the snapshot that comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.clock import SystemClock
from optimizer.fleet import ABSENT, HostState, VmState
from optimizer.prometheus.answers import Unclear
from optimizer.prometheus.server import open_server
from optimizer.signals.asking import CLOCK, ask, info_query, last_query, queries_of
from optimizer.signals.config import InventoryPart, SignalsPart, wanted_signals
from optimizer.signals.exporters.libvirt import WAIT
from optimizer.signals.exporters.node import STEAL_OF_NODE
from optimizer.signals.filling import closed, filled_document, unfilled, with_resources
from optimizer.signals.inventory import read_inventory
from optimizer.signals.joined import Joined, Place, join_signal, span
from optimizer.signals.naming import Namer, Names
from optimizer.signals.report import SignalsReport, report
from optimizer.signals.signal import Of
from optimizer.similar import nearest
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.prometheus_part import beside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from optimizer.caution import Caution
    from optimizer.clock import Clock
    from optimizer.execution import Prometheus
    from optimizer.fleet import Fleet
    from optimizer.prometheus.server import Server
    from optimizer.signals.asking import Answers
    from optimizer.signals.config import Wanted
    from optimizer.signals.signal import Join
    from optimizer.sources.config_yaml import Config

__all__ = ["ALWAYS_ZERO", "FleetReading", "prometheus_of", "read_fleet"]

STRANGERS_SHOWN = 3

SHARE = 0.8
"""Of the time that all may take together, Prometheus has at most that: the rest is for joining and saying."""

ALWAYS_ZERO = (
    "node_cpu_seconds_total{mode=steal} is always 0 on bare metal: it counts what a hypervisor above takes. What "
    "guests feel as steal is libvirt_domain_vcpu_delay_seconds_total (the exporter libvirt)"
)

WAITS_NEVER = f"{WAIT} is 0 of every VM: the kernels may not keep it (sysctl kernel.sched_schedstats=1)"


@dataclass(frozen=True, slots=True)
class FleetReading:
    """A snapshot with its signals.

    Attributes
    ----------
    document
        The joined `remora-fleet/1`.
    fleet
        The same, checked.
    report
        What was read, and which hosts and VMs are closed for what.
    """

    document: dict[str, Any]
    fleet: Fleet
    report: SignalsReport


def read_fleet(
    config: Config,
    clock: Clock,
    environ: Mapping[str, str],
    *,
    url: str = "",
    waiting: Clock | None = None,
    within_s: float | None = None,
) -> FleetReading:
    """Read the inventory and its signals.

    Whatever Prometheus does within the deadline, there is a snapshot: what could not be read closes the hosts and VMs
    that it is about.

    Parameters
    ----------
    clock
        The time at which signals are read.
    environ
        Where secrets may be.
    url
        The address of Prometheus, instead of what the configuration says.
    waiting
        The clock by which deadlines are measured; the machine's own by default.
    within_s
        How long all may take together: Prometheus is given up while there is time left to say so.

    Raises
    ------
    InputError
        The configuration is wrong, or the inventory cannot be read.
    """
    waiting = waiting or SystemClock()
    began = waiting.monotonic()
    part = config.section("signals", SignalsPart)
    wanted = wanted_signals(config, part)
    server = open_server(config.where, "signals.prometheus", prometheus_of(config, part), environ, url)
    laid: list[Caution] = []
    document = read_inventory(config, config.section("inventory", InventoryPart), clock, environ, laid.append)
    document = with_resources(document, [one.signal.name for one in wanted])
    fleet = fleet_from_document(document, f"{config.where}: inventory")
    unused = unfilled(fleet.resource_index, [one.signal.name for one in wanted])
    wanted = [one for one in wanted if one.signal.name not in unused]
    left_s = part.deadline_s
    if within_s is not None:
        left_s = max(0.0, min(left_s, began + SHARE * within_s - waiting.monotonic()))
    reading = _Reading(part, server, fleet, clock, waiting, left_s)
    read = reading.all(wanted)
    hosts, vms = closed(fleet, read, reading.skewed())
    whole = filled_document(document, read, hosts, vms, reading.now, part.window_s)
    unread = (f"{name} is not read: the fleet has no such resource" for name in unused)
    notes = [*map(str, laid), *reading.notes(read), *unread]
    said = report(fleet, read, hosts, vms, notes, waiting.monotonic() - began)
    return FleetReading(whole, fleet_from_document(whole, f"{config.where}: signals"), said)


def _all_zero(one: Joined) -> bool:
    there = one.values[~np.isnan(one.values)]
    return bool(there.size) and not there.any()


def _unnamed(of: Of, join: Join, keys: list[str]) -> str:
    """Say of series that lead to no name why, and what says how they would."""
    what, field = ("host", "hosts") if of is Of.HOST else ("VM", "vms")
    labels = " and ".join(join.on)
    has = f"{join.series} has none of their {labels}" if join.series else f"they have no label {join.label}"
    such = f", such as {keys[0]}" if keys[0] else ""
    return f"series of {len(keys):,} lead to the name of no {what}: {has}{such} (signals.{field} says how they do)"


def prometheus_of(config: Config, part: SignalsPart) -> Prometheus:
    """Return where Prometheus is, with its files named from where the configuration stands."""
    return beside(config, part.prometheus.plain())


class _Reading:
    """What one reading keeps in hand."""

    def __init__(
        self, part: SignalsPart, server: Server, fleet: Fleet, clock: Clock, waiting: Clock, left_s: float
    ) -> None:
        self._part, self._server, self._fleet = part, server, fleet
        self._clock, self._waiting = clock, waiting
        self._until = waiting.monotonic() + left_s
        self.now = clock.now()
        self._answers: Answers = {}
        self._clock_at = 0.0
        self._names = {
            Of.HOST: Names(fleet.hosts.ids, fleet.hosts.names),
            Of.VM: Names(fleet.vms.ids, fleet.vms.names),
        }
        self._namers: dict[tuple[Of, Join], Namer] = {}

    def all(self, wanted: Sequence[Wanted]) -> list[Joined]:
        """Read every signal; where some series are not there now, ask when they last were."""
        self._clock_at = self._clock.now().timestamp()
        self._ask(queries_of(self._part, wanted))
        read = [self._join(one) for one in wanted]
        lost = [one for one in read if not one.failed and one.lacking()]
        if lost:
            self._ask(last_query(one.wanted) for one in lost)
            again = {id(one): self._join(one.wanted) for one in lost}
            read = [again.get(id(one), one) for one in read]
        for one in read:
            if one.wanted.signal.name == "host.clock_skew_s":
                self._skewed_hosts(one)
        return read

    def skewed(self) -> str:
        """Return why the clock of Prometheus cannot be trusted; empty where it can."""
        said = self._answers[CLOCK]
        if isinstance(said, Unclear):
            return f"the clock of Prometheus cannot be read: {said}"
        if len(said) != 1:
            return "the clock of Prometheus cannot be read: no time"
        ahead = float(said.values[0]) - self._clock_at
        if not abs(ahead) <= self._part.max_skew_s:
            word = "ahead of" if ahead > 0 else "behind"
            return f"the clock of Prometheus is {span(abs(ahead))} {word} ours, at most {span(self._part.max_skew_s)}"
        return ""

    def notes(self, read: Sequence[Joined]) -> Iterator[str]:
        """Yield what a reader of the report should know beside what is missing."""
        for one in read:
            if STEAL_OF_NODE in one.wanted.signal.query and one.wanted.signal.name.endswith("cpu_steal"):
                yield f"{one.wanted.signal.name}: {ALWAYS_ZERO}"
            if one.wanted.signal.series == WAIT and one.wanted.signal.of is Of.VM and _all_zero(one):
                yield f"{one.wanted.signal.name}: {WAITS_NEVER}"
        for (of, join), namer in self._namers.items():
            if namer.strangers:
                yield self._strangers(of, join, sorted(namer.strangers))
            if namer.unnamed:
                yield _unnamed(of, join, sorted(namer.unnamed))

    def _strangers(self, of: Of, join: Join, names: list[str]) -> str:
        what = "host" if of is Of.HOST else "VM"
        ids = self._fleet.hosts.ids if of is Of.HOST else self._fleet.vms.ids
        near = next((f"; {name} is like {found[0]}" for name in names if (found := nearest(name, ids, 1))), "")
        shown = ", ".join(names[:STRANGERS_SHOWN]) + (", ..." if len(names) > STRANGERS_SHOWN else "")
        return f"{len(names):,} names in the label {join.label} are of no {what} of the inventory: {shown}{near}"

    def _ask(self, queries: Iterator[str]) -> None:
        left = max(0.0, self._until - self._waiting.monotonic())
        self._answers |= ask(self._server, self._waiting, self._part, queries, self.now, left)

    def _join(self, wanted: Wanted) -> Joined:
        vm = self._namer(Of.VM, wanted.vm) if wanted.vm is not None else None
        host = self._namer(Of.HOST, wanted.host)
        place = self._place(wanted.signal.of)
        return join_signal(wanted, place, self._answers, host, vm, self._part, self.now.timestamp())

    def _namer(self, of: Of, join: Join) -> Namer:
        if (of, join) not in self._namers:
            info = self._answers[info_query(join)] if join.series else None
            self._namers[of, join] = Namer(join, self._names[of], info)
        return self._namers[of, join]

    def _place(self, of: Of) -> Place:
        """Return what should have signals: hosts that are not down, and VMs that run on them."""
        hosts, vms = self._fleet.hosts, self._fleet.vms
        up = np.append(hosts.state != HostState.DOWN, False)
        runs = np.isin(vms.state, (VmState.RUNNING, VmState.PAUSED)) & (vms.host != ABSENT) & up[vms.host]
        peopled = np.zeros(len(hosts), np.bool_)
        peopled[vms.host[runs]] = True
        if of is Of.HOST:
            return Place(up[:-1], np.arange(len(hosts), dtype=np.int32), peopled, hosts.ids, hosts.ids)
        moving = frozenset(move.vm for move in self._fleet.in_flight)
        return Place(runs, vms.host, np.ones(len(vms), np.bool_), vms.ids, hosts.ids, moving)

    def _skewed_hosts(self, one: Joined) -> None:
        for h in np.flatnonzero(one.values > self._part.max_skew_s).tolist():
            most = span(self._part.max_skew_s)
            one.refuse(h, f"its clock and that of Prometheus differ by {span(float(one.values[h]))}, at most {most}")
