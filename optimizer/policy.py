"""What an operator wants: the rules with their parameters, what least moving means, and how fast to go.

Only data; `optimizer.sources.policy_yaml` reads it, with the catalogue of rules handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from optimizer.execution import Execution
from optimizer.problem.problem import Least
from optimizer.problem.snapshot_rule import with_snapshot
from optimizer.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.problem.names import Named
    from optimizer.problem.rule import Rule

__all__ = ["Concurrency", "Policy", "UnknownNames"]


class UnknownNames(Enum):
    """What becomes of a policy that names what the fleet does not have."""

    ERROR = "error"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many moves may be in flight at once; `per_domain` limits any one domain of a level, both ends counted.

    The starting values are the design's: half as many in the fleet as it has hosts (`fleet` is None: each move takes
    two ends), 1 per source, 1 per target, 2 per rack. The last four are
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
        return max(1, hosts // 2) if self.fleet is None else self.fleet


@dataclass(frozen=True)
class Policy:
    """A checked policy.

    Attributes
    ----------
    name
        What the policy calls itself.
    digest
        Of its canonical JSON.
    where
        The file (or the shipped policy) that it came from, for messages.
    named
        Every name that its document speaks of; what only defaults name is not among them.
    scope
        What one run restricts it to: the rules say it already, and a plan repeats it.
    """

    name: str
    rules: tuple[Rule, ...]
    least: Least = Least.MOVES
    concurrency: Concurrency = Concurrency()
    execution: Execution = field(default_factory=Execution)
    expires_after_s: int = 900
    digest: str = ""
    unknown_names: UnknownNames = UnknownNames.ERROR
    named: tuple[Named, ...] = ()
    where: str = ""
    scope: Scope = EVERYTHING

    @cached_property
    def judges(self) -> tuple[Rule, ...]:
        """The rules, and what holds in every policy: by these a move is judged."""
        return with_snapshot(self.rules)
