"""What every ledger keeps to, in whatever database it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from optimizer.errors import AlreadyApplied, LeaseLost, SafetyStop
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.ledger import Held, Pressed
from optimizer.execute.ledger.records import Change, FlyingMove, Key, Order
from optimizer.execute.states import Failure, IllegalTransition, MoveState, RunState
from tests.execute.plans import line_fleet, move, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.ledger import Usage
    from optimizer.execute.ledger.records import Lead
    from optimizer.plan import Plan

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLEET = line_fleet()
PLAN = plan_of(FLEET, move(FLEET, 1, "v0", "h0", "h8"), move(FLEET, 2, "v1", "h1", "h9"))
ORDER = Order("ann", "because")
FIRST = FlyingMove("plan-1", "m0001", "v0", "h0", "h8", MoveState.INTENDED, copied_mib=1000)
SECOND = FlyingMove("plan-1", "m0002", "v1", "h1", "h9", MoveState.INTENDED, copied_mib=2000)


def free(_: Usage) -> None:
    """Let any move start."""


def begun(ledger: Ledger, plan: Plan = PLAN) -> Lead:
    lead = ledger.lead(plan.fleet, "test", NOW)
    ledger.begin(lead, plan, ORDER, NOW)
    return lead


def accepts(of: FlyingMove) -> Callable[[], tuple[Change, str]]:
    return lambda: (Change(of.key, MoveState.ACCEPTED), "job-1")


def test_a_move_passes_through_its_states_and_all_are_kept(book: Ledger) -> None:
    lead = begun(book)
    assert book.intend(lead, FIRST, NOW, free) is None
    assert book.submit(lead, FIRST.key, NOW, accepts(FIRST)) == (Change(FIRST.key, MoveState.ACCEPTED), "job-1")
    (flying,) = book.in_flight("tiny")
    assert (flying.vm, flying.job, flying.state, flying.attempt) == ("v0", "job-1", MoveState.ACCEPTED, 1)
    for state in (MoveState.COPYING, MoveState.UNKNOWN, MoveState.SWITCHING, MoveState.DONE):
        book.record(lead, [Change(FIRST.key, state)], NOW)
    book.skip(lead, [(SECOND, "because")], NOW)
    book.end(lead, "plan-1", RunState.FAILED, NOW)
    assert book.in_flight("tiny") == ()
    assert book.states("tiny", "plan-1") == {"m0001": MoveState.DONE, "m0002": MoveState.SKIPPED}
    said = [(e.move, e.state) for e in book.events("tiny")]
    assert said == [
        (None, "leader"),
        (None, "running"),
        *(("m0001", s) for s in ("intended", "accepted", "copying", "unknown", "switching", "done")),
        ("m0002", "skipped"),
        (None, "failed"),
    ]
    assert book.audit().faults == ()


def test_who_ordered_it_and_why_is_kept(book: Ledger) -> None:
    begun(book)
    (run,) = book.runs("tiny")
    assert (run.ordered_by, run.reason, run.moves, run.state) == ("ann", "because", 2, RunState.RUNNING)
    assert [e.by for e in book.events("tiny")] == ["test", "ann"]


def test_caps_and_intent_are_one_transaction(book: Ledger) -> None:
    lead = begun(book)
    seen: list[tuple[str, ...]] = []

    def only_one(usage: Usage) -> Held | None:
        seen.append(tuple(f.move for f in usage.flying))
        return Held("one at a time") if usage.flying else None

    assert book.intend(lead, FIRST, NOW, only_one) is None
    assert book.intend(lead, SECOND, NOW, only_one) == Held("one at a time")
    assert seen == [(), ("m0001",)]
    assert book.states("tiny", "plan-1") == {"m0001": MoveState.INTENDED}


def test_a_refusal_that_raises_leaves_no_intent(book: Ledger) -> None:
    lead = begun(book)

    def broken(_: Usage) -> Held | None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        book.intend(lead, FIRST, NOW, broken)
    assert book.states("tiny", "plan-1") == {}
    assert book.intend(lead, FIRST, NOW, free) is None


def test_a_submit_that_raises_leaves_the_intent(book: Ledger) -> None:
    lead = begun(book)
    book.intend(lead, FIRST, NOW, free)

    def power_cut() -> tuple[Change, str]:
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        book.submit(lead, FIRST.key, NOW, power_cut)
    assert book.states("tiny", "plan-1") == {"m0001": MoveState.INTENDED}


def test_an_intent_is_submitted_once(book: Ledger) -> None:
    lead = begun(book)
    called: list[int] = []

    def call() -> tuple[Change, str]:
        called.append(1)
        return Change(FIRST.key, MoveState.ACCEPTED), ""

    with pytest.raises(IllegalTransition):
        book.submit(lead, FIRST.key, NOW, call)
    book.intend(lead, FIRST, NOW, free)
    book.submit(lead, FIRST.key, NOW, call)
    with pytest.raises(IllegalTransition):
        book.submit(lead, FIRST.key, NOW, call)
    assert called == [1]


def test_a_vm_flies_once(book: Ledger) -> None:
    lead = begun(book)
    book.intend(lead, FIRST, NOW, free)
    assert book.intend(lead, replace(FIRST, move="m0003"), NOW, free) == Held("v0 is in flight")


def test_an_attempt_is_made_once(book: Ledger) -> None:
    lead = begun(book)
    book.intend(lead, FIRST, NOW, free)
    with pytest.raises(IllegalTransition):
        book.record(lead, [Change(FIRST.key, MoveState.INTENDED)], NOW)
    book.record(lead, [Change(FIRST.key, MoveState.FAILED, "busy", Failure.TEMPORARY)], NOW)
    with pytest.raises(IllegalTransition, match="attempt 1"):
        book.intend(lead, FIRST, NOW, free)
    assert book.intend(lead, replace(FIRST, attempt=2), NOW, free) is None
    assert [f.attempt for f in book.in_flight("tiny")] == [2]


def test_what_was_intended_in_a_window_is_counted_whatever_came_of_it(book: Ledger) -> None:
    lead = begun(book)
    book.intend(lead, FIRST, NOW, free)
    book.record(lead, [Change(FIRST.key, MoveState.FAILED)], NOW)
    book.skip(lead, [(replace(SECOND, move="m0003", vm="v3"), "not this one")], NOW)
    counted: list[int] = []

    def look(usage: Usage) -> None:
        counted.extend((sum(m.copied_mib for m in usage.recent(3600)), len(usage.recent(60))))

    book.intend(lead, SECOND, NOW + timedelta(minutes=30), look)
    assert counted == [1000, 0]


def test_a_plan_is_applied_once(book: Ledger, place: str) -> None:
    lead = begun(book)
    book.end(lead, "plan-1", RunState.DONE, NOW)
    with open_ledger(place) as second, pytest.raises(AlreadyApplied, match="already applied"):
        second.refuse_second(PLAN)
    with pytest.raises(AlreadyApplied):
        book.begin(lead, PLAN, ORDER, NOW)
    book.begin(lead, plan_of(FLEET, id="plan-2"), ORDER, NOW)


def test_the_same_plan_id_of_another_fleet_is_another_plan(book: Ledger) -> None:
    begun(book)
    lead = begun(book, plan_of(FLEET, fleet="other"))
    assert book.intend(lead, FIRST, NOW, free) is None
    assert book.in_flight("tiny") == ()
    assert book.fleets() == ("other", "tiny")


def test_a_run_that_was_cut_off_goes_on_or_is_superseded(book: Ledger) -> None:
    lead = begun(book)
    book.intend(lead, FIRST, NOW, free)
    assert book.begin(lead, PLAN, ORDER, NOW)
    assert not book.begin(lead, plan_of(FLEET, id="plan-2"), ORDER, NOW)
    old = book.run("tiny", "plan-1")
    assert old is not None
    assert old.state is RunState.SUPERSEDED
    assert [f.move for f in book.in_flight("tiny")] == ["m0001"]
    book.record(lead, [Change(FIRST.key, MoveState.DONE)], NOW)  # it is still observed to its end
    with pytest.raises(IllegalTransition):
        book.intend(lead, SECOND, NOW, free)
    assert book.audit().faults == ()


def test_a_run_does_not_end_well_while_a_move_may_be_under_way(book: Ledger) -> None:
    lead = begun(book)
    book.intend(lead, FIRST, NOW, free)
    for state in (RunState.DONE, RunState.FAILED, RunState.RUNNING):
        with pytest.raises(IllegalTransition):
            book.end(lead, "plan-1", state, NOW)
    book.end(lead, "plan-1", RunState.STOPPED, NOW)
    assert [f.move for f in book.in_flight("tiny")] == ["m0001"]
    with pytest.raises(IllegalTransition):
        book.end(lead, "plan-1", RunState.STOPPED, NOW)


def test_an_old_leader_writes_and_submits_nothing(book: Ledger) -> None:
    old = begun(book)
    book.intend(old, FIRST, NOW, free)
    book.release(old)
    new = book.lead("tiny", "another", NOW)
    assert new.epoch == old.epoch + 1
    called: list[int] = []

    def call() -> tuple[Change, str]:
        called.append(1)
        return Change(FIRST.key, MoveState.ACCEPTED), ""

    before = book.events("tiny")
    for write in (
        lambda: book.submit(old, FIRST.key, NOW, call),
        lambda: book.intend(old, SECOND, NOW, free),
        lambda: book.record(old, [Change(FIRST.key, MoveState.DONE)], NOW),
        lambda: book.skip(old, [(SECOND, "")], NOW),
        lambda: book.end(old, "plan-1", RunState.STOPPED, NOW),
        lambda: book.keep(old),
        lambda: book.begin(old, plan_of(FLEET, id="plan-2"), ORDER, NOW),
    ):
        with pytest.raises(LeaseLost, match="another leads, in epoch"):
            write()
    assert called == []
    assert book.events("tiny") == before


def test_one_leads_a_fleet(book: Ledger, place: str) -> None:
    lead = begun(book)
    with open_ledger(place) as second:
        with pytest.raises(SafetyStop, match="being applied by test"):
            second.lead("tiny", "second", NOW)
        assert second.lead("other", "second", NOW).epoch == 1
        book.release(lead)
        assert second.lead("tiny", "second", NOW).epoch == lead.epoch + 1


def test_the_button_stops_intents_and_submits_until_it_is_lifted(book: Ledger, place: str) -> None:
    lead = begun(book)
    book.intend(lead, FIRST, NOW, free)
    with open_ledger(place) as console:
        console.controls.set("tiny", "stop", "abort", Order("bob", "fire"), NOW)
    called: list[int] = []

    def call() -> tuple[Change, str]:
        called.append(1)
        return Change(FIRST.key, MoveState.ACCEPTED), ""

    with pytest.raises(Pressed, match="stopped by bob: fire") as stop:
        book.submit(lead, FIRST.key, NOW, call)
    assert stop.value.abort
    with pytest.raises(Pressed):
        book.intend(lead, SECOND, NOW, free)
    assert called == []
    assert not book.controls.lift("other", "stop", ORDER, NOW)
    assert book.controls.lift("tiny", "stop", ORDER, NOW)
    book.submit(lead, FIRST.key, NOW, call)
    assert called == [1]
    assert book.audit().faults == ()


def test_a_lower_limit_reaches_the_caps(book: Ledger) -> None:
    lead = begun(book)
    limits: list[int | None] = []

    def look(usage: Usage) -> Held:
        limits.append(usage.limit)
        return Held("no")

    book.intend(lead, FIRST, NOW, look)
    book.controls.set("tiny", "limit", "3", ORDER, NOW)
    book.intend(lead, FIRST, NOW, look)
    assert limits == [None, 3]


def test_an_approval_is_bound_to_a_digest(book: Ledger) -> None:
    assert book.controls.approval("tiny", "plan-1") is None
    book.controls.approve("tiny", "plan-1", "sha256:1", ORDER, NOW)
    book.controls.approve("tiny", "plan-1", "sha256:2", Order("bob", "again"), NOW)
    found = book.controls.approval("tiny", "plan-1")
    assert found is not None
    assert (found.digest, found.by, found.reason) == ("sha256:2", "bob", "again")
    assert book.audit().faults == ()


@pytest.mark.parametrize("key", [Key("plan-1", "m0009"), Key("plan-9", "m0001")])
def test_nothing_is_recorded_of_what_was_never_intended(book: Ledger, key: Key) -> None:
    lead = begun(book)
    with pytest.raises(IllegalTransition):
        book.record(lead, [Change(key, MoveState.DONE)], NOW)


def test_changes_are_written_all_or_none(book: Ledger) -> None:
    lead = begun(book)
    book.intend(lead, FIRST, NOW, free)
    with pytest.raises(IllegalTransition):
        book.record(lead, [Change(FIRST.key, MoveState.DONE), Change(SECOND.key, MoveState.DONE)], NOW)
    assert book.states("tiny", "plan-1") == {"m0001": MoveState.INTENDED}
