"""The ledger's travels become history: nothing twice, nothing lost, however much the snapshot knows already."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from constraints.journey import CoolDown, Journey, Within
from optimizer.execute.journeys import (
    MEET_S,
    JourneysPart,
    as_remembered,
    held_counts,
    merged,
    only_in,
    past_of,
    with_history,
)
from optimizer.execute.ledger.watch_records import Travel
from optimizer.execute.states import MoveState
from optimizer.fleet import Move, MoveOutcome, PastMove, State
from optimizer.problem.atoms import Fixed
from tests import build
from tests.execute.plans import line_fleet
from tests.execute.test_ledger_travels import attempt, begun, flying

if TYPE_CHECKING:
    from optimizer.execute.ledger import Ledger

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLEET = replace(line_fleet(), taken_at=NOW + timedelta(hours=1), digest="sha256:snapshot")
HOSTS = ("h0", "h1", "h2", "h3")


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def travel(start: float, end: float, outcome: str = "done", by: str = "remora", **more: str) -> Travel:
    ends = {"source": "h0", "target": "h1"} | more
    return Travel("v0", ends["source"], ends["target"], at(start), at(end), outcome, by)


def seen(start: float, end: float, outcome: str = "done", by: str = "nova", **more: str) -> PastMove:
    return replace(past_of(travel(start, end, outcome, by, **more)), by=by)


def known(moves: tuple[PastMove, ...]) -> list[tuple[str, str]]:
    return [(move.outcome.value, move.by) for move in moves]


def test_the_same_move_counts_once() -> None:
    history = (seen(1, 2),)
    assert merged(history, [travel(1.2, 2.4)]) == history
    assert merged(history, [travel(1 - 0.5, 1 - 0.1)]) == history  # clocks apart
    assert known(merged(history, [travel(10, 11)])) == [("done", "nova"), ("done", "remora")]
    assert known(merged(history, [travel(1, 2, target="h2")])) == [("done", "nova"), ("done", "remora")]
    assert known(merged(history, [travel(1, 2, "failed")])) == [("failed", "remora"), ("done", "nova")][::-1]


def test_a_record_stands_for_one_attempt() -> None:
    attempts = [travel(1, 2, "failed"), travel(2.1, 3, "failed"), travel(3.1, 4, "failed")]
    assert known(merged((seen(2.1, 3, "failed"),), attempts)) == [
        ("failed", "remora"),
        ("failed", "nova"),
        ("failed", "remora"),
    ]


def test_what_we_aborted_is_no_failure_whatever_the_platform_says() -> None:
    assert known(merged((seen(1, 2, "failed"),), [travel(1, 2, "aborted")])) == [("aborted", "nova")]


def test_where_the_snapshot_knows_what_others_did_it_knows_better() -> None:
    ours = [travel(0, 10, by="other", target="h3")]
    history = (seen(2, 3, target="h2"), seen(5, 6, source="h2", target="h3"))
    assert merged(history, ours) == history
    assert known(merged((seen(20, 21),), ours)) == [("done", "other"), ("done", "nova")]


def test_only_in_the_snapshot() -> None:
    history = (seen(1, 2), seen(30, 31), seen(60, 61, by="remora"))
    assert only_in(history, [travel(1, 2), travel(60, 61)]) == history[1:2]


@pytest.mark.parametrize("seed", range(30))
def test_nothing_twice_and_nothing_lost(seed: int) -> None:
    """True attempts far enough apart; snapshot and ledger each know some, by clocks that are apart."""
    random = Random(seed)
    true: list[tuple[str, str, str, float, str, str]] = []
    history, travels = [], []
    for vm in ("v0", "v1", "v2"):
        minute, here = 0.0, random.choice(HOSTS)
        for _ in range(random.randint(0, 8)):
            minute += random.uniform(10, 60)
            target = random.choice([h for h in HOSTS if h != here])
            lasts, outcome = random.uniform(0.5, 4), random.choice(["done", "failed", "aborted"])
            by = random.choice(["remora", "nova"])
            in_snapshot, in_ledger = random.random() < 0.5, by == "remora" and random.random() < 0.8
            if in_snapshot:
                skew = random.uniform(-MEET_S, MEET_S) / 60
                told = "failed" if outcome == "aborted" and in_ledger else outcome
                one = seen(minute + skew, minute + lasts + skew, told, by, source=here, target=target)
                history.append(replace(one, vm=vm))
            if in_ledger:
                one_ = travel(minute, minute + lasts, outcome, source=here, target=target)
                travels.append(replace(one_, vm=vm))
            if in_snapshot or in_ledger:
                true.append((vm, here, target, minute, outcome, by))
            if outcome == "done":
                here = target
    random.shuffle(history)
    random.shuffle(travels)
    found = merged(tuple(history), travels)
    assert sorted((m.vm, m.source, m.target, m.outcome.value, m.by) for m in found) == sorted(
        (vm, source, target, outcome, by) for vm, source, target, _, outcome, by in true
    )
    if len(found) > len(history):
        assert [m.ended_at for m in found] == sorted(m.ended_at for m in found)
    assert merged(found, travels) == found


def test_the_loop_is_closed(book: Ledger) -> None:
    """What the executor did holds a VM at the next planning: by the rule's `check` and by its atoms."""
    lead = begun(book)
    attempt(book, lead, flying("v0", "h0", "h8"), 40, 50, MoveState.DONE)
    whole = with_history(FLEET, book)
    assert [(m.vm, m.source, m.target, m.outcome, m.by) for m in whole.history] == [
        ("v0", "h0", "h8", MoveOutcome.DONE, "remora")
    ]
    assert whole.digest != FLEET.digest
    rule = Journey(cool_down=CoolDown())
    (fixed,) = rule.lower(whole)
    assert isinstance(fixed, Fixed)
    assert fixed.vms.tolist() == [0]
    assert [v.reason for v in rule.check(State.start(whole).begin([Move(0, 0, 5)]))] == ["cool_down"]
    assert not list(rule.lower(FLEET))


