"""Pressure: a host on which too much time is lost waiting gives up load, and does not receive.

How long tasks wait is measured (`hosts[].pressure`); what a migration does to it is an estimate. A host over the alert
is asked to give up load in proportion, at most a step of it in one plan: waiting falls faster than load does, so that
the step is on the safe side of few moves, and the next snapshot tells what it brought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters, Share, host_load, names
from constraints.hard import check_facts
from optimizer.fleet import ABSENT, Pressure, State
from optimizer.problem.amounts import amount, pair, spoken
from optimizer.problem.atoms import UNLIMITED, Enter, Linear
from optimizer.problem.names import ResourceName
from optimizer.problem.rounding import MILLION, demands_milli, share_of
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.problem.atoms import Atom

__all__ = ["HostPressure"]

MADE_BY = {
    "cpu_steal": "cpu_load_millicores",
    "cpu": "cpu_load_millicores",
    "io": "disk_io_kib_per_s",
    "memory": "memory_mib",
}
"""The resource whose use makes a pressure, where the policy names none."""

WHAT = {
    "cpu_steal": "vCPUs wait",
    "cpu": "tasks wait for a CPU",
    "io": "tasks wait for I/O",
    "memory": "tasks wait for memory",
}


class _Levels(NamedTuple):
    """int64 [H]: what a host may carry; bool [H]: over the alert; receives nothing."""

    limit: NDArray[np.int64]
    acts: NDArray[np.bool_]
    closed: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class HostPressure(Parameters):
    """Little time lost on every host, of one kind.

    Parameters
    ----------
    of
        Which pressure; a policy may have several rules of this kind, each with a name of its own.
    alert, safe
        Fractions of time: over the alert a host gives up load; over the safe level it receives none.
    resource
        Whose use makes the pressure: VMs are weighed by their demand of it.
    step
        The share of its load that a host gives up at most in one plan.
    room
        Up to which share of its physical capacity of the resource a host receives.
    """

    kind: ClassVar[str] = "pressure"

    of: Literal["cpu_steal", "cpu", "io", "memory"]
    alert: Share = Field(default=0.10, gt=0, le=1, allow_inf_nan=False)
    safe: Share = Field(default=0.05, gt=0, le=1, allow_inf_nan=False)
    resource: ResourceName | None = Field(default=None, min_length=1)
    step: Share = Field(default=0.25, gt=0, le=1, allow_inf_nan=False)
    room: Share = Field(default=0.80, gt=0, le=1, allow_inf_nan=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_facts(self.require, [f"pressure.{self.of}", f"demand.{self.made_by}"])
        if self.safe > self.alert:
            raise ValueError(f"safe ({self.safe}) has to be at most alert ({self.alert})")

    @property
    def made_by(self) -> str:
        """The resource whose use makes the pressure."""
        return self.resource or MADE_BY[self.of]

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `Linear`, and for a must an `Enter` that shuts the hosts over the safe level that need not act."""
        r = self._judged(fleet)
        if r is None:
            return
        start = self._load(State.start(fleet), r)
        levels = self._levels(fleet, r, start)
        yield Linear(
            asked=self.asked,
            resource=self.made_by,
            level=0,
            amount=fleet.vms.demand[:, r],
            limit=levels.limit,
            unit=self._unit(fleet, r, start),
            base=fleet.unexplained[:, r],
        )
        with_demand = np.flatnonzero(fleet.vms.demand[:, r] > 0).astype(np.int32)
        if self.hardness == "must" and levels.closed.any() and with_demand.size:
            yield Enter(self.name, with_demand, ~levels.closed)

    def check(self, state: State) -> Iterator[Violation]:
        """Compare what each host carries with what it may, and look where VMs arrived."""
        fleet = state.fleet
        r = self._judged(fleet)
        if r is None:
            return
        before, now = self._load(State.start(fleet), r), self._load(state, r)
        levels, unit = self._levels(fleet, r, before), self._unit(fleet, r, before)
        for h in np.flatnonzero(now > levels.limit).tolist():
            yield Violation(
                rule=self.name,
                subject=fleet.hosts.ids[h],
                hardness=Hardness(self.hardness),
                value=int(now[h]),
                limit=int(levels.limit[h]),
                excess=int(now[h] - levels.limit[h]),
                resource=self.made_by,
                unit=int(unit[h]),
                weight=self.weight,
            )
        if self.hardness != "must":
            return
        for vm, h in sorted({(m.vm, m.target) for m in state.moves}):
            if levels.closed[h] and fleet.vms.demand[vm, r]:
                yield self._refusal(fleet, h, vm)

    def _refusal(self, fleet: Fleet, h: int, vm: int) -> Violation:
        measured = self._milli(fleet)[h]
        return Violation(
            rule=self.name,
            subject=fleet.hosts.ids[h],
            hardness=Hardness.HARD,
            value=int(measured),
            limit=_milli_of(self.safe),
            excess=1,
            vms=(vm,),
            reason="over_safe" if measured != ABSENT else "not_measured",
        )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say how long is waited, and what has to leave."""
        v = violation
        if v.reason == "not_measured":
            return (
                f"{v.subject}: how long {WHAT[self.of]} there is not measured: it may not receive {names(fleet, v.vms)}"
            )
        waits, safe = WHAT[self.of], _percent(_milli_of(self.safe))
        if v.reason:
            share = f"{_percent(v.value)} of the time, over the safe level of {safe}"
            return f"{v.subject}: {waits} {share}: it may not receive {names(fleet, v.vms)}"
        value, limit = pair(self.made_by, v.value, v.limit)
        over = f"over by {amount(self.made_by, v.excess)}; migrate at least that much away"
        measured = int(self._milli(fleet)[fleet.host_index[v.subject]])
        if measured > _milli_of(self.alert):
            share = f"{_percent(measured)} of the time (alert {_percent(_milli_of(self.alert))}, safe {safe})"
            return f"{v.subject}: {waits} {share}: {spoken(self.made_by)} {value}, to come down to {limit}: {over}"
        return f"{v.subject}: {spoken(self.made_by)} {value} of {limit} that it may receive to: {over}"

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name hosts without the pressure, and those that suffer and of whose VMs no use is known."""
        silent = int((self._milli(fleet) == ABSENT).sum())
        if silent:
            yield NotEvaluated(self.name, f"pressure.{self.of}", hosts=silent)
        r = fleet.resource_index.get(self.made_by)
        used = np.zeros(len(fleet.hosts), np.int64) if r is None else self._load(State.start(fleet), r)
        blind = int(((self._milli(fleet) > _milli_of(self.alert)) & (used == 0)).sum())
        if blind or (r is None and silent < len(fleet.hosts)):
            yield NotEvaluated(self.name, f"demand.{self.made_by}", hosts=blind or len(fleet.hosts))

    # -- levels ------------------------------------------------------------------------------------------------------

    def _judged(self, fleet: Fleet) -> int | None:
        """Return the number of the resource; None where the fleet does not have it, or no host has the pressure."""
        r = fleet.resource_index.get(self.made_by)
        return None if r is None or (self._milli(fleet) == ABSENT).all() else r

    def _milli(self, fleet: Fleet) -> NDArray[np.int64]:
        """Return int64 [H]: the pressure in thousandths, rounded up; `ABSENT` where it is not known."""
        pressure = fleet.hosts.pressure[:, Pressure[self.of.upper()]]
        return np.where(np.isnan(pressure), ABSENT, demands_milli(np.nan_to_num(pressure)))

    def _load(self, state: State, r: int) -> NDArray[np.int64]:
        return state.fleet.unexplained[:, r] + host_load(state, state.fleet.vms.demand[:, r])

    def _levels(self, fleet: Fleet, r: int, start: NDArray[np.int64]) -> _Levels:
        milli, safe = self._milli(fleet), _milli_of(self.safe)
        acts = milli > _milli_of(self.alert)
        closed = (milli == ABSENT) | ((milli > safe) & ~acts)
        step = MILLION - _millionths(self.step)
        limit = np.full(len(fleet.hosts), UNLIMITED, np.int64)
        for h, load in enumerate(start.tolist()):
            capacity = int(fleet.hosts.capacity[h, r])
            if acts[h]:
                limit[h] = max(load * safe // int(milli[h]), load * step // MILLION)
            elif closed[h]:
                limit[h] = load
            elif capacity != ABSENT:
                limit[h] = max(load, share_of(capacity, self.room))
        return _Levels(limit, acts, closed)

    def _unit(self, fleet: Fleet, r: int, start: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return int64 [H]: what excess is measured in: the physical capacity, or what is used where there is none."""
        capacity = fleet.hosts.capacity[:, r]
        return np.maximum(np.where(capacity == ABSENT, start, capacity), 1)


def _millionths(share: float) -> int:
    return share_of(MILLION, share)


def _milli_of(share: float) -> int:
    """Return a level in thousandths, rounded down as limits are."""
    return share_of(1000, share)


def _percent(milli: int) -> str:
    return f"{milli / 10:.1f} %"
