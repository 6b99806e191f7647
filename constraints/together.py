"""Together: all VMs of a group stand in one domain of a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters, names
from constraints.groups import Names, SetDemand, Wanted, crowds, declared, families, wanted
from constraints.hard import check_facts
from optimizer.problem.atoms import Same, Sets
from optimizer.problem.rule import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom

__all__ = ["Together"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Together(Parameters):
    """VMs of one group kept in one domain, as the snapshot's groups say.

    It is judged where VMs stand, not where they are going: VMs travel one by one, so a group that moves house is
    split for as long as that lasts. A group that stands in two domains in equal numbers may gather in either.
    """

    kind: ClassVar[str] = "together"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_facts(self.require, ())

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `Same` for each level and hardness."""
        for (level, asked), demands in families(self._wanted(fleet).all).items():
            yield Same(asked=asked, level=level, sets=Sets.of((d.id, d.vms) for d in demands))

    def check(self, state: State) -> Iterator[Violation]:
        """Count the VMs that are not where most of their group are."""
        for (level, _), demands in families(self._wanted(state.fleet).all).items():
            found = crowds(state, level, [d.vms for d in demands], both_ends=False)
            most = np.zeros(len(demands), np.int64)
            np.maximum.at(most, found.which, found.vms)
            scattered = np.bincount(found.which, weights=found.vms, minlength=len(demands)).astype(np.int64) - most
            for i in np.flatnonzero(scattered).tolist():
                demand = demands[i]
                yield Violation(
                    rule=self.name,
                    subject=demand.id,
                    hardness=demand.asked.hardness,
                    value=int(scattered[i]),
                    limit=0,
                    excess=int(scattered[i]),
                    weight=demand.asked.weight,
                    vms=_strays(state, level, demand.vms),
                )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say which VMs are elsewhere."""
        v = violation
        demand = self._wanted(fleet).named.get(v.subject)
        level = fleet.levels[demand.level] if demand else "domain"
        return (
            f"{v.subject}: {v.value} of its VMs ({names(fleet, v.vms)}) not on the {level} where most of it stands; "
            f"they have to go there"
        )

    def _wanted(self, fleet: Fleet) -> Wanted[SetDemand]:
        return wanted(fleet, self, self._demands)

    def _demands(self, fleet: Fleet) -> Iterator[SetDemand]:
        own = Names()
        for group, rule in declared(fleet, self.kind):
            if len(group.members) > 1:
                name = own.of(group.id, rule.level)
                yield SetDemand(name, group.members, fleet.level_index[rule.level], self.asked_by(rule))


def _strays(state: State, level: int, vms: NDArray[np.int32]) -> tuple[int, ...]:
    """Return the placed VMs that are not in the domain with the most of them (the first, where several have)."""
    placed = vms[state.placement[vms] >= 0]
    at = state.fleet.hosts.domain[level][state.placement[placed]]
    return tuple(placed[at != np.bincount(at).argmax()].tolist())
