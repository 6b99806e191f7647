"""What a plan changes, by the rules' own check: every violation before its first move and after its last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.fleet import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet, Move
    from optimizer.policy import Policy
    from optimizer.problem.rule import Rule, Violation

__all__ = ["Effect"]

Judged = list[tuple["Rule", "Violation"]]


@dataclass(frozen=True)
class Effect:
    """Violations with the rules that see them, at the start and in `end`."""

    before: Judged
    after: Judged
    end: State

    @classmethod
    def of(cls, fleet: Fleet, policy: Policy, moves: Sequence[Move]) -> Effect:
        """Judge the start, and the end of all the moves."""
        start = State.start(fleet)
        end = start.finish(moves)
        return cls(judge(policy, start), judge(policy, end), end)


def judge(policy: Policy, state: State) -> Judged:
    """Return every violation of a state, rule by rule."""
    return [(rule, v) for rule in policy.demands for v in rule.check(state)]