def test_what_ended_after_the_snapshot_does_not_count(book: Ledger) -> None:
    lead = begun(book)
    attempt(book, lead, flying("v0", "h0", "h8"), 58, 61, MoveState.DONE)
    assert with_history(FLEET, book) is FLEET
    later = replace(FLEET, taken_at=at(61))
    assert len(with_history(later, book).history) == 1
    assert with_history(later, book).digest == with_history(later, book).digest


def test_a_rehearsal_does_not_count_for_a_real_fleet(book: Ledger) -> None:
    lead = begun(book, "simulated")
    attempt(book, lead, flying("v0", "h0", "h8"), 40, 50, MoveState.DONE)
    assert with_history(FLEET, book) is FLEET
    assert len(with_history(replace(FLEET, simulated=True), book).history) == 1
    assert len(with_history(FLEET, book, simulated=True).history) == 1


def test_moves_by_others_count(book: Ledger) -> None:
    book.see_placements("tiny", {"v0": "h5"}, at(10), by="test")
    book.see_placements("tiny", {"v0": "h0"}, at(50), by="test")
    whole = with_history(FLEET, book)
    assert [(m.source, m.target, m.by) for m in whole.history] == [("h5", "h0", "other")]
    state = State.start(whole).begin([Move(0, 0, 5)])
    assert [v.reason for v in Journey(cool_down=CoolDown()).check(state)] == ["cool_down"]


def test_how_many_each_filter_holds(book: Ledger) -> None:
    lead = begun(book)
    attempt(book, lead, flying("v0", "h0", "h8"), 40, 50, MoveState.DONE)
    attempt(book, lead, flying("v1", "h1", "h9", move="m0002"), 50, 55, MoveState.DONE)
    rules = (Journey(cool_down=CoolDown(), bouncing=Within(times=1, within_s=450)), build.policy("capacity").rules[0])
    whole = as_remembered(FLEET, book, JourneysPart())
    assert held_counts(rules, whole) == {"bouncing": 1, "cool_down": 2}
    assert as_remembered(FLEET, book, JourneysPart(from_ledger=False)) is FLEET
    assert held_counts(rules, FLEET) == {}
