"""Any sequence of calls: the ledger agrees with a model of it, and lets nothing through that its table forbids."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from optimizer.errors import AlreadyApplied, LeaseLost
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.ledger import Held
from optimizer.execute.ledger.records import Change, FlyingMove, Order
from optimizer.execute.states import LEGAL, OPEN, IllegalTransition, MoveState, RunState
from tests.execute.plans import line_fleet, move, plan_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLEET = line_fleet()
# two moves of v0, so that one VM could be in flight twice
MOVES = (move(FLEET, 1, "v0", "h0", "h8"), move(FLEET, 2, "v0", "h8", "h9"), move(FLEET, 3, "v1", "h1", "h10"))
PLANS = (plan_of(FLEET, *MOVES), plan_of(FLEET, *MOVES, id="plan-2"))
ORDER = Order("ann", "because")
CAP = 1

plans = st.sampled_from(PLANS)
moves = st.sampled_from(MOVES)


def flying_of(plan, move) -> FlyingMove:
    return FlyingMove(plan.id, move.id, move.vm, move.source, move.target, MoveState.INTENDED)


class LedgerMachine(RuleBasedStateMachine):
    """`states`, `attempts` and `runs` are the model: plain dictionaries and the rules as the docstrings have them."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self.folder.name) / "ledger.sqlite")
        self.ledger = open_ledger(self.path)
        self.states: dict[tuple[str, str], MoveState] = {}
        self.attempts: dict[tuple[str, str], int] = {}
        self.runs: dict[str, RunState] = {}
        self.lead = self.ledger.lead("tiny", "test", NOW)
        self.old = replace(self.lead, epoch=0)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            self.folder.cleanup()

    def flying(self) -> list[tuple[str, str]]:
        return sorted(key for key, state in self.states.items() if state in OPEN)

    @rule()
    def crash(self) -> None:
        self.ledger.close()
        self.ledger = open_ledger(self.path)
        self.old, self.lead = self.lead, self.ledger.lead("tiny", "test", NOW)

    @rule(plan=plans)
    def an_old_leader(self, plan) -> None:
        try:
            self.ledger.begin(self.old, plan, ORDER, NOW)
        except LeaseLost:
            return
        raise AssertionError("an old leader began a plan")

    @rule(plan=plans)
    def begin(self, plan) -> None:
        try:
            going_on = self.ledger.begin(self.lead, plan, ORDER, NOW)
        except AlreadyApplied:
            assert self.runs[plan.id] is not RunState.RUNNING
            return
        assert going_on == (plan.id in self.runs)
        for other, state in self.runs.items():
            if state is RunState.RUNNING and other != plan.id:
                self.runs[other] = RunState.SUPERSEDED
        self.runs[plan.id] = RunState.RUNNING

    @rule(plan=plans, state=st.sampled_from(RunState))
    def end(self, plan, state) -> None:
        open_ = any(p == plan.id for p, _ in self.flying())
        legal = self.runs.get(plan.id) is RunState.RUNNING and state is not RunState.RUNNING
        legal = legal and (not open_ or state is RunState.STOPPED)
        try:
            self.ledger.end(self.lead, plan.id, state, NOW)
        except IllegalTransition:
            assert not legal
        else:
            assert legal
            self.runs[plan.id] = state

    @rule(plan=plans, move=moves, attempt=st.sampled_from([1, 2]))
    def intend(self, plan, move, attempt) -> None:
        key = (plan.id, move.id)
        new = key not in self.states and self.runs.get(plan.id) is RunState.RUNNING
        again = self.states.get(key) is MoveState.FAILED and attempt > self.attempts.get(key, 0)
        wanted = replace(flying_of(plan, move), attempt=attempt)
        try:
            held = self.ledger.intend(self.lead, wanted, NOW, lambda u: Held("cap") if len(u.flying) > CAP else None)
        except IllegalTransition:
            assert not new
            assert not again or self.runs.get(plan.id) is not RunState.RUNNING
            return
        of_vm = any(m.vm == move.vm and (p.id, m.id) in self.flying() for p in PLANS for m in MOVES)
        assert held is not None or new or again
        assert (held is not None) == (of_vm or len(self.flying()) > CAP)
        if held is None:
            self.states[key], self.attempts[key] = MoveState.INTENDED, attempt

    @rule(plan=plans, move=moves)
    def skip(self, plan, move) -> None:
        key = (plan.id, move.id)
        before = self.states.get(key)
        legal = self.runs.get(plan.id) is RunState.RUNNING and MoveState.SKIPPED in LEGAL[before]
        try:
            self.ledger.skip(self.lead, [(flying_of(plan, move), "no")], NOW)
        except IllegalTransition:
            assert not legal
        else:
            assert legal
            self.states[key] = MoveState.SKIPPED
            self.attempts.setdefault(key, 1)

    @rule(plan=plans, move=moves, state=st.sampled_from(MoveState))
    def record(self, plan, move, state) -> None:
        key = (plan.id, move.id)
        legal = key in self.states and state in LEGAL[self.states[key]]
        legal = legal and state not in (MoveState.INTENDED, MoveState.SKIPPED)
        try:
            self.ledger.record(self.lead, [Change(flying_of(plan, move).key, state)], NOW)
        except IllegalTransition:
            assert not legal
        else:
            assert legal
            self.states[key] = state

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "ledger"):
            return
        for plan in PLANS:
            run = self.ledger.run("tiny", plan.id)
            assert (run.state if run else None) is self.runs.get(plan.id)
            here = {m: s for (p, m), s in self.states.items() if p == plan.id}
            assert self.ledger.states("tiny", plan.id) == here
        assert [(f.plan, f.move) for f in self.ledger.in_flight("tiny")] == self.flying()
        assert self.ledger.audit().faults == ()

    @invariant()
    def a_vm_flies_once(self) -> None:
        if hasattr(self, "ledger"):
            vms = [f.vm for f in self.ledger.in_flight("tiny")]
            assert len(vms) == len(set(vms))


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)
