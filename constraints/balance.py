"""Balance: no host of a scope uses a larger share of a resource than the scope as a whole, by more than a tolerance.

The mean of a scope is fixed by the snapshot, so the limit of each host is a number that no move changes: the rule is
linear, and means the same in every state, even where VMs leave their scope.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.capacity import Overcommit  # noqa: TC001 (pydantic reads it)
from constraints.common import CONFIG, Parameters, Share
from constraints.hard import check_facts, counted
from constraints.mean_use import NO_SCOPE, MeanUse, Scoping, load_of_hosts
from optimizer.fleet import ABSENT
from optimizer.fleet.plausible import Doubt
from optimizer.problem.amounts import amount, pair, percent, spoken
from optimizer.problem.atoms import UNLIMITED, Linear
from optimizer.problem.names import HostLabel, HostLabels, LevelName, ResourceName
from optimizer.problem.rounding import limit_at_use
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom

__all__ = ["Balance"]

SIZES = 64
"""Different sizes of VMs that are looked at, at most."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Balance(Parameters):
    """No host above the mean use of its scope by more than a tolerance, of one resource.

    Use is load over what may be allocated: (capacity - reserved) x overcommit. The mean of a scope is that of its
    hosts taken together, at the start.

    Parameters
    ----------
    resource
        Which resource; a policy may have several rules of this kind, each with a name of its own.
    tolerance
        How far above the mean a host may be, as a share of what it may allocate: 0.10 is ten percentage points.
    level
        Balance within each domain of this level (each rack, say) instead of over all hosts.
    label
        Balance among hosts that have the same value of this label, such as ``pool``; those without it are left out.
    labels
        Only hosts with all of these labels.
    overcommit
        As for `capacity`, which shares it.
    """

    kind: ClassVar[str] = "balance"
    shared: ClassVar[frozenset[str]] = frozenset({"overcommit"})

    hardness: Literal["must", "should"] = "should"
    resource: ResourceName = Field(min_length=1)
    tolerance: Share = Field(default=0.10, ge=0, le=1, allow_inf_nan=False)
    level: LevelName | None = None
    label: HostLabel | None = None
    labels: HostLabels = Field(default_factory=dict)
    overcommit: tuple[Overcommit, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_facts(self.require, [f"capacity.{self.resource}"])
        if self.level is not None and self.label is not None:
            raise ValueError("level and label both say which hosts are balanced together; give one of them")

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `Linear` over the hosts, with the limit of each."""
        mean = self._scoping.mean_use(fleet)
        if mean is None or not (mean.of != NO_SCOPE).any():
            return
        r = fleet.resource_index[self.resource]
        yield Linear(
            asked=self.asked,
            resource=self.resource,
            level=0,
            amount=fleet.vms.demand[:, r],
            limit=self._limits(mean),
            unit=np.where(mean.of == NO_SCOPE, 1, np.maximum(mean.host_allocatable, 1)),
            base=fleet.unexplained[:, r],
        )

    def check(self, state: State) -> Iterator[Violation]:
        """Compare the load of each host with what it would carry at the mean of its scope and the tolerance."""
        fleet = state.fleet
        mean = self._scoping.mean_use(fleet)
        if mean is None:
            return
        now, limit = load_of_hosts(state, fleet.resource_index[self.resource]), self._limits(mean)
        for h in np.flatnonzero(now > limit).tolist():
            yield Violation(
                rule=self.name,
                subject=fleet.hosts.ids[h],
                hardness=Hardness(self.hardness),
                value=int(now[h]),
                limit=int(limit[h]),
                excess=int(now[h] - limit[h]),
                resource=self.resource,
                unit=int(mean.host_allocatable[h]),
                weight=self.weight,
            )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say how full the host is beside its scope."""
        v, mean = violation, self._scoping.mean_use(fleet)
        assert mean is not None
        s = int(mean.of[fleet.host_index[v.subject]])
        value, limit = pair(self.resource, v.value, v.limit)
        use = percent(int(mean.load[s]), int(mean.allocatable[s]))
        return (
            f"{v.subject}: {spoken(self.resource)} {value} of {limit} balanced ({percent(v.value, v.unit)} of "
            f"allocatable; the mean of {self._called(mean, s)} is {use}, tolerance {self._tolerance}): over by "
            f"{amount(self.resource, v.excess)}; migrate at least that much away"
        )

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name hosts that do not name the resource, are out of service, or lack the label."""
        if self.resource not in fleet.resource_index:
            yield NotEvaluated(self.name, f"capacity.{self.resource}", hosts=len(fleet.hosts))
            return
        for what, left in self._scoping.left_out(fleet):
            if left.any():
                yield NotEvaluated(self.name, what, hosts=int(left.sum()))

    def doubts(self, fleet: Fleet) -> Iterable[Doubt]:
        """Say where the VMs are too large for the tolerance, so that some host has to be over wherever they are."""
        mean = self._scoping.mean_use(fleet)
        if mean is None:
            return
        r = fleet.resource_index[self.resource]
        room = np.maximum(self._limits(mean) - fleet.unexplained[:, r], 0)
        at = np.where(fleet.vms.host == ABSENT, NO_SCOPE, mean.of[fleet.vms.host])
        texts = [
            text
            for s in np.unique(at[at != NO_SCOPE]).tolist()
            if (text := self._too_large(mean, s, room[mean.of == s], fleet.vms.demand[at == s, r]))
        ]
        if texts:
            more = f", and so in {counted(len(texts) - 1, 'more scope')}" if len(texts) > 1 else ""
            yield Doubt("tolerance_too_fine", "tolerance", texts[0] + more)

    def _too_large(self, mean: MeanUse, s: int, room: NDArray[np.int64], demand: NDArray[np.int64]) -> str:
        """Return why a scope with hosts of this room cannot be as even as is asked; empty where that is not certain."""
        sizes = np.unique(demand[demand > 0])
        for size in (
            sizes[np.unique(np.linspace(0, sizes.size - 1, SIZES).astype(np.int64))][::-1] if sizes.size else ()
        ):
            number, places = int((demand >= size).sum()), int((room // size).sum())
            if number > places:
                return (
                    f"{counted(number, 'VM')} of {self._called(mean, s)} with {amount(self.resource, int(size))} of "
                    f"{spoken(self.resource)} or more, and at the mean and {self._tolerance} above it the hosts have "
                    f"room for {places} of that size: some "
                    "host stays over wherever they are (a higher tolerance would do)"
                )
        return ""

    @property
    def _tolerance(self) -> str:
        return f"{self.tolerance * 100:g} points"

    @cached_property
    def _scoping(self) -> Scoping:
        return Scoping(self.resource, self.level, self.label, self.labels, self.overcommit)

    @staticmethod
    def _called(mean: MeanUse, scope: int) -> str:
        return f"{mean.names[scope]} ({counted(int((mean.of == scope).sum()), 'host')})"

    def _limits(self, mean: MeanUse) -> NDArray[np.int64]:
        """Return int64 [H]: what each host may carry; `UNLIMITED` where it is in no scope."""
        limit = np.full(len(mean.of), UNLIMITED, np.int64)
        inside = np.flatnonzero(mean.of != NO_SCOPE)
        kinds, which = np.unique(
            np.stack([mean.of[inside], mean.host_allocatable[inside]]), axis=1, return_inverse=True
        )
        limits = [
            limit_at_use(allocatable, int(mean.load[s]), int(mean.allocatable[s]), self.tolerance)
            for s, allocatable in kinds.T.tolist()
        ]
        limit[inside] = np.array(limits, np.int64)[which.ravel()]
        return limit
