"""The sections `inventory` and `signals` of a configuration: what they may say, and what that means."""

from __future__ import annotations

import re
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.signals.exporters import EXPORTERS
from optimizer.signals.signal import Exporter, Join, Of, Signal, filled, target
from optimizer.similar import similar
from optimizer.sources.config_yaml import STRICT
from optimizer.sources.prometheus_part import PrometheusPart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.sources.config_yaml import Config

__all__ = ["InventoryPart", "JoinPart", "QueryPart", "SignalsPart", "SqlPart", "Wanted", "wanted_signals"]

_Text = Annotated[str, Field(max_length=10_000)]
_Argument = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]
_Seconds = Annotated[int, Field(ge=1, le=31_536_000)]
_Deadline = Annotated[float, Field(ge=0.1, le=3600)]
_Names = Annotated[list[str], Field(max_length=1000)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SqlPart:
    """An inventory in a database: queries whose columns are named as `remora import` names those of CSV files."""

    hosts: _Text
    vms: _Text
    groups: _Text = ""
    url: str = ""
    url_env: _Variable | None = None
    url_file: str = ""
    mapping: str = ""

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if bool(self.url) + bool(self.url_env) + bool(self.url_file) != 1:
            raise ValueError("exactly one of url, url_env and url_file")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class InventoryPart:
    """Where hosts and VMs are read: a snapshot's file, a command that prints one, a database, or another source."""

    file: str = ""
    command: Annotated[list[_Argument], Field(max_length=100)] = Field(default_factory=list)
    environment: Annotated[list[_Variable], Field(max_length=100)] = Field(default_factory=list)
    sql: SqlPart | None = None
    source: str = ""
    location: str = ""
    fleet: Annotated[str, Field(max_length=256)] = ""
    overlay: str = ""
    deadline_s: _Deadline = 60.0
    max_age_s: _Seconds = 900

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.file) + bool(self.command) + (self.sql is not None) + bool(self.source) > 1:
            raise ValueError("only one of file, command, sql and source")
        if bool(self.source) != bool(self.location):
            raise ValueError("source and location together")
        if self.environment and not self.command:
            raise ValueError("environment only with a command")
        if self.fleet and (self.file or self.command):
            raise ValueError("fleet only with sql or source: a snapshot says its own")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class QueryPart:
    """A signal of one's own, or another query for one of an exporter."""

    query: _Text = ""
    series: _Text = ""
    scale: Annotated[float, Field(gt=0, le=1e15)] | None = None
    busy: _Text | None = None
    busy_above: Annotated[float, Field(ge=0, le=1)] | None = None
    needed: bool | None = None
    exporter: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class JoinPart:
    """How the labels of series lead to hosts or VMs, instead of how the exporter's do."""

    label: Annotated[str, Field(min_length=1, max_length=200)]
    series: _Text = ""
    on: _Names = Field(default_factory=list)
    pattern: Annotated[str, Field(max_length=1000)] = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.series) != bool(self.on):
            raise ValueError("series and on together")
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from error
        if self.pattern and groups != 1:
            raise ValueError("a pattern with one group")
        return self

    def plain(self) -> Join:
        """Return it as plain data."""
        return Join(self.label, self.series, tuple(self.on), self.pattern)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SignalsPart:
    """Which series are read, and when they are too old to act on."""

    prometheus: PrometheusPart = Field(default_factory=PrometheusPart)
    exporters: Annotated[list[str], Field(min_length=1, max_length=20)] = Field(
        default_factory=lambda: ["node", "libvirt"]
    )
    hosts: JoinPart | None = None
    vms: JoinPart | None = None
    filesystem: Annotated[str, Field(pattern=r'^[^"\\\x00-\x1f]*$', max_length=1000)] = "/var/lib/nova"
    window_s: Annotated[int, Field(ge=10, le=604_800)] = 600
    rate_s: Annotated[int, Field(ge=5, le=86_400)] = 120
    step_s: Annotated[int, Field(ge=1, le=3600)] = 60
    growth_s: Annotated[int, Field(ge=600, le=2_592_000)] = 21_600
    quantile: Annotated[float, Field(ge=0, le=1)] = 0.66
    max_age_s: _Seconds = 150
    max_skew_s: _Seconds = 30
    min_samples: Annotated[int, Field(ge=1, le=1_000_000)] = 2
    deadline_s: _Deadline = 60.0
    at_once: Annotated[int, Field(ge=1, le=64)] = 4
    without: _Names = Field(default_factory=list)
    queries: dict[str, QueryPart] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in ("rate_s", "step_s"):
            if getattr(self, name) > self.window_s:
                raise ValueError(f"{name} of at most window_s, {self.window_s}")
        return self


