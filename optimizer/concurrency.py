"""How many moves may be in flight at once, as an operator asks for it: the `concurrency` of a policy. Only data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Concurrency"]


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many moves may be in flight at once; `per_domain` limits any one domain of a level, both ends counted.

    The starting values are the design's: half as many in the fleet as its hosts may have (`fleet` is None: each move
    takes two ends), 1 per source, 1 per target, 2 per rack. The last four are
    disruption budgets, whose meaning for a fleet is in `optimizer.disruption`: `per_group` holds for each group with
    anti-affinity or spread (None: no limit), `groups` for single groups of any kind instead of it, `per_owner` for
    each owner, `per_label` for the VMs with the same value of a label.
    """

    fleet: int | None = None
    per_source: int = 1
    per_target: int = 1
    per_domain: Mapping[str, int] = field(default_factory=lambda: {"rack": 2})
    per_group: int | None = 1
    groups: Mapping[str, int] = field(default_factory=dict)
    per_owner: int | None = None
    per_label: Mapping[str, int] = field(default_factory=dict)

    def fleet_cap(self, hosts: int) -> int:
        """Return how many moves may be in flight in a fleet of this number of hosts."""
        return max(1, hosts * min(self.per_source, self.per_target) // 2) if self.fleet is None else self.fleet
