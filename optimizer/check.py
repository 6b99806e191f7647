"""What is wrong with a fleet as it is: every rule's own judgement. Needs no solver, and loads none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.fleet import State

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.rule import Violation

__all__ = ["check"]


def check(fleet: Fleet, policy: Policy) -> list[Violation]:
    """Judge the fleet as it is: every violation, the most severe first."""
    start = State.start(fleet)
    found = [v for rule in policy.rules for v in rule.check(start)]
    resources = frozenset(resource.name for resource in fleet.resources)
    return sorted(found, key=lambda v: _severity(v, resources))


def _severity(violation: Violation, resources: frozenset[str]) -> tuple[object, ...]:
    """Return what violations are sorted by.

    Musts come before shoulds, and a host that is loaded beyond what it physically has before anything else of its
    kind: a full disk stops every VM there, whereas its harm, a share of the host, is below that of a single pair of
    replicas. Then the most harm.
    """
    full = violation.resource in resources and violation.value > violation.unit
    return (violation.hardness.value, not full, -violation.harm, violation.instance)
