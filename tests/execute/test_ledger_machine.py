"""Any sequence of calls: the ledger agrees with a model of it, and lets nothing through that its table forbids."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from optimizer.errors import AlreadyApplied, SafetyStop
from optimizer.execute.ledger import LEGAL, IllegalTransition, Ledger, MoveState, RebalanceState
from tests.execute.plans import line_fleet, move, plan_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLEET = line_fleet()
# two moves of v0, so that one VM could be in flight twice
MOVES = (move(FLEET, 1, "v0", "h0", "h8"), move(FLEET, 2, "v0", "h8", "h9"), move(FLEET, 3, "v1", "h1", "h10"))
PLANS = (plan_of(FLEET, *MOVES), plan_of(FLEET, *MOVES, id="plan-2"))
FLYING = (MoveState.INTENDED, MoveState.SUBMITTED)
CAP = 1

plans = st.sampled_from(PLANS)
moves = st.sampled_from(MOVES)


class LedgerMachine(RuleBasedStateMachine):
    """`states` and `rebalances` are the model: plain dictionaries and the rules as the docstring has them."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self.folder.name) / "ledger.sqlite")
        self.ledger = Ledger.create_or_open(self.path)
        self.states: dict[tuple[str, str], MoveState] = {}
        self.rebalances: dict[str, RebalanceState] = {}

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            self.folder.cleanup()

    def flying(self) -> list[tuple[str, str]]:
        return sorted(key for key, state in self.states.items() if state in FLYING)

    @rule()
    def crash(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.create_or_open(self.path)

    @rule(plan=plans)
    def begin(self, plan) -> None:
        legal = plan.id not in self.rebalances and RebalanceState.RUNNING not in self.rebalances.values()
        try:
            self.ledger.begin(plan, NOW)
        except AlreadyApplied:
            assert plan.id in self.rebalances
        except SafetyStop:
            assert not legal
            assert plan.id not in self.rebalances
        else:
            assert legal
            self.rebalances[plan.id] = RebalanceState.RUNNING

    @rule(plan=plans, state=st.sampled_from(RebalanceState))
    def end(self, plan, state) -> None:
        legal = (
            self.rebalances.get(plan.id) is RebalanceState.RUNNING
            and state is not RebalanceState.RUNNING
            and not self.flying()
        )
        try:
            self.ledger.end(plan, state, NOW)
        except IllegalTransition:
            assert not legal
        else:
            assert legal
            self.rebalances[plan.id] = state

    @rule(plan=plans, move=moves)
    def intend(self, plan, move) -> None:
        key = (plan.id, move.id)
        may = self.rebalances.get(plan.id) is RebalanceState.RUNNING and key not in self.states
        try:
            reason = self.ledger.intend(plan, move, NOW, lambda flying: "cap" if len(flying) > CAP else None)
        except IllegalTransition:
            assert not may
            return
        of_vm = any(m.vm == move.vm and (p.id, m.id) in self.flying() for p in PLANS for m in MOVES)
        assert (reason is None) == (may and not of_vm and len(self.flying()) <= CAP)
        if reason is None:
            self.states[key] = MoveState.INTENDED

    @rule(plan=plans, move=moves, state=st.sampled_from(MoveState))
    def record(self, plan, move, state) -> None:
        key = (plan.id, move.id)
        legal = (
            self.rebalances.get(plan.id) is RebalanceState.RUNNING
            and state in LEGAL[self.states.get(key)]
            and state is not MoveState.INTENDED
        )
        try:
            self.ledger.record(plan, move, state, NOW)
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
            assert self.ledger.rebalance("tiny", plan.id) is self.rebalances.get(plan.id)
            here = {m: s for (p, m), s in self.states.items() if p == plan.id}
            assert self.ledger.states("tiny", plan.id) == here
            last = {m: s for m, s in self.ledger.events("tiny", plan.id) if m is not None}
            assert last == {m: s.value for m, s in here.items()}
        assert [(f.plan, f.move) for f in self.ledger.in_flight("tiny")] == self.flying()

    @invariant()
    def a_vm_flies_once(self) -> None:
        if hasattr(self, "ledger"):
            vms = [f.vm for f in self.ledger.in_flight("tiny")]
            assert len(vms) == len(set(vms))


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)
