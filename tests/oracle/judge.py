"""Hold a plan against the enumeration: its values, its bounds, its status, and every state it can lead to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from constraints.together import Together
from optimizer.fleet import Move, State
from optimizer.plan import Status
from optimizer.problem.atoms import Same
from optimizer.problem.enumerate import Outcome, best, plans, reachable
from optimizer.problem.evaluate import evaluate, hard_breaches
from optimizer.problem.problem import Problem, Stage, build
from optimizer.problem.rule import Hardness
from tests.constraints.contract import by_atoms, by_check, rule_problem
from tests.oracle.problems import TinyProblem, tiny_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.plan import Plan

__all__ = ["Case", "Made", "case_for", "case_of"]


@dataclass(frozen=True)
class Case:
    """A tiny problem, and everything that can be reached in it."""

    tiny: TinyProblem
    problem: Problem
    outcomes: tuple[Outcome, ...]

    @cached_property
    def best(self) -> Outcome:
        return best(self.outcomes)

    @cached_property
    def in_order(self) -> bool:
        """Whether there is nothing to repair at the start."""
        start = evaluate(self.problem, self.problem.start.tolist())
        return not (start.harm or start.should_harm or start.priced)

    @cached_property
    def split_allowed(self) -> frozenset[int]:
        return frozenset(i for i, atom in enumerate(self.problem.atoms) if isinstance(atom, Same))


def case_of(number: int) -> Case:
    return case_for(tiny_problem(number))


def case_for(tiny: TinyProblem) -> Case:
    """Enumerate a problem."""
    problem = build(tiny.fleet, tiny.policy.demands, tiny.policy.least)
    return Case(tiny, problem, tuple(plans(problem)))


@dataclass(frozen=True)
class Made:
    """A plan that was made for a case; each method asserts one thing that has to be so."""

    case: Case
    plan: Plan

    @property
    def status(self) -> Status:
        return self.plan.status

    def holds(self) -> None:
        """Everything below."""
        self.is_worth_what_it_says()
        self.beats_nothing_that_is_possible()
        self.bounds_are_true()
        self.status_is_true()
        self.is_safe_by_the_atoms()
        self.is_safe_by_the_rules()
        self.rules_and_atoms_agree()
        self.names_what_remains()

    # -- what it is worth ----------------------------------------------------------------------------------------------

    @cached_property
    def values(self) -> dict[Stage, int]:
        return {Stage(s.stage): s.value for s in self.plan.objective if s.stage != Stage.PLACEMENT.value}

    @cached_property
    def bounds(self) -> dict[Stage, int]:
        return {Stage(s.stage): s.bound for s in self.plan.objective if s.stage != Stage.PLACEMENT.value}

    def is_worth_what_it_says(self) -> None:
        problem, placement = self.case.problem, self.end.placement.tolist()
        found = evaluate(problem, placement)
        moving = sum(int(problem.moving[m.vm]) for m in self.moves)
        worth = {
            Stage.HARM: found.harm,
            Stage.SHOULD_HARM: found.should_harm,
            Stage.PRICED: 1000 * moving + found.priced,
            Stage.MOVING: moving,
        }
        assert self.values == {s: worth[s] for s in problem.stages if s is not Stage.PLACEMENT}

    def beats_nothing_that_is_possible(self) -> None:
        assert tuple(self.values.values()) >= self.case.best.rank

    def bounds_are_true(self) -> None:
        """Each stage's bound, given what the stages before it were left at."""
        within: dict[Stage, int] = {}
        for stage, value in self.values.items():
            least = best(self.case.outcomes, within).values[stage]
            assert self.bounds[stage] <= least <= value, (stage, self.bounds[stage], least, value)
            within[stage] = value

    def status_is_true(self) -> None:
        status = self.plan.status
        assert (status is Status.NOTHING_TO_DO) == (self.case.in_order and status is not Status.IMPOSSIBLE)
        if status is Status.OPTIMAL:
            assert self.values == self.case.best.values
            assert self.bounds == self.values
        if status in (Status.NOTHING_TO_DO, Status.NO_PLAN_IN_TIME, Status.IMPOSSIBLE):
            assert self.plan.moves == ()
        if status is Status.FEASIBLE:
            assert self.plan.moves

    # -- what it can lead to -------------------------------------------------------------------------------------------

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        vm, host = self.case.tiny.fleet.vm_index, self.case.tiny.fleet.host_index
        return tuple(Move(vm[m.vm], host[m.source], host[m.target]) for m in self.plan.moves)

    @cached_property
    def end(self) -> State:
        return State.start(self.case.tiny.fleet).finish(self.moves)

    @cached_property
    def states(self) -> tuple[State, ...]:
        """Every reachable state, in which some moves have succeeded and some are in flight."""
        return tuple(self._states())

    def _states(self) -> Iterator[State]:
        number = {m.id: i for i, m in enumerate(self.plan.moves)}
        start = State.start(self.case.tiny.fleet)
        for done, started in reachable([[number[a] for a in m.after] for m in self.plan.moves]):
            finished = start.finish(self.moves[i] for i in sorted(done))
            yield finished.begin(self.moves[i] for i in sorted(started))

    def is_safe_by_the_atoms(self) -> None:
        problem = self.case.problem
        assert not hard_breaches(problem, self.moves)
        assert not evaluate(problem, self.end.placement.tolist()).worse
        for state in self.states:
            assert all(state.placement[m.vm] == m.source for m in state.in_flight)
            worse = evaluate(problem, state.placement.tolist(), state.in_flight).worse
            assert all(i.atom in self.case.split_allowed for i in worse), (state.done, state.in_flight, worse)

    def is_safe_by_the_rules(self) -> None:
        for rule in self.case.tiny.policy.demands:
            before = {v.instance: v.excess for v in rule.check(State.start(self.case.tiny.fleet))}
            for state in self.states:
                travelling = isinstance(rule, Together) and len(state.done) < len(self.moves)
                for v in rule.check(state):
                    assert v.hardness is not Hardness.HARD, v
                    if v.hardness is Hardness.MUST and not travelling:
                        assert v.excess <= before.get(v.instance, 0), (v, state.done, state.in_flight)

    def rules_and_atoms_agree(self) -> None:
        fleet = self.case.tiny.fleet
        for rule in self.case.tiny.policy.demands:
            alone = rule_problem(fleet, rule)
            for state in self.states:
                assert by_check(rule, state) == by_atoms(alone, rule, state), (rule, state.done, state.in_flight)

    def names_what_remains(self) -> None:
        left = {v.instance: v.excess for rule in self.case.tiny.policy.demands for v in rule.check(self.end) if v.harm}
        assert len(left) == len(self.plan.remaining)
        assert sorted((i[0], i[1], e) for i, e in left.items()) == sorted(
            (r.rule, r.subject, r.excess) for r in self.plan.remaining
        )
