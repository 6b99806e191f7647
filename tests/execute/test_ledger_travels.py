"""Where VMs have been, as every ledger keeps it: our own moves by attempt, and moves by others; in every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING

import pytest

from optimizer.errors import SafetyStop
from optimizer.execute.ledger.records import Change, FlyingMove
from optimizer.execute.ledger.watch_records import Seen
from optimizer.execute.states import Failure, MoveState, RunState
from tests.execute.ledger_rows import imbalance
from tests.execute.plans import plan_of
from tests.execute.test_ledger import FLEET, ORDER, free

if TYPE_CHECKING:
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Lead

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def begun(book: Ledger, driver: str = "libvirt", name: str = "plan-1") -> Lead:
    lead = book.lead("tiny", "test", NOW)
    book.begin(lead, plan_of(FLEET, id=name), ORDER, NOW, driver=driver)
    return lead


def attempt(
    book: Ledger, lead: Lead, move: FlyingMove, start: float, end: float, how: MoveState, *, abort: bool = False
) -> None:
    """Carry one attempt out, from `start` to `end` in minutes."""
    assert book.intend(lead, move, at(start), free) is None
    book.submit(lead, move.key, at(start), lambda: (Change(move.key, MoveState.ACCEPTED), "job"))
    if abort:
        book.abort(lead, move.key, "asked to", at(start), lambda: None)
    failure = Failure.TEMPORARY if how is MoveState.FAILED else None
    book.record(lead, [Change(move.key, how, "", failure)], at(end))


def flying(vm: str, source: str, target: str, *, move: str = "m0001", plan: str = "plan-1", n: int = 1) -> FlyingMove:
    return FlyingMove(plan, move, vm, source, target, MoveState.INTENDED, 1000, n)


def known(book: Ledger, since: datetime = NOW, vm: str | None = None) -> list[tuple[str, str, str, str, str]]:
    return [(t.vm, t.source, t.target, t.outcome, t.by) for t in book.travels("tiny", since, vm=vm)]


def test_every_attempt_is_a_travel(book: Ledger) -> None:
    lead = begun(book)
    one = flying("v0", "h0", "h8")
    attempt(book, lead, one, 1, 2, MoveState.FAILED)
    attempt(book, lead, replace(one, attempt=2), 3, 4, MoveState.FAILED, abort=True)
    attempt(book, lead, replace(one, attempt=3), 5, 6, MoveState.DONE)
    attempt(book, lead, flying("v1", "h1", "h9", move="m0002"), 2, 5, MoveState.DONE)
    first, second, other, third = book.travels("tiny", NOW)
    assert [t.outcome for t in (first, second, third)] == ["failed", "aborted", "done"]
    assert [t.attempt for t in (first, second, third)] == [1, 2, 3]
    assert [(t.started_at, t.ended_at) for t in (first, third)] == [(at(1), at(2)), (at(5), at(6))]
    assert (other.vm, third.plan, third.move, third.by, third.driver) == ("v1", "plan-1", "m0001", "remora", "libvirt")
    assert known(book, at(5), vm="v0") == [("v0", "h0", "h8", "done", "remora")]
    assert book.travels("tiny", at(6))[0].started_at == at(5)
    assert known(book, vm="v7") == []


def test_what_was_taken_back_or_skipped_is_no_travel(book: Ledger) -> None:
    lead = begun(book)
    one = flying("v0", "h0", "h8")
    book.intend(lead, one, at(1), free)
    book.withdraw(lead, one.key, "the button", at(2))
    book.skip(lead, [(flying("v1", "h1", "h9", move="m0002"), "not now")], at(2))
    assert known(book) == []


def test_a_refusal_is_a_failure(book: Ledger) -> None:
    lead = begun(book)
    one = flying("v0", "h0", "h8")
    book.intend(lead, one, at(1), free)
    book.record(lead, [Change(one.key, MoveState.FAILED, "no such VM", Failure.PERMANENT)], at(1))
    assert known(book) == [("v0", "h0", "h8", "failed", "remora")]


def test_a_vm_that_is_elsewhere_was_moved_by_others(book: Ledger) -> None:
    assert book.see_placements("tiny", {"v0": "h0", "v1": "h1"}, at(0), by="test") == ()
    (seen,) = book.see_placements("tiny", {"v0": "h5", "v1": "h1"}, at(10), by="test")
    assert (seen.vm, seen.source, seen.target, seen.outcome, seen.by) == ("v0", "h0", "h5", "done", "other")
    assert (seen.started_at, seen.ended_at) == (at(0), at(10))
    assert book.see_placements("tiny", {"v0": "h5", "v1": "h1"}, at(20), by="test") == ()
    assert book.travels("tiny", NOW) == (seen,)
    assert [e.state for e in book.events("tiny")] == ["moved by others"]
    assert book.audit().faults == ()


def test_an_old_snapshot_says_nothing_new(book: Ledger) -> None:
    book.see_placements("tiny", {"v0": "h0"}, at(10), by="test")
    for minutes in (5, 10):
        assert book.see_placements("tiny", {"v0": "h5"}, at(minutes), by="test") == ()
    assert book.see_placements("tiny", {"v0": "h0"}, at(11), by="test") == ()


def test_a_vm_that_an_inventory_misses_is_remembered_for_two_days(book: Ledger) -> None:
    book.see_placements("tiny", {"v0": "h0", "v1": "h1"}, at(0), by="test")
    book.see_placements("tiny", {}, at(10), by="test")
    book.see_placements("tiny", {}, at(20), by="test")
    (seen,) = book.see_placements("tiny", {"v0": "h5"}, at(30), by="test")
    assert (seen.started_at, seen.ended_at) == (at(10), at(30))
    book.see_placements("tiny", {"v0": "h5"}, at(3000), by="test")
    assert book.see_placements("tiny", {"v0": "h5", "v1": "h9"}, at(3010), by="test") == ()


def test_our_own_moves_explain_where_a_vm_is(book: Ledger) -> None:
    lead = begun(book)
    book.see_placements("tiny", {"v0": "h0", "v1": "h1"}, at(0), by="test")
    attempt(book, lead, flying("v0", "h0", "h8"), 1, 2, MoveState.DONE)
    assert book.see_placements("tiny", {"v0": "h8", "v1": "h1"}, at(10), by="test") == ()
    attempt(book, lead, flying("v1", "h7", "h9", move="m0002"), 15, 16, MoveState.DONE)
    before, after = book.see_placements("tiny", {"v0": "h8", "v1": "h3"}, at(20), by="test")
    assert (before.source, before.target, before.started_at, before.ended_at) == ("h1", "h7", at(10), at(15))
    assert (after.source, after.target, after.started_at, after.ended_at) == ("h9", "h3", at(16), at(20))


def test_a_vm_under_way_is_looked_at_when_it_has_arrived(book: Ledger) -> None:
    lead = begun(book)
    one = flying("v0", "h0", "h8")
    book.see_placements("tiny", {"v0": "h0"}, at(0), by="test")
    book.intend(lead, one, at(1), free)
    assert book.see_placements("tiny", {"v0": "h8"}, at(2), by="test") == ()
    book.submit(lead, one.key, at(1), lambda: (Change(one.key, MoveState.ACCEPTED), "job"))
    book.record(lead, [Change(one.key, MoveState.DONE)], at(4))
    assert book.see_placements("tiny", {"v0": "h8"}, at(3), by="test") == ()  # taken before its end was seen
    assert book.see_placements("tiny", {"v0": "h8"}, at(5), by="test") == ()
    assert [t.by for t in book.travels("tiny", NOW)] == ["remora"]


def test_a_simulated_move_explains_nothing(book: Ledger) -> None:
    lead = begun(book, "simulated")
    book.see_placements("tiny", {"v0": "h0"}, at(0), by="test")
    attempt(book, lead, flying("v0", "h0", "h8"), 1, 2, MoveState.DONE)
    assert book.see_placements("tiny", {"v0": "h8"}, at(5), by="test", simulated=True) == ()
    assert len(book.see_placements("tiny", {"v0": "h0"}, at(6), by="test")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_every_change_of_host_is_explained_once(book: Ledger, seed: int) -> None:
    """A random life: what a fleet has done is what the ledger tells, ours and others', however snapshots fall."""
    random = Random(seed)
    hosts, lead = [f"h{i}" for i in range(12)], begun(book)
    place = {f"v{i}": f"h{i}" for i in range(4)}
    book.see_placements("tiny", dict(place), at(0), by="test")
    true: list[tuple[str, str, str, str]] = []
    jumps: dict[str, str] = {}  # where others took a VM from since it was seen last
    minute = 1.0
    for step in range(40):
        vm = random.choice(sorted(place))
        target = random.choice([h for h in hosts if h != place[vm]])
        what = random.random()
        if what < 0.35:
            attempt(book, lead, flying(vm, place[vm], target, move=f"m{step:04}"), minute, minute + 1, MoveState.DONE)
            _settle(true, jumps, vm, place[vm])
            true.append((vm, place[vm], target, "remora"))
            place[vm] = target
        elif what < 0.6:
            jumps.setdefault(vm, place[vm])
            place[vm] = target
        else:
            for one in sorted(place):
                _settle(true, jumps, one, place[one])
            book.see_placements("tiny", dict(place), at(minute + 1), by="test")
        minute += 2
    for one in sorted(place):
        _settle(true, jumps, one, place[one])
    book.see_placements("tiny", dict(place), at(minute), by="test")
    book.end(lead, "plan-1", RunState.DONE, at(minute))
    told = [(t.vm, t.source, t.target, t.by) for t in book.travels("tiny", NOW)]
    assert sorted(told) == sorted(true)
    assert book.audit().faults == ()


