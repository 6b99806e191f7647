"""The series of stalls and use that evidence of interference is made of, read from Prometheus over the last windows."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.prometheus.answers import Matrix, Unclear, Vector
from optimizer.prometheus.asking import ask_all, ask_instant, ask_range
from optimizer.prometheus.server import open_server
from optimizer.signals.asking import info_query
from optimizer.signals.config import SignalsPart
from optimizer.signals.exporters import EXPORTERS
from optimizer.signals.exporters.libvirt import CPU_USED, DELAY, INOVEX, IO_USED, TIMES, TINKOFF, WAIT, WAITING
from optimizer.signals.exporters.node import CPU_TIMES
from optimizer.signals.exporters.node import CPU_USED as CPU_USED_BY_HOST
from optimizer.signals.interference.series import HostSeries, Observation
from optimizer.signals.interference.settings import Settings
from optimizer.signals.naming import Namer, Names
from optimizer.signals.reading import prometheus_of
from optimizer.signals.signal import TWICE
from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.clock import Clock
    from optimizer.fleet import Fleet
    from optimizer.prometheus.asking import Asking
    from optimizer.prometheus.server import Server
    from optimizer.signals.signal import Exporter, Join
    from optimizer.sources.config_yaml import Config

__all__ = ["InterferencePart", "KindQueries", "SeriesReading", "queries_for", "read_series"]

_Text = Annotated[str, Field(max_length=10_000)]
_Kind = Literal["cpu_steal", "cpu", "io", "memory"]

BLOCK = "libvirt_domain_block_stats"
HOSTS_NAMED = 5
"""How many hosts a note names."""

OF_HOSTS = ("total", "total_once")
"""Queries of which there is a value by host."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class KindQueries:
    """The queries of one kind: series by host and VM (`total`: by host), one value for each step.

    Parameters
    ----------
    stall
        Fraction of time that each VM was stalled.
    use
        Use of the resource by each VM.
    total
        Use by each host in the same unit; none if empty.
    throttled
        The part of `stall` that each VM's own quota caused; none if empty.
    once, total_once
        Where queries of VMs, or `total`, add up: how many series there are of what each VM, or host, has one of.
        Samples at which that is more are left out; none if empty.
    """

    stall: Annotated[str, Field(min_length=1, max_length=10_000)]
    use: Annotated[str, Field(min_length=1, max_length=10_000)]
    total: _Text = ""
    throttled: _Text = ""
    once: _Text = ""
    total_once: _Text = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class InterferencePart(Settings):
    """The section `interference`: how evidence is judged, and by which queries it is read.

    Parameters
    ----------
    step_s
        Seconds of a sample: rates are taken over as long, so it has to be at least two scrapes.
    deadline_s
        Seconds for all answers together.
    every_s
        The periodic run attributes as often as this, with the next cycle; null: never.
    within_s
        Seconds for reading and attributing there; afterwards the cycle goes on without.
    queries
        By kind, instead of those for the exporters that `signals.exporters` names; ``{vm}``, ``{host}`` and ``{rate}``
        are filled in. A kind that maps to nothing is not read.
    """

    step_s: int = Field(default=60, ge=1, le=3600)
    deadline_s: float = Field(default=60.0, ge=0.1, le=3600)
    every_s: float | None = Field(default=900.0, ge=0, le=86_400)
    within_s: float = Field(default=120.0, ge=0.1, le=3600)
    queries: dict[_Kind, KindQueries | None] = Field(default_factory=dict)


def _by_sample(query: str) -> str:
    """Return a query of signals over each sample instead of over their window."""
    return query.replace("{window}", "{rate}")


def _steal(counter: str) -> KindQueries:
    return KindQueries(
        stall=f"avg by ({{vm}}) (rate({counter}[{{rate}}]))",
        use=_by_sample(CPU_USED),
        total=_by_sample(CPU_USED_BY_HOST),
        once=_by_sample(TIMES),
        total_once=_by_sample(CPU_TIMES),
    )


_LIBVIRT: Mapping[_Kind, KindQueries] = {
    "cpu_steal": _steal(DELAY),
    "io": KindQueries(
        stall=f"clamp_max(sum by ({{vm}}) (rate({BLOCK}_read_time_seconds_total[{{rate}}]))"
        f" + sum by ({{vm}}) (rate({BLOCK}_write_time_seconds_total[{{rate}}])), 1)",
        use=_by_sample(IO_USED),
        once=_by_sample(TIMES),
    ),
}

DEFAULTS: Mapping[str, Mapping[_Kind, KindQueries]] = {
    INOVEX.name: _LIBVIRT,
    TINKOFF.name: _LIBVIRT,
    WAITING.name: {"cpu_steal": _steal(WAIT)},
}
"""By exporter; of two that have a kind the first counts."""


