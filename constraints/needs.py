"""Needs: where there is a VM of one group there is a VM of another, in each domain of a level."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters, names
from constraints.groups import Names, PairDemand, Wanted, declared_pairs, families, open_ends, wanted
from constraints.hard import check_facts, counted
from optimizer.fleet import ABSENT
from optimizer.problem.atoms import Needs as NeedsAtom
from optimizer.problem.atoms import Sets
from optimizer.problem.ends import worst_held
from optimizer.problem.rule import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom

__all__ = ["Needs"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Needs(Parameters):
    """VMs of one group kept where VMs of another are, as the snapshot's groups say (``with`` names the other).

    A VM that is in both groups brings what it needs along.
    """

    kind: ClassVar[str] = "needs"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_facts(self.require, ())

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `Needs` atom for each level and hardness."""
        for (level, asked), demands in families(self._wanted(fleet).all).items():
            yield NeedsAtom(
                asked=asked,
                level=level,
                left=Sets.of((d.left_id, d.left) for d in demands),
                right=Sets.of((d.right_id, d.right) for d in demands),
            )

    def check(self, state: State) -> Iterator[Violation]:
        """Count the VMs that lack what they need; migrating VMs at whichever end is worse."""
        for demand in self._wanted(state.fleet).all:
            lone = _lone(state, demand)
            if lone:
                yield Violation(
                    rule=self.name,
                    subject=demand.id,
                    hardness=demand.asked.hardness,
                    value=len(lone),
                    limit=0,
                    excess=len(lone),
                    weight=demand.asked.weight,
                    vms=lone,
                )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say which VMs lack what."""
        v = violation
        demand = self._wanted(fleet).named.get(v.subject)
        left, right = (demand.left_id, demand.right_id) if demand else (v.subject, "the other group")
        level = fleet.levels[demand.level] if demand else "domain"
        if demand and not len(demand.right):
            return (
                f"{left}: {counted(v.value, 'VM')} ({names(fleet, v.vms)}) without a VM of {right}, and there is none"
            )
        return (
            f"{left}: {counted(v.value, 'VM')} ({names(fleet, v.vms)}) on a {level} without a VM of {right}; "
            f"move them to one, or one of these to them"
        )

    def _wanted(self, fleet: Fleet) -> Wanted[PairDemand]:
        return wanted(fleet, self, self._demands)

    def _demands(self, fleet: Fleet) -> Iterator[PairDemand]:
        own = Names()
        for group, other, rule in declared_pairs(fleet, self.kind):
            alone = np.setdiff1d(group.members, other.members)
            if len(alone):
                name = own.of(group.id, rule.level, other.id)
                level = fleet.level_index[rule.level]
                yield PairDemand(name, other.id, alone, other.members, level, self.asked_by(rule))


def _lone(state: State, demand: PairDemand) -> tuple[int, ...]:
    """Return the VMs without what they need, for the choice of ends of what they need that leaves the most so."""
    domain = state.fleet.hosts.domain[demand.level]
    held, pairs = open_ends(state, demand.level, demand.right)
    ends = {
        vm: {int(domain[h]) for h in (int(state.placement[vm]), state.other_end.get(vm, ABSENT)) if h != ABSENT}
        for vm in demand.left.tolist()
    }
    settled = Counter(next(iter(at)) for at in ends.values() if len(at) == 1)
    worst = worst_held(settled, held, [at for at in ends.values() if len(at) > 1], pairs)
    return tuple(vm for vm, at in ends.items() if at - worst)
