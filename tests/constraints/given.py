"""Tests of rules as sentences: ``given(rule, fleet).finished("v0 h1").penalizes_by(1000)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.fleet import Move, State
from optimizer.problem.rule import Hardness
from tests.constraints.contract import by_atoms, by_check, rule_problem

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.problem.rule import Rule, Violation

__all__ = ["Given", "given"]


def given(rule: Rule, fleet: Fleet) -> Given:
    """Return the rule's judgement of the fleet as it starts."""
    return Given(rule, State.start(fleet))


@dataclass(frozen=True)
class Given:
    """A rule and a state that it judges; moves are written ``"v0 h1"``: that VM, to that host."""

    rule: Rule
    state: State

    def finished(self, *moves: str) -> Given:
        state = self.state
        for move in moves:
            state = state.finish([self._move(move, state)])
        return Given(self.rule, state)

    def under_way(self, *moves: str) -> Given:
        return Given(self.rule, self.state.begin(self._move(move, self.state) for move in moves))

    @property
    def violations(self) -> list[Violation]:
        """All of them; the atoms have to agree first."""
        problem = rule_problem(self.state.fleet, self.rule)
        assert by_atoms(problem, self.rule, self.state) == by_check(self.rule, self.state)
        return list(self.rule.check(self.state))

    @property
    def only(self) -> Violation:
        (violation,) = self.violations
        return violation

    def penalizes_by(self, harm: int) -> None:
        assert sum(v.harm for v in self.violations) == harm

    def exceeds_by(self, *excess: int) -> None:
        """The excess of each instance, in the order in which they are found."""
        assert [v.excess for v in self.violations if v.hardness is not Hardness.HARD] == list(excess)

    def is_content(self) -> None:
        assert self.violations == []

    def refuses(self, *reasons: str) -> None:
        """The reasons for which moves are refused."""
        assert [v.reason for v in self.violations if v.hardness is Hardness.HARD] == list(reasons)

    def says(self, *parts: str) -> None:
        """What the explanation of the first violation has in it."""
        text = self.rule.explain(self.violations[0], self.state.fleet)
        assert [part for part in parts if part not in text] == [], text

    def lacks(self, **facts: int) -> None:
        """What is not evaluated (dots as double underscores), for how many VMs or hosts."""
        found = {n.what.replace(".", "__"): n.vms or n.hosts for n in self.rule.not_evaluated(self.state.fleet)}
        assert found == facts

    @staticmethod
    def _move(text: str, state: State) -> Move:
        vm, target = text.split()
        index = state.fleet.vm_index[vm]
        return Move(index, int(state.placement[index]), state.fleet.host_index[target])
