"""Capacity: on every host, load <= (capacity - reserved) x overcommit, for each resource that the host names.

Measured use counts where it is higher: what a host reports in use beyond its VMs stays with the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters, host_load, labelled
from constraints.hard import check_facts
from optimizer.fleet import ABSENT
from optimizer.problem.amounts import amount, pair, percent, spoken
from optimizer.problem.atoms import UNLIMITED, Linear
from optimizer.problem.names import HostLabels, ResourceName, Word
from optimizer.problem.rounding import MILLION, capacity_limits, ratio_millionths, ratio_text
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, Resource, State
from optimizer.problem.atoms import Atom

__all__ = ["Capacity", "Overcommit"]

FACT = "capacity."
"""With the name of a resource: that the hosts name it."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Overcommit:
    """Overcommit of one resource on the hosts with all of `labels`, where the host itself says none."""

    resource: ResourceName
    ratio: Annotated[Word, BeforeValidator(ratio_text, json_schema_input_type=float | str)]
    labels: HostLabels = Field(default_factory=dict)

    @property
    def millionths(self) -> int:
        """The ratio as an integer."""
        return ratio_millionths(self.ratio)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Capacity(Parameters):
    """Load within what may be allocated of a host.

    Parameters
    ----------
    overcommit
        Ratios by label of host, for every rule of the policy; the first that matches counts, and a host's own figure
        before it.
    resources
        Only these resources; all that the hosts name by default.
    """

    kind: ClassVar[str] = "capacity"
    shared: ClassVar[frozenset[str]] = frozenset({"overcommit"})

    overcommit: tuple[Overcommit, ...] = ()
    resources: tuple[ResourceName, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_facts([fact for fact in self.require if not fact.startswith(FACT)], [f"{FACT}RESOURCE"])

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `Linear` for each resource, over the hosts."""
        limits = self.limits(fleet)
        for r, resource in self._judged(fleet):
            named = fleet.hosts.capacity[:, r] != ABSENT
            yield Linear(
                asked=self.asked,
                resource=resource.name,
                level=0,
                amount=fleet.vms.demand[:, r],
                limit=np.where(named, limits[:, r], UNLIMITED),
                unit=np.where(named, np.maximum(fleet.hosts.capacity[:, r], 1), 1),
                base=fleet.unexplained[:, r],
            )

    def check(self, state: State) -> Iterator[Violation]:
        """Add up what stands on each host and compare."""
        fleet = state.fleet
        limits = self.limits(fleet)
        for r, resource in self._judged(fleet):
            load = fleet.unexplained[:, r] + host_load(state, fleet.vms.demand[:, r])
            over = (fleet.hosts.capacity[:, r] != ABSENT) & (load > limits[:, r])
            for h in np.flatnonzero(over).tolist():
                yield Violation(
                    rule=self.name,
                    subject=fleet.hosts.ids[h],
                    hardness=Hardness(self.hardness),
                    value=int(load[h]),
                    limit=int(limits[h, r]),
                    excess=int(load[h] - limits[h, r]),
                    resource=resource.name,
                    unit=max(1, int(fleet.hosts.capacity[h, r])),
                    weight=self.weight,
                )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say how full the host is, and of what."""
        v = violation
        resource = str(v.resource)
        value, limit = pair(resource, v.value, v.limit)
        over = amount(resource, v.excess)
        return (
            f"{v.subject}: {spoken(resource)} {value} of {limit} allocatable ({percent(v.value, v.limit)}): over by "
            f"{over}; migrate at least that much away"
        )

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name resources that some hosts do not limit, and those of the policy that the fleet does not know."""
        for r, resource in self._judged(fleet):
            silent = int((fleet.hosts.capacity[:, r] == ABSENT).sum())
            if silent:
                yield NotEvaluated(self.name, f"{FACT}{resource.name}", hosts=silent)
        wanted = {entry.resource for entry in self.overcommit} | set(self.resources or ())
        wanted |= {fact.removeprefix(FACT) for fact in self.require}
        for name in sorted(wanted - fleet.resource_index.keys()):
            yield NotEvaluated(self.name, f"{FACT}{name}", hosts=len(fleet.hosts))

    def limits(self, fleet: Fleet) -> NDArray[np.int64]:
        """Return int64 [H, R]: what may be used (0 where the host does not name the resource)."""
        capacity, ratio = fleet.hosts.capacity, self._ratios(fleet)
        return np.where(capacity == ABSENT, 0, capacity_limits(capacity, fleet.hosts.reserved, ratio))

    def _judged(self, fleet: Fleet) -> Iterator[tuple[int, Resource]]:
        for r, resource in enumerate(fleet.resources):
            if self.resources is None or resource.name in self.resources:
                yield r, resource

    def _ratios(self, fleet: Fleet) -> NDArray[np.int64]:
        ratio = fleet.hosts.overcommit_millionths.copy()
        for entry in self.overcommit:
            r = fleet.resource_index.get(entry.resource)
            if r is not None:
                chosen = (ratio[:, r] == ABSENT) & labelled(fleet.hosts.labels, entry.labels)
                ratio[chosen, r] = entry.millionths
        return np.where(ratio == ABSENT, MILLION, ratio)
