"""Anti-affinity: at most k VMs of a group in any one domain of a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters, in_domains
from optimizer.problem.atoms import Asked, AtMost, Sets
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom

__all__ = ["AntiAffinity"]


class _Demand(NamedTuple):
    """At most `k` of `vms` in any domain of `level`."""

    id: str
    vms: NDArray[np.int32]
    level: str
    k: int
    asked: Asked


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class AntiAffinity(Parameters):
    """VMs of one group kept on different hosts, racks, or whatever the levels are.

    Parameters
    ----------
    by
        ``group``: as the snapshot's groups say, each with its own level, limit and hardness (a group that is not
        declared: hosts, at most 1, must). ``owner`` or ``label``: the VMs of each owner, or with the same value of
        `label`, at most `at_most` in a domain of `level`.
    label
        The label, where ``by: label``.
    level, at_most
        For ``by: owner`` and ``by: label``.
    """

    kind: ClassVar[str] = "anti_affinity"

    by: Literal["group", "owner", "label"] = "group"
    label: str | None = None
    level: str = "host"
    at_most: int = Field(default=1, ge=1, le=1_000_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.by == "label") != (self.label is not None):
            raise ValueError("label goes with by: label, and only with it")

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `AtMost` for each level and hardness; demands that cannot be exceeded are left out."""
        families: dict[tuple[str, Asked], list[_Demand]] = {}
        for demand in self._demands(fleet):
            if len(demand.vms) > demand.k:
                families.setdefault((demand.level, demand.asked), []).append(demand)
        for (level, asked), demands in families.items():
            yield AtMost(
                asked=asked,
                level=fleet.level_index[level],
                sets=Sets.of((d.id, d.vms) for d in demands),
                k=np.array([d.k for d in demands], np.int64),
            )

    def check(self, state: State) -> Iterator[Violation]:
        """Count the VMs of each group in each domain."""
        fleet = state.fleet
        for demand in self._demands(fleet):
            if len(demand.vms) <= demand.k:
                continue
            level = fleet.level_index[demand.level]
            for domain, vms in sorted(in_domains(state, level, demand.vms).items()):
                if len(vms) > demand.k:
                    yield Violation(
                        rule=self.name,
                        subject=demand.id,
                        hardness=demand.asked.hardness,
                        value=len(vms),
                        limit=demand.k,
                        excess=len(vms) - demand.k,
                        domain=f"{demand.level}:{fleet.domain_ids[level][domain]}",
                        weight=demand.asked.weight,
                        vms=tuple(sorted(vms)),
                    )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say who sits together."""
        v = violation
        names = ", ".join(fleet.vms.ids[vm] for vm in v.vms[:5]) + (", …" if len(v.vms) > 5 else "")
        level, _, domain = (v.domain or "").partition(":")
        return (
            f"{v.subject}: {v.value} VMs on {level} {domain} ({names}), at most {v.limit} allowed; "
            f"{v.excess} of them would have to go to another {level}"
        )

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name VMs without an owner or label, where the rule goes by that."""
        if self.by == "owner":
            missing = int((fleet.vms.owner < 0).sum())
        elif self.by == "label":
            missing = sum(self.label not in labels for labels in fleet.vms.labels)
        else:
            return
        if missing:
            yield NotEvaluated(self.name, "owner" if self.by == "owner" else f"labels.{self.label}", vms=missing)

    def _demands(self, fleet: Fleet) -> Iterator[_Demand]:
        if self.by == "group":
            for group in fleet.groups:
                for rule in group.rules:
                    if rule.rule == "anti_affinity":
                        asked = self._asked_by(must=rule.must, weight=rule.weight)
                        yield _Demand(group.id, group.members, rule.level, rule.at_most or 1, asked)
            return
        for name, vms in sorted(self._classes(fleet).items()):
            yield _Demand(name, np.array(vms, np.int32), self.level, self.at_most, self.asked)

    def _asked_by(self, *, must: bool, weight: int) -> Asked:
        """Combine: the policy's ``should`` softens a group's own must, and its weight multiplies."""
        hardness = Hardness.MUST if must and self.hardness == "must" else Hardness.SHOULD
        return Asked(self.name, hardness, weight * self.weight, self.price)

    def _classes(self, fleet: Fleet) -> dict[str, list[int]]:
        classes: dict[str, list[int]] = {}
        for vm in range(len(fleet.vms)):
            if self.by == "owner":
                owner = int(fleet.vms.owner[vm])
                name = fleet.vms.owner_ids[owner] if owner >= 0 else None
            else:
                name = fleet.vms.labels[vm].get(self.label or "")
            if name is not None:
                classes.setdefault(name, []).append(vm)
        return classes
