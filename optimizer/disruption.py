"""Disruption budgets: how many VMs of one group, owner or label may be migrating at once.

What a policy's numbers mean for the VMs of a fleet stands here, and only that: batches, `verify` and `apply` each do
their own counting.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from optimizer.fleet import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.fleet import Fleet, Group
    from optimizer.policy import Concurrency

__all__ = ["REPLICATED", "Budget", "Budgets"]

REPLICATED = frozenset({"anti_affinity", "spread"})
"""Rules of a group that say that its VMs stand in for each other: `per_group` holds for groups with one of them."""


@dataclass(frozen=True, slots=True, order=True)
class Budget:
    """At most `limit` VMs of one group, one owner or one value of a label may be migrating at once."""

    kind: str
    name: str
    limit: int

    def __str__(self) -> str:
        return f"{self.limit} of {self.kind} {self.name}"


class Budgets:
    """The disruption budgets of a fleet under a policy."""

    def __init__(self, fleet: Fleet, concurrency: Concurrency) -> None:
        self._fleet, self._asked = fleet, concurrency

    def of(self, vm: int) -> Iterator[Budget]:
        """Yield every budget on which a migration of the VM counts."""
        fleet, asked = self._fleet, self._asked
        yield from self._of_groups.get(vm, ())
        owner = int(fleet.vms.owner[vm])
        if asked.per_owner is not None and owner != ABSENT:
            yield Budget("owner", fleet.vms.owner_ids[owner], max(1, asked.per_owner))
        for label, limit in asked.per_label.items():
            value = fleet.vms.labels[vm].get(label)
            if value is not None:
                yield Budget("label", f"{label}={value}", max(1, limit))

    @cached_property
    def _of_groups(self) -> dict[int, list[Budget]]:
        out: dict[int, list[Budget]] = {}
        for group in self._fleet.groups:
            limit = self._asked.groups.get(group.id, self._asked.per_group if _replicated(group) else None)
            if limit is not None:
                budget = Budget("group", group.id, max(1, limit))
                for vm in group.members.tolist():
                    out.setdefault(vm, []).append(budget)
        return out


def _replicated(group: Group) -> bool:
    return any(rule.rule in REPLICATED for rule in group.rules)
