"""Spread: a group stands in at least k domains of a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, names
from constraints.groups import (
    ByClass,
    Names,
    SetDemand,
    Wanted,
    crowds,
    declared,
    families,
    fewest_held,
    under_way,
    wanted,
)
from constraints.hard import counted
from optimizer.problem.atoms import AtLeast, Sets
from optimizer.problem.rule import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom

__all__ = ["Spread"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Spread(ByClass):
    """VMs of one group spread over enough hosts, racks, or whatever the levels are.

    A number beyond what the group can reach stays an excess, and says so. A group of which no VM is placed is not
    judged.

    Parameters
    ----------
    at_least
        How many domains, for ``by: owner`` and ``by: label``.
    """

    kind: ClassVar[str] = "spread"

    at_least: int = Field(default=2, ge=1, le=1_000_000)

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `AtLeast` for each level and hardness; whoever is placed holds one domain, so k of 1 asks nothing."""
        for (level, asked), demands in families(self._wanted(fleet).all).items():
            yield AtLeast(
                asked=asked,
                level=level,
                sets=Sets.of((d.id, d.vms) for d in demands),
                k=np.array([d.number for d in demands], np.int64),
            )

    def check(self, state: State) -> Iterator[Violation]:
        """Count the domains that each group holds; a migrating VM at whichever end holds fewer."""
        for (level, _), demands in families(self._wanted(state.fleet).all).items():
            held = self._held(state, level, demands)
            for demand, number in zip(demands, held.tolist(), strict=True):
                if 0 < number < demand.number:
                    yield Violation(
                        rule=self.name,
                        subject=demand.id,
                        hardness=demand.asked.hardness,
                        value=number,
                        limit=demand.number,
                        excess=demand.number - number,
                        weight=demand.asked.weight,
                        vms=tuple(demand.vms.tolist()),
                    )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say how few domains the group holds, and what it could hold at all."""
        v = violation
        number = self._level_of(fleet, v.subject)
        level = "domain" if number is None else fleet.levels[number]
        there = v.limit if number is None else len(fleet.domain_ids[number])
        text = (
            f"{v.subject}: its VMs ({names(fleet, v.vms)}) stand in {counted(v.value, level)}, at least {v.limit} asked"
        )
        if len(v.vms) < v.limit:
            return f"{text}; it has {counted(len(v.vms), 'VM')}, cannot occupy {counted(v.limit, level)}"
        if there < v.limit:
            return f"{text}; the fleet has {counted(there, level)}"
        return f"{text}; VMs have to go to {v.excess} more"

    @staticmethod
    def _held(state: State, level: int, demands: list[SetDemand]) -> NDArray[np.int64]:
        """Return int64 [n]: how many domains each set holds at the least (0: none of it is placed)."""
        found = crowds(state, level, [d.vms for d in demands])
        held = np.bincount(found.which, minlength=len(demands))
        for i in under_way(state, [d.vms for d in demands]):
            held[i] = fewest_held(state, level, demands[i].vms)
        return held

    def _level_of(self, fleet: Fleet, subject: str) -> int | None:
        """Return the level of the demand of a violation; None where the fleet has none of that name."""
        if self.by != "group":
            return fleet.level_index.get(self.level)
        demand = self._wanted(fleet).named.get(subject)
        return None if demand is None else demand.level

    def _wanted(self, fleet: Fleet) -> Wanted[SetDemand]:
        return wanted(fleet, self, self._demands)

    def _demands(self, fleet: Fleet) -> Iterator[SetDemand]:
        demands = self._declared(fleet) if self.by == "group" else self.classes(fleet, self.at_least)
        return (d for d in demands if d.number > 1)

    def _declared(self, fleet: Fleet) -> Iterator[SetDemand]:
        own = Names()
        for group, rule in declared(fleet, self.kind):
            number = 2 if rule.at_least is None else rule.at_least
            name = own.of(group.id, rule.level)
            yield SetDemand(name, group.members, fleet.level_index[rule.level], self.asked_by(rule), number)
