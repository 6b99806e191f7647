"""What a signal is: which field of a snapshot it fills, by which query, of which series, in what scale."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum

__all__ = ["TWICE", "Exporter", "Join", "Of", "Signal", "filled", "target"]

TWICE = "scraped by two jobs, or written by two replicas"
"""How a series comes to be there more than once, so that what is added up is too much."""


class Of(Enum):
    """What a signal speaks of."""

    HOST = "host"
    VM = "vm"


@dataclass(frozen=True, slots=True)
class Join:
    """How the labels of series lead to the name of a host or VM.

    Attributes
    ----------
    label
        The label that has the name; with `series` the label of that series.
    series
        A series with value 1 that carries the name, such as ``libvirt_domain_openstack_info``; none where the label
        is on the signal's own series.
    on
        The labels that both have in common.
    pattern
        The first group of what it finds in the label is the name.
    """

    label: str
    series: str = ""
    on: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The labels of a signal's series that a name is found by."""
        return self.on if self.series else (self.label,)


@dataclass(frozen=True, slots=True)
class Signal:
    """One field of a snapshot and where it is read.

    Attributes
    ----------
    name
        The field: ``host.measured.disk_mib``, ``vm.pressure.cpu_steal``.
    query
        PromQL for values at one time over a window, with one series for each host or VM; `PLACEHOLDERS` are filled in.
    series
        A selector of the series that it is computed from: their newest sample says how old the signal is, their
        number of samples whether the window is filled.
    scale
        What a value is multiplied with to be in the field's unit.
    busy
        PromQL for how busy the resource is, from 0 to 1: where it is at most `busy_above`, the signal counts as 0.
    once
        For a query that adds up: PromQL for how many series there are of what each host or VM has one of. Where a
        target is scraped by two jobs, or two replicas write, what is added up is twice what it is.
    needed
        Whether a host or VM without it is closed.
    of_its_vms
        A signal of a host that is made of series of its VMs: a host without any has none, and counts as 0.
    advice
        What to do where it is missing.
    """

    name: str
    query: str
    series: str
    scale: float = 1.0
    busy: str = ""
    busy_above: float = 0.7
    once: str = ""
    needed: bool = True
    of_its_vms: bool = False
    advice: str = ""

    @property
    def of(self) -> Of:
        """What it speaks of."""
        return Of(self.name.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Exporter:
    """The signals of one program that exports series, and how its labels lead to hosts and VMs."""

    name: str
    signals: tuple[Signal, ...]
    host: Join
    vm: Join | None = None


PRESSURES = ("cpu_steal", "cpu", "io", "memory")
TARGETS = re.compile(
    rf"host\.(measured|full_in_s)\.[^.\s]+|host\.clock_skew_s|(host|vm)\.pressure\.({'|'.join(PRESSURES)})"
    r"|vm\.demand\.[^.\s]+|vm\.dirty_mib_per_s"
)


def target(name: str) -> tuple[str, str] | None:
    """Return the field that a signal of this name fills, and the key in it; None where there is none."""
    if not TARGETS.fullmatch(name):
        return None
    _, field, *key = name.split(".", 2)
    return field, key[0] if key else ""


def filled(signal: Signal, values: dict[str, str]) -> Signal:
    """Return the signal with its placeholders (``{window}``, ...) filled in; other braces are PromQL's own."""

    def fill(text: str) -> str:
        for name, value in values.items():
            text = text.replace("{" + name + "}", value)
        return text

    query, series, busy, once = map(fill, (signal.query, signal.series, signal.busy, signal.once))
    return replace(signal, query=query, series=series, busy=busy, once=once)
