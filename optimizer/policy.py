"""What an operator wants: the rules with their parameters, what least moving means, and how fast to go.

Only data; `optimizer.sources.policy_yaml` reads it, with the catalogue of rules handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from optimizer.concurrency import Concurrency
from optimizer.disruption_rule import DisruptionRule
from optimizer.execution import Execution
from optimizer.problem.problem import Least
from optimizer.problem.snapshot_rule import with_snapshot
from optimizer.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from optimizer.problem.names import Named
    from optimizer.problem.rule import Rule

__all__ = ["Concurrency", "Policy", "UnknownNames"]


class UnknownNames(Enum):
    """What becomes of a policy that names what the fleet does not have."""

    ERROR = "error"
    WARN = "warn"


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
    concurrency: Concurrency = field(default_factory=Concurrency)
    execution: Execution = field(default_factory=Execution)
    expires_after_s: int = 900
    digest: str = ""
    unknown_names: UnknownNames = UnknownNames.ERROR
    named: tuple[Named, ...] = ()
    where: str = ""
    scope: Scope = EVERYTHING

    @cached_property
    def judges(self) -> tuple[Rule, ...]:
        """The rules, and what the snapshot itself forbids: by these a move is judged that is about to start.

        Disruption budgets are not among them: a move waits for one, and is not refused.
        """
        return with_snapshot(self.rules)

    @cached_property
    def demands(self) -> tuple[Rule, ...]:
        """All by which a plan is made and judged: `judges`, and the disruption budgets that others have used up."""
        return (*self.judges, DisruptionRule(self.concurrency))
