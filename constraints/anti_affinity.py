"""Anti-affinity: at most k VMs of a group in any one domain of a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, in_domains, names
from constraints.groups import ByClass, Names, SetDemand, by_set, crowds, declared, families, wanted
from optimizer.problem.atoms import AtMost, Sets
from optimizer.problem.rule import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Asked, Atom

__all__ = ["AntiAffinity"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class AntiAffinity(ByClass):
    """VMs of one group kept on different hosts, racks, or whatever the levels are.

    A group that the snapshot does not declare is anti-affine on hosts, at most 1, must.

    Parameters
    ----------
    at_most
        How many in one domain, for ``by: owner`` and ``by: label``.
    """

    kind: ClassVar[str] = "anti_affinity"

    at_most: int = Field(default=1, ge=1, le=1_000_000)

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `AtMost` for each level and hardness; demands that cannot be exceeded are left out."""
        for (level, asked), demands in families(wanted(fleet, self, self._demands).all).items():
            yield AtMost(
                asked=asked,
                level=level,
                sets=Sets.of((d.id, d.vms) for d in demands),
                k=np.array([d.number for d in demands], np.int64),
            )

    def check(self, state: State) -> Iterator[Violation]:
        """Count the VMs of each group in each domain."""
        fleet = state.fleet
        for (level, _), demands in families(wanted(fleet, self, self._demands).all).items():
            found = crowds(state, level, [d.vms for d in demands])
            allowed = np.array([d.number for d in demands], np.int64)[found.which]
            over = found.vms > allowed
            for i, domains in by_set(found.which[over], found.domain[over]):
                there = in_domains(state, level, demands[i].vms)
                for domain in domains:
                    yield self._violation(fleet, demands[i], domain, there[domain])

    def _violation(self, fleet: Fleet, demand: SetDemand, domain: int, vms: set[int]) -> Violation:
        return Violation(
            rule=self.name,
            subject=demand.id,
            hardness=demand.asked.hardness,
            value=len(vms),
            limit=demand.number,
            excess=len(vms) - demand.number,
            domain=f"{fleet.levels[demand.level]}:{fleet.domain_ids[demand.level][domain]}",
            weight=demand.asked.weight,
            vms=tuple(sorted(vms)),
        )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say who sits together."""
        v = violation
        level, _, domain = (v.domain or "").partition(":")
        return (
            f"{v.subject}: {v.value} VMs on {level} {domain} ({names(fleet, v.vms)}), at most {v.limit} allowed: "
            f"{v.excess:,} too many"
        )

    def _demands(self, fleet: Fleet) -> Iterator[SetDemand]:
        """Yield what is asked of sets that are large enough to exceed it."""
        demands = self._declared(fleet) if self.by == "group" else self.classes(fleet, self.at_most)
        return (d for d in demands if len(d.vms) > d.number)

    def _declared(self, fleet: Fleet) -> Iterator[SetDemand]:
        own = Names()
        alike: dict[tuple[bool, int], Asked] = {}
        for group, rule in declared(fleet, self.kind):
            name = own.of(group.id, rule.level, rule.level)
            number = 1 if rule.at_most is None else rule.at_most
            asked = alike.setdefault((rule.must, rule.weight), self.asked_by(rule))
            yield SetDemand(name, group.members, fleet.level_index[rule.level], asked, number)