@plain_dataclass(frozen=True)
class SeriesReading:
    """What was read.

    Parameters
    ----------
    observation
        The series of every host and kind that could be read.
    notes
        What could not, and why.
    """

    observation: Observation
    notes: tuple[str, ...]


@plain_dataclass(frozen=True)
class _Names:
    host: Namer
    vm: Namer


def queries_for(part: InterferencePart, exporters: Sequence[str]) -> dict[_Kind, KindQueries]:
    """Return the queries of each kind that is read: the configuration's own over those of its exporters."""
    found: dict[_Kind, KindQueries] = {}
    for name in exporters:
        found = {**DEFAULTS.get(name, {}), **found}
    for kind, own in part.queries.items():
        found.pop(kind, None)
        if own is not None:
            found[kind] = own
    return found


def read_series(
    config: Config, fleet: Fleet, clock: Clock, waiting: Clock, environ: Mapping[str, str], *, url: str = ""
) -> SeriesReading:
    """Read the series of the last windows, up to now.

    Parameters
    ----------
    fleet
        Whose hosts and VMs the series are of.
    waiting
        The clock by which the deadline is measured.

    Raises
    ------
    InputError
        The configuration is wrong, or no kind could be read at all.
    """
    part, signals = config.section("interference", InterferencePart), config.section("signals", SignalsPart)
    queries = queries_for(part, signals.exporters)
    if not queries:
        hint = "for VMs of libvirt there are defaults: signals.exporters: [libvirt]"
        raise InputError(config.where, "interference.queries", "", "queries of at least one kind", hint)
    server = open_server(config.where, "signals.prometheus", prometheus_of(config, signals), environ, url)
    exporter = next((EXPORTERS[name] for name in signals.exporters if name in EXPORTERS and EXPORTERS[name].vm), None)
    host, vm = _joins(config, signals, exporter)
    reader = _Reader(part, server, waiting, _end(clock.now(), part.step_s))
    answers = reader.ask(queries, host, vm)
    infos = reader.infos(host, vm)
    names = _Names(
        Namer(host, Names(fleet.hosts.ids, fleet.hosts.names), infos.get(host)),
        Namer(vm, Names(fleet.vms.ids, fleet.vms.names), infos.get(vm)),
    )
    hosts, notes = [], [f"{why}: {name.failed}" for why, name in vars(names).items() if name.failed]
    for kind in queries:
        failed = [f"{kind}: {what}: {a}" for (k, what), a in answers.items() if k == kind and isinstance(a, Unclear)]
        notes += failed
        if not failed:
            found, twice = _series(kind, answers, reader, fleet, names)
            hosts += found
            notes += _note(kind, twice)
    if not hosts:
        why = notes[0] if notes else "no series of any VM of the fleet"
        raise InputError(config.where, "interference.queries", why, "series of stall and use", "remora signals check")
    return SeriesReading(Observation(tuple(hosts), reader.ends_at, float(part.step_s)), tuple(notes))


def _note(kind: _Kind, twice: Sequence[str]) -> list[str]:
    if not twice:
        return []
    more = f" and {len(twice) - HOSTS_NAMED} more hosts" if len(twice) > HOSTS_NAMED else ""
    named = ", ".join(twice[:HOSTS_NAMED]) + more
    return [f"{kind}: samples of series that are there twice ({TWICE}) are left out, on {named}"]