@plain_dataclass(frozen=True, slots=True)
class Wanted:
    """A signal that is to be read, with how its labels lead to hosts and VMs."""

    signal: Signal
    exporter: str
    host: Join
    vm: Join | None

    @property
    def join(self) -> Join:
        """How its labels lead to what it speaks of."""
        return self.vm if self.signal.of is Of.VM and self.vm is not None else self.host


def wanted_signals(config: Config, part: SignalsPart) -> list[Wanted]:
    """Return the signals that a configuration asks for, placeholders filled in, each field once.

    Raises
    ------
    InputError
        A name that nothing is called, or a signal without query or series.
    """
    chosen = [_exporter(config, part, f"signals.exporters[{i}]", name) for i, name in enumerate(part.exporters)]
    found = {
        signal.name: Wanted(signal, exporter.name, *_joins(part, exporter))
        for exporter in reversed(chosen)
        for signal in exporter.signals
    }
    for name, query in part.queries.items():
        found[name] = _own(config, part, name, query, found.get(name), chosen[0])
    for i, name in enumerate(part.without):
        if found.pop(name, None) is None:
            hint = similar(name, found) or f"there are {', '.join(sorted(found))}"
            raise InputError(config.where, f"signals.without[{i}]", name, "a signal that would be read", hint)
    return [_filled(wanted, part) for _, wanted in sorted(found.items())]


def _exporter(config: Config, part: SignalsPart, path: str, name: str) -> Exporter:
    if name not in EXPORTERS:
        hint = similar(name, EXPORTERS) or f"there are {', '.join(EXPORTERS)}; others by signals.queries"
        raise InputError(config.where, path, name, "an exporter that is known", hint)
    return EXPORTERS[name]


def _joins(part: SignalsPart, exporter: Exporter) -> tuple[Join, Join | None]:
    host = part.hosts.plain() if part.hosts else exporter.host
    return host, part.vms.plain() if part.vms and exporter.vm else exporter.vm


def _own(
    config: Config, part: SignalsPart, name: str, query: QueryPart, known: Wanted | None, first: Exporter
) -> Wanted:
    """Return a signal with what the configuration says of it, over what its exporter does."""
    path = f"signals.queries.{name}"
    if target(name) is None:
        names = [signal.name for exporter in EXPORTERS.values() for signal in exporter.signals]
        hint = similar(name, names) or "such as host.measured.disk_mib, host.pressure.io or vm.dirty_mib_per_s"
        raise InputError(config.where, path, name, "a field that a signal can fill", hint)
    if known is None or query.exporter:
        exporter = _exporter(config, part, f"{path}.exporter", query.exporter) if query.exporter else first
        known = Wanted(Signal(name, "", "", needed=False), exporter.name, *_joins(part, exporter))
    signal = replace(known.signal, **dict(_said(query)))
    for field in ("query", "series"):
        if not getattr(signal, field).strip():
            hint = "a query, and a selector of the series that it is computed from: their age is that of the signal"
            raise InputError(config.where, f"{path}.{field}", "", "PromQL", hint)
    if signal.of is Of.VM and known.vm is None:
        hint = f"set signals.vms, or {path}.exporter"
        raise InputError(config.where, path, known.exporter, "an exporter whose labels lead to VMs", hint)
    return replace(known, signal=signal)


def _said(query: QueryPart) -> Iterator[tuple[str, Any]]:
    """Yield what a configuration says of a signal.

    A busy query that is empty takes the exporter's away; a query takes away what says that the exporter's adds up.
    """
    for name in ("query", "series"):
        if getattr(query, name):
            yield name, getattr(query, name)
    if query.query:
        yield "once", ""
    for name in ("scale", "busy", "busy_above", "needed"):
        if getattr(query, name) is not None:
            yield name, getattr(query, name)


def _filled(wanted: Wanted, part: SignalsPart) -> Wanted:
    """Fill in the placeholders of a signal."""
    vm = wanted.vm.keys if wanted.vm else ()
    values = {
        "host": ", ".join(wanted.host.keys),
        "vm": ", ".join(dict.fromkeys([*wanted.host.keys, *vm])),
        "window": f"{part.window_s}s",
        "rate": f"{part.rate_s}s",
        "step": f"{part.step_s}s",
        "growth": f"{part.growth_s}s",
        "quantile": f"{part.quantile:g}",
        "filesystem": part.filesystem,
    }
    return replace(wanted, signal=filled(wanted.signal, values))
