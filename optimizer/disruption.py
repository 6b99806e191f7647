"""Disruption budgets: how many VMs of one group, owner or label may be migrating at once.

What a policy's numbers mean for the VMs of a fleet stands here, and what of them the moves have used that were in
flight when the snapshot was taken; batches, `verify` and `apply` each do their own counting of a plan's moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from optimizer.concurrency import Concurrency
    from optimizer.fleet import Fleet, Group

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
            if label in fleet.vms.labels[vm]:
                yield Budget("label", _named(label, fleet.vms.labels[vm]), max(1, limit))

    @cached_property
    def strangers(self) -> dict[Budget, tuple[int, ...]]:
        """For each budget on which some count: the VMs that are migrating when the snapshot is taken."""
        out: dict[Budget, list[int]] = {}
        for vm in sorted({move.vm for move in self._fleet.in_flight}):
            for budget in self.of(vm):
                out.setdefault(budget, []).append(vm)
        return {budget: tuple(vms) for budget, vms in out.items()}

    def members(self, budget: Budget) -> NDArray[np.int64]:
        """Return int64 [n]: the VMs whose migration counts on a budget."""
        vms = self._fleet.vms
        if budget.kind == "group":
            return self._fleet.groups[self._fleet.group_index[budget.name]].members.astype(np.int64)
        if budget.kind == "owner":
            return np.flatnonzero(vms.owner == vms.owner_ids.index(budget.name))
        asked = self._asked.per_label
        have = (v for v, labels in enumerate(vms.labels) if any(_named(a, labels) == budget.name for a in asked))
        return np.array(list(have), np.int64)

    def left(self, budget: Budget) -> int:
        """Return how many of a plan's moves the budget has room for at once; none where others have used it up."""
        return max(0, budget.limit - len(self.strangers.get(budget, ())))

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


def _named(label: str, labels: Mapping[str, str]) -> str:
    """Return what the budget of a label's value is called; empty for a VM without the label."""
    return f"{label}={labels[label]}" if label in labels else ""


def _replicated(group: Group) -> bool:
    return any(rule.rule in REPLICATED for rule in group.rules)
