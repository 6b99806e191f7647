"""Headroom: a host over the alert comes down to the safe level, and no receiver goes over the safe level.

Two thresholds, as the CloudOps of a fleet with filling disks use them: acting only over the alert keeps the fleet
quiet, going down to the safe level keeps a host from coming back the next day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters, Share, host_load, labelled, names
from constraints.hard import check_facts
from optimizer.fleet import ABSENT, State
from optimizer.problem.amounts import amount, pair, percent, spoken
from optimizer.problem.atoms import UNLIMITED, Enter, Linear
from optimizer.problem.names import HostLabels, ResourceName
from optimizer.problem.rounding import share_of
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
from optimizer.problem.atoms import Atom

__all__ = ["Headroom", "HeadroomLevels"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class HeadroomLevels:
    """Other levels for the hosts with all of `labels`."""

    labels: HostLabels
    alert: Share = Field(gt=0, le=1, allow_inf_nan=False)
    safe: Share = Field(gt=0, le=1, allow_inf_nan=False)

    def __post_init__(self) -> None:
        _ordered(self.alert, self.safe)


class _Levels(NamedTuple):
    """int64 [H]: alert and safe level in the resource's unit; bool [H]: the host names the resource."""

    alert: NDArray[np.int64]
    safe: NDArray[np.int64]
    named: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Headroom(Parameters):
    """Room to breathe on every host, of one resource.

    A host over its alert is brought down to its safe level. A host under its safe level stays so. One in between does
    not hurt yet: it may stay as it is, but receives nothing.

    Parameters
    ----------
    resource
        Which resource; a policy may have several rules of this kind, each with a name of its own.
    alert, safe
        Shares of the physical capacity.
    by_label
        Other levels by label of host; the first that matches counts.
    """

    kind: ClassVar[str] = "headroom"

    resource: ResourceName = Field(min_length=1)
    alert: Share = Field(default=0.90, gt=0, le=1, allow_inf_nan=False)
    safe: Share = Field(default=0.80, gt=0, le=1, allow_inf_nan=False)
    by_label: tuple[HeadroomLevels, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_facts(self.require, [f"capacity.{self.resource}"])
        _ordered(self.alert, self.safe)

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `Linear`, and for a must an `Enter` that shuts the hosts between safe level and alert."""
        r = fleet.resource_index.get(self.resource)
        if r is None:
            return
        levels, load = self._levels(fleet, r), self._load(State.start(fleet), r)
        between = levels.named & (load > levels.safe) & (load <= levels.alert)
        limit = np.where(between, load, levels.safe)
        yield Linear(
            asked=self.asked,
            resource=self.resource,
            level=0,
            amount=fleet.vms.demand[:, r],
            limit=np.where(levels.named, limit, UNLIMITED),
            unit=np.where(levels.named, np.maximum(fleet.hosts.capacity[:, r], 1), 1),
            base=fleet.unexplained[:, r],
        )
        with_demand = np.flatnonzero(fleet.vms.demand[:, r] > 0).astype(np.int32)
        if self.hardness == "must" and between.any() and with_demand.size:
            yield Enter(self.name, with_demand, ~between)

    def check(self, state: State) -> Iterator[Violation]:
        """Compare each host with what it was at the start, and look where VMs arrived."""
        fleet = state.fleet
        r = fleet.resource_index.get(self.resource)
        if r is None:
            return
        levels = self._levels(fleet, r)
        before, now = self._load(State.start(fleet), r), self._load(state, r)
        for h in np.flatnonzero(levels.named & (now > levels.safe)).tolist():
            acts = before[h] > levels.alert[h]
            limit = int(levels.safe[h]) if acts else max(int(levels.safe[h]), int(before[h]))
            if now[h] > limit:
                yield Violation(
                    rule=self.name,
                    subject=fleet.hosts.ids[h],
                    hardness=Hardness(self.hardness),
                    value=int(now[h]),
                    limit=limit,
                    excess=int(now[h]) - limit,
                    resource=self.resource,
                    unit=max(1, int(fleet.hosts.capacity[h, r])),
                    weight=self.weight,
                )
        if self.hardness == "must":
            yield from self._over_safe(state, r, levels, before)

    def _over_safe(self, state: State, r: int, levels: _Levels, before: NDArray[np.int64]) -> Iterator[Violation]:
        """Yield the moves to hosts that were over the safe level, and not over the alert, at the start."""
        fleet = state.fleet
        for vm, h in sorted(state.arrivals):
            if levels.named[h] and fleet.vms.demand[vm, r] and levels.safe[h] < before[h] <= levels.alert[h]:
                yield Violation(
                    rule=self.name,
                    subject=fleet.hosts.ids[h],
                    hardness=Hardness.HARD,
                    value=int(before[h]),
                    limit=int(levels.safe[h]),
                    excess=1,
                    resource=self.resource,
                    vms=(vm,),
                    reason="over_safe",
                )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say how full the host is, and what has to leave."""
        v = violation
        resource = str(v.resource)
        value, limit = pair(resource, v.value, v.limit)
        if v.hardness is Hardness.HARD:
            return (
                f"{v.subject}: {spoken(resource)} {value} at the start, over the safe level of {limit}: it may not "
                f"receive {names(fleet, v.vms)}; a host with room below its safe level could"
            )
        return (
            f"{v.subject}: {spoken(resource)} {value} of {limit} safe ({percent(v.value, v.unit)} of capacity, safe is "
            f"{percent(v.limit, v.unit)}): over by {amount(resource, v.excess)}; migrate at least that much away"
        )

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name hosts that do not name the resource."""
        r = fleet.resource_index.get(self.resource)
        silent = len(fleet.hosts) if r is None else int((fleet.hosts.capacity[:, r] == ABSENT).sum())
        if silent:
            yield NotEvaluated(self.name, f"capacity.{self.resource}", hosts=silent)

    def _load(self, state: State, r: int) -> NDArray[np.int64]:
        return state.fleet.unexplained[:, r] + host_load(state, state.fleet.vms.demand[:, r])

    def _levels(self, fleet: Fleet, r: int) -> _Levels:
        capacity = fleet.hosts.capacity[:, r]
        alert, safe = _shares(capacity, self.alert), _shares(capacity, self.safe)
        for entry in reversed(self.by_label):
            chosen = labelled(fleet.hosts.labels, entry.labels)
            alert = np.where(chosen, _shares(capacity, entry.alert), alert)
            safe = np.where(chosen, _shares(capacity, entry.safe), safe)
        return _Levels(alert, safe, capacity != ABSENT)


def _ordered(alert: float, safe: float) -> None:
    if safe > alert:
        raise ValueError(f"safe ({safe}) has to be at most alert ({alert})")


def _shares(amounts: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Return int64 [n]: the share of each amount; a fleet has few different ones."""
    kinds, which = np.unique(amounts, return_inverse=True)
    return np.array([share_of(max(0, a), share) for a in kinds.tolist()], np.int64)[which]
