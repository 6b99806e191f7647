"""The protocol of a rule: three methods, each written without the other two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from optimizer.problem.hardness import Hardness
from optimizer.problem.instance import InstanceName
from optimizer.problem.rounding import harm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet, State
    from optimizer.fleet.plausible import Doubt
    from optimizer.problem.atoms import Atom

__all__ = ["HIGHEST_PRICE", "Costing", "Hardness", "Hold", "NotEvaluated", "Rule", "Violation"]

HIGHEST_PRICE = 1000
"""The highest price that a policy may say, in moves for one unit of excess."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One instance of a rule that a state exceeds: reasons are data first, text second.

    Attributes
    ----------
    rule
        The name of the rule in the policy; `hardness` and `weight` as asked for this instance.
    subject
        What it is about: a host, group, VM, owner, pair.
    resource, domain
        What sets several instances of one subject apart: the resource; the domain, as ``level:id``.
    value, limit
        As measured and as allowed, in the resource's unit. `excess` > 0 in the same unit, except for HARD, where it
        is 1.
    unit
        What `excess` is divided by to make harm.
    vms
        Indices of the VMs concerned, where they are few.
    reason
        Which of several refusals of one rule this is (a word that stands in the rule's page), empty for most.
    """

    rule: str
    subject: str
    hardness: Hardness
    value: int
    limit: int
    excess: int
    resource: str | None = None
    domain: str | None = None
    unit: int = 1
    weight: int = 1
    vms: tuple[int, ...] = ()
    reason: str = ""

    @property
    def instance(self) -> InstanceName:
        """What this violation is a violation of: equal in two states for the same instance of a demand."""
        return InstanceName(self.rule, self.subject, self.resource or "", self.domain or "", self.reason)

    @property
    def harm(self) -> int:
        """Weight x ceil(1000 x excess / unit); 0 for those that are never a reason to move."""
        counts = self.hardness in (Hardness.MUST, Hardness.SHOULD)
        return harm(self.excess, self.unit, self.weight) if counts else 0


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """A fact that a rule wanted and `vms` VMs (or hosts) do not have."""

    rule: str
    what: str
    vms: int = 0
    hosts: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """A VM stays where it is until some time, and why.

    Attributes
    ----------
    rule, reason
        The name of the rule in the policy, and which of its refusals it is.
    until
        Seconds since 1970 from which on it may move, as far as this is concerned.
    text
        The same in words, with the numbers.
    """

    rule: str
    reason: str
    until: float
    text: str


class Rule(Protocol):
    """A constraint: a frozen dataclass whose fields are its parameters.

    `understands` names the facts of a snapshot that this rule looks after (`optimizer.problem.facts.FACTS`); one that
    no rule of a policy understands has its own effect there: the VM stays, the host takes none.
    """

    @property
    def name(self) -> str:
        """The rule's name in the policy (unique there); the kind of rule unless the policy names it."""

    @property
    def understands(self) -> frozenset[str]:
        """The facts of a snapshot that this rule looks after."""

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Say what the rule asks of this fleet, in atoms."""

    def check(self, state: State) -> Iterator[Violation]:
        """Judge a state, without atoms and without a solver."""

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say a violation in words, with the values in it, and what would repair it."""

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name the facts that the rule wanted and the snapshot lacks."""

    def doubts(self, fleet: Fleet) -> Iterable[Doubt]:
        """Say what makes the rule doubtful on this fleet, though nothing forbids to ask it."""


@runtime_checkable
class Costing(Protocol):
    """A rule that asks for something that is paid for rather than repaired (the stage COST): as little as moves buy."""

    def cost(self, state: State) -> int:
        """Return what a state costs, VMs in flight at their sources, without atoms and without a solver."""

    def figures(self, state: State) -> dict[str, dict[str, int]]:
        """Return what a reader wants to know of a state, by what it is about; in 10^-4."""
