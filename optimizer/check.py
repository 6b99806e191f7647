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
    """Judge the fleet as it is: every violation, musts first, the worst first."""
    start = State.start(fleet)
    found = [v for rule in policy.rules for v in rule.check(start)]
    return sorted(found, key=lambda v: (v.hardness.value, -v.harm, v.instance))
