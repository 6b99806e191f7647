"""Apart: VMs of two groups share no domain of a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters, names
from constraints.groups import Names, PairDemand, Wanted, declared_pairs, families, meetings, wanted
from constraints.hard import check_facts, counted
from optimizer.problem.atoms import Apart as ApartAtom
from optimizer.problem.atoms import Sets
from optimizer.problem.names import GroupName, LevelName
from optimizer.problem.rule import NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Asked, Atom

__all__ = ["Apart"]

GroupId = Annotated[GroupName, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Apart(Parameters):
    """Groups kept away from each other: as the snapshot's groups say, and the `pairs` of the policy.

    A VM that is in both groups counts as one of the first. A pair that is named twice (from either side) at the same
    level, as hard and with the same weight, counts once.

    Parameters
    ----------
    pairs
        Pairs of group ids.
    level
        Where the VMs of `pairs` may not meet.
    """

    kind: ClassVar[str] = "apart"

    pairs: tuple[tuple[GroupId, GroupId], ...] = ()
    level: LevelName = "host"

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(a == b for a, b in self.pairs):
            raise ValueError("a pair names two groups; for VMs of one group there is anti_affinity")
        check_facts(self.require, [f"levels.{self.level}", *(f"groups.{g}" for pair in self.pairs for g in pair)])

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `Apart` atom for each level and hardness."""
        for (level, asked), demands in families(self._wanted(fleet).all).items():
            yield ApartAtom(
                asked=asked,
                level=level,
                left=Sets.of((d.left_id, d.left) for d in demands),
                right=Sets.of((d.right_id, d.right) for d in demands),
            )

    def check(self, state: State) -> Iterator[Violation]:
        """Find the domains where both groups are."""
        fleet = state.fleet
        for met in meetings(state, self._wanted(fleet).all):
            level = met.pair.level
            yield Violation(
                rule=self.name,
                subject=met.pair.id,
                hardness=met.pair.asked.hardness,
                value=met.fewer,
                limit=0,
                excess=met.fewer,
                domain=f"{fleet.levels[level]}:{fleet.domain_ids[level][met.domain]}",
                weight=met.pair.asked.weight,
                vms=met.left + met.right,
            )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say who meets where."""
        v = violation
        level, _, domain = (v.domain or "").partition(":")
        demand = self._wanted(fleet).named.get(v.subject)
        left, right = (demand.left_id, demand.right_id) if demand else (v.subject, "")
        return (
            f"{left} and {right} are both on {level} {domain} ({names(fleet, v.vms)}), and have to be kept apart: "
            f"{counted(v.excess, 'VM')} of one of them too many"
        )

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name groups of the policy that the snapshot does not have, and a level that it lacks."""
        if self.pairs and self.level not in fleet.level_index:
            yield NotEvaluated(self.name, f"levels.{self.level}", vms=len(fleet.vms))
        for group in sorted({g for pair in self.pairs for g in pair} - fleet.group_index.keys()):
            yield NotEvaluated(self.name, f"groups.{group}")

    def _wanted(self, fleet: Fleet) -> Wanted[PairDemand]:
        return wanted(fleet, self, self._demands)

    def _demands(self, fleet: Fleet) -> Iterator[PairDemand]:
        own = Names()
        seen: set[tuple[str, frozenset[str], Asked]] = set()
        for left, right, level, asked in self._pairs(fleet):
            key = (level, frozenset((left, right)), asked)
            first, second = (fleet.groups[fleet.group_index[g]].members for g in (left, right))
            others = np.setdiff1d(second, first)
            if key not in seen and len(first) and len(others):
                seen.add(key)
                name = own.of(left, level, right, level)
                yield PairDemand(name, right, first, others, fleet.level_index[level], asked)

    def _pairs(self, fleet: Fleet) -> Iterator[tuple[str, str, str, Asked]]:
        for group, other, rule in declared_pairs(fleet, self.kind):
            yield group.id, other.id, rule.level, self.asked_by(rule)
        if self.level in fleet.level_index:
            for left, right in self.pairs:
                if left in fleet.group_index and right in fleet.group_index:
                    yield left, right, self.level, self.asked
