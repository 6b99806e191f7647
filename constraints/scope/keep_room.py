"""`plan --place`: hosts that have room for VMs to come when the plan is done."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from constraints.capacity import Capacity, Overcommit
from constraints.common import host_load
from constraints.scope.common import Switch
from optimizer.fleet import ABSENT
from optimizer.problem.amounts import pair, spoken
from optimizer.problem.atoms import UNLIMITED, Asked, Linear
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom
    from optimizer.scope import KeptRoom

__all__ = ["KeepRoom"]


@dataclass(frozen=True, kw_only=True)
class KeepRoom(Switch):
    """Load within what a host can allocate, less what VMs to come take there.

    Parameters
    ----------
    kept
        The VMs to come, and where.
    overcommit
        As the policy's rule `capacity` has it.
    """

    switch: ClassVar[str] = "--place"

    kept: tuple[KeptRoom, ...] = ()
    overcommit: tuple[Overcommit, ...] = ()

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `Linear` for each resource of which room is kept."""
        limits = Capacity(overcommit=self.overcommit).limits(fleet)
        for r, taken in self._taken(fleet).items():
            binds = (taken > 0) & (fleet.hosts.capacity[:, r] != ABSENT)
            if binds.any():
                yield Linear(
                    asked=Asked(self.name),
                    resource=fleet.resources[r].name,
                    level=0,
                    amount=fleet.vms.demand[:, r],
                    limit=np.where(binds, np.maximum(limits[:, r] - taken, 0), UNLIMITED),
                    unit=np.where(binds, np.maximum(fleet.hosts.capacity[:, r], 1), 1),
                    base=fleet.unexplained[:, r],
                )

    def check(self, state: State) -> Iterator[Violation]:
        """Compare what stands on each of these hosts with what leaves room."""
        fleet = state.fleet
        limits = Capacity(overcommit=self.overcommit).limits(fleet)
        for r, taken in self._taken(fleet).items():
            load = fleet.unexplained[:, r] + host_load(state, fleet.vms.demand[:, r])
            for h in np.flatnonzero((taken > 0) & (fleet.hosts.capacity[:, r] != ABSENT)).tolist():
                limit = max(int(limits[h, r]) - int(taken[h]), 0)
                if load[h] > limit:
                    yield Violation(
                        rule=self.name,
                        subject=fleet.hosts.ids[h],
                        hardness=Hardness.MUST,
                        value=int(load[h]),
                        limit=limit,
                        excess=int(load[h]) - limit,
                        resource=fleet.resources[r].name,
                        unit=max(1, int(fleet.hosts.capacity[h, r])),
                    )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say which VMs to come want the room."""
        who = ", ".join(kept.vm for kept in self.kept if kept.host == violation.subject)
        resource = str(violation.resource)
        value, limit = pair(resource, violation.value, violation.limit)
        return f"{violation.subject}: {spoken(resource)} {value}, at most {limit} leaves room for {who} (--place)"

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name the hosts that this fleet does not have."""
        for kept in self.kept:
            if kept.host not in fleet.host_index:
                yield NotEvaluated(self.name, kept.host, hosts=1)

    def _taken(self, fleet: Fleet) -> dict[int, NDArray[np.int64]]:
        """Return int64 [H] by resource: what VMs to come take on each host."""
        taken: dict[int, NDArray[np.int64]] = defaultdict(lambda: np.zeros(len(fleet.hosts), np.int64))
        for kept in self.kept:
            host = fleet.host_index.get(kept.host)
            for name, amount in kept.demand:
                r = fleet.resource_index.get(name)
                if host is not None and r is not None:
                    taken[r][host] += amount
        return dict(taken)
