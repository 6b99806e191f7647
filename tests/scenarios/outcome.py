"""Solve a snapshot the way a user does, have `verify` judge the plan, and ask simple questions of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tests.build as build
from optimizer.fleet import Move, State
from optimizer.pipeline import Request, make_plan
from optimizer.plan import Status
from optimizer.problem.enumerate import reachable
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.verify.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, PlannedMove
    from optimizer.policy import Policy

__all__ = ["Outcome", "solve", "solve_fleet"]

CPU_LIMIT_S = 5.0
"""What each of these cases may take; counted in CPU time of one worker, so that a busy machine fails no test."""


@dataclass(frozen=True)
class Outcome:
    """A verified plan, and what it was made from."""

    fleet: Fleet
    policy: Policy
    plan: Plan

    @property
    def status(self) -> Status:
        return self.plan.status

    @property
    def moves(self) -> set[tuple[str, str, str]]:
        return {(m.vm, m.source, m.target) for m in self.plan.moves}

    @property
    def remaining(self) -> set[tuple[str, str, int]]:
        return {(r.rule, r.subject, r.excess) for r in self.plan.remaining}

    def value(self, stage: str) -> int:
        return next(s.value for s in self.plan.objective if s.stage == stage)

    def bound(self, stage: str) -> int:
        return next(s.bound for s in self.plan.objective if s.stage == stage)

    def proven(self) -> Outcome:
        """Harm and moving meet their bounds."""
        assert self.status is Status.OPTIMAL, self.plan.objective
        assert all(s.value == s.bound for s in self.plan.objective if s.stage != "placement")
        return self

    def clean(self) -> Outcome:
        """Nothing remains, and no rule finds anything at the end."""
        assert self.plan.remaining == ()
        assert self.value("harm") == 0
        assert not [v for rule in self.policy.rules for v in rule.check(self.end()) if v.harm]
        return self

    def end(self) -> State:
        """The state when every move has succeeded, carried out in the plan's order."""
        return State.start(self.fleet).finish([self.move(m) for m in self.plan.moves])

    def states(self) -> Iterator[State]:
        """Every reachable state; for plans of a few moves."""
        numbers = {m.id: i for i, m in enumerate(self.plan.moves)}
        moves = [self.move(m) for m in self.plan.moves]
        for done, started in reachable([[numbers[a] for a in m.after] for m in self.plan.moves]):
            finished = State.start(self.fleet).finish([moves[i] for i in sorted(done)])
            yield finished.begin([moves[i] for i in sorted(started)])

    def move(self, planned: PlannedMove) -> Move:
        host = self.fleet.host_index
        return Move(self.fleet.vm_index[planned.vm], host[planned.source], host[planned.target])


def solve(
    document: build.Document, policy: Policy | None = None, *, cpu_s: float = CPU_LIMIT_S, **request: object
) -> Outcome:
    """Plan for a document; by default with the shipped default policy."""
    return solve_fleet(fleet_from_document(document, "scenario"), policy, cpu_s=cpu_s, **request)


def solve_fleet(
    fleet: Fleet, policy: Policy | None = None, *, cpu_s: float | None = None, **request: object
) -> Outcome:
    """Plan for a fleet, and let `verify` find nothing."""
    asked = policy or build.policy()
    began = time.process_time()
    plan = make_plan(fleet, asked, Request(**request))  # type: ignore[arg-type]
    taken = time.process_time() - began
    assert cpu_s is None or taken <= cpu_s, f"{taken:.1f} s of CPU"
    assert verify(fleet, asked, plan).findings == ()
    return Outcome(fleet, asked, plan)