def _end(now: datetime, step_s: int) -> datetime:
    return datetime.fromtimestamp(int(now.timestamp()) // step_s * step_s, UTC)


def _joins(config: Config, signals: SignalsPart, exporter: Exporter | None) -> tuple[Join, Join]:
    host = signals.hosts.plain() if signals.hosts else exporter.host if exporter else None
    vm = signals.vms.plain() if signals.vms else exporter.vm if exporter else None
    if host is None or vm is None:
        hint = "say which labels lead to hosts and VMs: signals.hosts and signals.vms"
        raise InputError(config.where, "signals.exporters", signals.exporters, "an exporter of VMs", hint)
    return host, vm


class _Reader:
    """Asks for everything at once."""

    def __init__(self, part: InterferencePart, server: Server, waiting: Clock, ends_at: datetime) -> None:
        self.part, self.ends_at, self.count = part, ends_at, part.window * part.windows
        self._server, self._waiting, self._until = server, waiting, waiting.monotonic() + part.deadline_s
        self.start = ends_at.timestamp() - (self.count - 1) * part.step_s

    def ask(
        self, queries: Mapping[_Kind, KindQueries], host: Join, vm: Join
    ) -> dict[tuple[_Kind, str], Matrix | Unclear]:
        """Return the answer to each query of each kind."""
        places = {
            "{host}": ", ".join(host.keys),
            "{vm}": ", ".join(dict.fromkeys([*host.keys, *vm.keys])),
            "{rate}": f"{self.part.step_s}s",
        }
        asked: dict[tuple[_Kind, str], str] = {}
        for kind, those in queries.items():
            for what, query in vars(those).items():
                if isinstance(query, str) and query:
                    for place, text in places.items():
                        query = query.replace(place, text)
                    asked[kind, what] = query
        answers = ask_all([partial(self._range, query) for query in asked.values()], self._waiting, self._left())
        return dict(zip(asked, answers, strict=True))

    def infos(self, *joins: Join) -> dict[Join, Vector | Unclear]:
        """Return the answers about the series that carry names."""
        needed = [join for join in dict.fromkeys(joins) if join.series]
        return dict(
            zip(needed, ask_all([partial(self._info, j) for j in needed], self._waiting, self._left()), strict=True)
        )

    def _left(self) -> float:
        return max(0.0, self._until - self._waiting.monotonic())

    def _range(self, query: str, left_s: float) -> Asking[Matrix]:
        start = datetime.fromtimestamp(self.start, UTC)
        return ask_range(self._server, self._waiting, query, left_s, start, self.ends_at, self.part.step_s)

    def _info(self, join: Join, left_s: float) -> Asking[Vector]:
        return ask_instant(self._server, self._waiting, info_query(join), left_s, self.ends_at)


def _series(
    kind: _Kind,
    answers: Mapping[tuple[_Kind, str], Matrix | Unclear],
    reader: _Reader,
    fleet: Fleet,
    names: _Names,
) -> tuple[list[HostSeries], list[str]]:
    """Return the series of each host of a kind, and the hosts of which samples are left out as they are there twice."""
    columns = {
        what: _columns(answer, reader, names, by_vm=what not in OF_HOSTS)
        for (of, what), answer in answers.items()
        if of == kind and isinstance(answer, Matrix)
    }
    stall, use = columns["stall"], columns["use"]
    by_host: dict[int, list[int]] = {}
    for host, vm in sorted(stall.keys() & use.keys()):
        by_host.setdefault(host, []).append(vm)
    throttled, total = columns.get("throttled", {}), columns.get("total", {})
    times, times_total = columns.get("once", {}), columns.get("total_once", {})
    nothing = np.full(reader.count, np.nan)
    found, twice = [], []
    for host, vms in by_host.items():

        def table(
            of: Mapping[tuple[int, int], NDArray[np.float64]], h: int = host, v: list[int] = vms
        ) -> NDArray[np.float64]:
            return np.stack([of.get((h, vm), nothing) for vm in v], axis=1)

        bad = np.asarray((table(times) > 1).any(axis=1), np.bool_)
        bad_total = times_total.get((host, -1), nothing) > 1
        if (bad | bad_total).any():
            twice.append(fleet.hosts.ids[host])
        if bad.all():
            continue
        one = HostSeries(
            host=fleet.hosts.ids[host],
            kind=kind,
            vms=tuple(fleet.vms.ids[vm] for vm in vms),
            stall=np.where(bad[:, None], np.nan, np.clip(table(stall), 0.0, 1.0)),
            use=np.where(bad[:, None], np.nan, np.maximum(table(use), 0.0)),
            total=np.where(bad_total, np.nan, total[host, -1]) if (host, -1) in total else None,
            throttled=table(throttled) if throttled else None,
        )
        found.append(one)
    return found, twice


def _columns(
    answer: Matrix, reader: _Reader, names: _Names, *, by_vm: bool
) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Return by host and VM (-1: the host itself) its samples; NaN where there is none, no number, or more than one."""
    grid = answer.on_grid(reader.start, float(reader.part.step_s), reader.count)
    grid[~np.isfinite(grid)] = np.nan
    out: dict[tuple[int, int], NDArray[np.float64]] = {}
    times: dict[tuple[int, int], NDArray[np.int64]] = {}
    for column, labels in enumerate(answer.labels):
        host, vm = names.host.find(labels), names.vm.find(labels) if by_vm else -1
        if host is None or vm is None:
            continue
        key, samples = (host, vm), grid[:, column]
        before = out.get(key, np.full(reader.count, np.nan))
        out[key] = np.where(np.isnan(before), samples, before)
        times[key] = times.get(key, np.zeros(reader.count, np.int64)) + np.isfinite(samples)
    return {key: np.where(times[key] > 1, np.nan, samples) for key, samples in out.items()}
