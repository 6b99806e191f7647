"""Which monitors there are: the section `monitors` of `remora.yaml`, or a set that follows from policy and fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.monitors.by_query import ByQuery
from optimizer.monitors.by_rule import ByRule
from optimizer.monitors.full_disk import FillingDisk, FullDisk
from optimizer.monitors.machine import Hysteresis
from optimizer.monitors.pressure import PSI_LEVELS, Psi, VcpuWait
from optimizer.problem.names import MAY_BE_EMPTY
from optimizer.similar import similar, similar_or_some
from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet
    from optimizer.monitors.reading import Monitor
    from optimizer.problem.rule import Rule

__all__ = [
    "WATCHED_RULES",
    "MonitorsPart",
    "always",
    "monitors_of",
    "pressure_monitors",
    "refuse_same_names",
    "refuse_unknown_rules",
]

WATCHED_RULES = ("anti_affinity", "capacity", "headroom", "maintenance", "noisy_neighbor", "spread")
"""The kinds of rules that are watched where nothing is said: those whose violations hurt."""

SUFFIX = "_rule"

_PRESSURE: tuple[VcpuWait | Psi, ...] = (VcpuWait(), *(Psi(resource=name) for name in PSI_LEVELS))  # type: ignore[arg-type]

Entry = Annotated[ByRule | FullDisk | FillingDisk | VcpuWait | Psi | ByQuery, Field(discriminator="monitor")]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MonitorsPart:
    """The section `monitors`.

    Parameters
    ----------
    watch
        The monitors; left out, the set that follows from the policy and the fleet; empty, none.
    and_watch
        Further monitors beside that set.
    gap_s
        Readings further apart are not joined: neither bad nor well in between.
    forget_after_s
        How long something is in no snapshot until its imbalance closes.
    ask_within_s
        The deadline over all queries of the monitors.
    """

    watch: Annotated[tuple[Entry, ...] | None, MAY_BE_EMPTY] = None
    and_watch: tuple[Entry, ...] = ()
    gap_s: int = Field(default=1500, ge=1, le=604_800)
    forget_after_s: int = Field(default=86_400, ge=60, le=31_536_000)
    ask_within_s: float = Field(default=10.0, gt=0, le=600)

    def hysteresis(self, monitor: Monitor) -> Hysteresis:
        """Return how long readings of a monitor last before they count."""
        return Hysteresis(monitor.open_after_s, monitor.close_after_s, self.gap_s, self.forget_after_s)


def monitors_of(part: MonitorsPart, rules: Sequence[Rule], fleet: Fleet, where: str = "") -> tuple[Monitor, ...]:
    """Return the monitors, each with a name of its own.

    Parameters
    ----------
    rules
        Those of the policy.
    where
        The file of the section, for messages.

    Raises
    ------
    InputError
        Two have one name, or one watches a rule that the policy does not have, or a resource that the fleet does not.
    """
    refuse_unknown_rules(part, rules, where)
    _refuse_unknown_resources(part, fleet, where)
    given = part.watch if part.watch is not None else _usual(rules, fleet)
    found = (*given, *part.and_watch)
    refuse_same_names(found, where)
    return found


def refuse_unknown_rules(part: MonitorsPart, rules: Sequence[Rule], where: str) -> None:
    """Refuse a monitor that watches a rule that the policy does not have.

    Raises
    ------
    InputError
        There is one.
    """
    names = [rule.name for rule in rules]
    for field, monitors in (("watch", part.watch or ()), ("and_watch", part.and_watch)):
        for i, monitor in enumerate(monitors):
            if isinstance(monitor, ByRule) and monitor.rule not in names:
                hint = similar(monitor.rule, names) or f"it has {', '.join(names)}"
                raise InputError(where, f"monitors.{field}[{i}].rule", monitor.rule, "a rule of the policy", hint)


def _refuse_unknown_resources(part: MonitorsPart, fleet: Fleet, where: str) -> None:
    """Refuse a monitor of a disk that the fleet does not have: it would never see anything."""
    for field, monitors in (("watch", part.watch or ()), ("and_watch", part.and_watch)):
        for i, monitor in enumerate(monitors):
            if isinstance(monitor, FullDisk | FillingDisk) and monitor.resource not in fleet.resource_index:
                hint = similar_or_some(monitor.resource, fleet.resource_index)
                path = f"monitors.{field}[{i}].resource"
                raise InputError(where, path, monitor.resource, f"a resource of fleet {fleet.id}", hint)


def always(part: MonitorsPart) -> tuple[Monitor, ...]:
    """Return the monitors that there are whatever policy and fleet are."""
    return (*(_PRESSURE if part.watch is None else part.watch), *part.and_watch)


def refuse_same_names(monitors: Sequence[Monitor], where: str) -> None:
    """Refuse two monitors of one name.

    Raises
    ------
    InputError
        There are such.
    """
    seen: set[str] = set()
    for monitor in monitors:
        if monitor.name in seen:
            hint = "give one of them another `name`"
            raise InputError(where, "monitors", monitor.name, "a name for each monitor", hint)
        seen.add(monitor.name)


def pressure_monitors(part: MonitorsPart) -> tuple[Psi | VcpuWait, ...]:
    """Return those that judge the time lost in a window of the signals, whatever the fleet is."""
    return tuple(monitor for monitor in always(part) if isinstance(monitor, Psi | VcpuWait))


def _usual(rules: Sequence[Rule], fleet: Fleet) -> tuple[Monitor, ...]:
    """Return the set that follows from policy and fleet; a rule that is called as a signal's monitor gets a suffix."""
    disks = [resource.name for resource in fleet.resources if "disk" in resource.name]
    full = [FullDisk(resource=name, name="full_disk" if name == disks[0] else f"full_{name}") for name in disks]
    names = ["disk_filling" if name == disks[0] else f"{name}_filling" for name in disks]
    filling = [FillingDisk(resource=resource, name=name) for resource, name in zip(disks, names, strict=True)]
    signals = (*full, *filling, *_PRESSURE)
    taken = {monitor.name for monitor in signals}
    watched = (rule.name for rule in rules if getattr(rule, "kind", "") in WATCHED_RULES)
    by_rule = (ByRule(rule=name, name=f"{name}{SUFFIX * (name in taken)}") for name in watched)
    return (*by_rule, *signals)