def _settle(true: list[tuple[str, str, str, str]], jumps: dict[str, str], vm: str, here: str) -> None:
    """What others did between two sightings is one travel, or none where they brought it back."""
    source = jumps.pop(vm, here)
    if source != here:
        true.append((vm, source, here, "other"))


@pytest.mark.parametrize("hours", [-11, 2, 14])
def test_snapshots_of_any_offset_are_in_the_order_of_their_times(book: Ledger, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    for minutes, host in enumerate(("h0", "h1", "h2")):
        moment = at(minutes).astimezone(zone if minutes % 2 else UTC)
        book.see_placements("tiny", {"v0": host}, moment, by="test")
        book.watch("tiny", moment, lambda _: Seen((imbalance(state="open", seen_at=moment),)), by="test")  # noqa: B023
    assert [t.ended_at for t in book.travels("tiny", at(0).astimezone(zone))] == [at(1), at(2)]
    assert [t.ended_at for t in book.travels("tiny", at(1.5).astimezone(zone))] == [at(2)]
    assert book.see_placements("tiny", {"v0": "h9"}, at(1).astimezone(zone), by="test") == ()
    with pytest.raises(SafetyStop, match="take a new snapshot"):
        book.watch("tiny", at(1).astimezone(zone), lambda _: Seen(), by="test")
    assert book.audit().faults == ()
