"""What every ledger keeps between the cycles of the periodic run: cycles, imbalances, evidence; in every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from optimizer.errors import LeaseLost
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.imbalances import FOLLOWS
from optimizer.execute.ledger.watch_records import Seen
from optimizer.execute.states import IllegalTransition
from tests.execute.ledger_rows import imbalance, pair

if TYPE_CHECKING:
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Lead

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STATES = ("pending", "open", "closing", "closed")


def at(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def see(book: Ledger, *kept, minutes: int = 0, dropped: tuple[str, ...] = (), lead: Lead | None = None) -> None:
    book.watch("tiny", at(minutes), lambda _: Seen(kept, dropped), by="test", lead=lead)


def told(book: Ledger) -> list[str]:
    return [e.state for e in book.events("tiny") if e.state != "leader"]


def test_every_cycle_is_accounted_for(book: Ledger, place: str) -> None:
    assert book.begin_cycle("tiny", "interval", at(0), by="a") == 1
    book.end_cycle("tiny", 1, "planned", at(1), plan="plan-1", counts={"moves": 3, "gap": 0.5}, detail="3 moves")
    assert book.begin_cycle("tiny", "imbalance", at(5), by="a") == 2
    with open_ledger(place) as after_a_crash:
        assert after_a_crash.begin_cycle("tiny", "interval", at(10), by="a") == 3
        third, second, first = after_a_crash.cycles("tiny")
    assert (first.trigger, first.outcome, first.plan, first.detail) == ("interval", "planned", "plan-1", "3 moves")
    assert (first.started_at, first.ended_at, dict(first.counts)) == (at(0), at(1), {"moves": 3, "gap": 0.5})
    assert (second.outcome, second.ended_at) == ("lost", at(10))
    assert (third.outcome, third.ended_at, third.by) == ("", None, "a")
    assert [c.number for c in book.cycles("tiny", last=2)] == [3, 2]
    assert told(book) == ["cycle begun", "cycle ended", "cycle begun", "cycle ended", "cycle begun"]
    assert book.audit().faults == ()
    assert book.fleets() == ("tiny",)


def test_a_cycle_of_another_replica_goes_on_unless_a_leader_comes(book: Ledger) -> None:
    book.begin_cycle("tiny", "interval", at(0), by="a")
    book.begin_cycle("tiny", "interval", at(0), by="b")
    assert [c.outcome for c in book.cycles("tiny")] == ["", ""]
    lead = book.lead("tiny", "c", at(1))
    book.begin_cycle("tiny", "interval", at(1), by="c", lead=lead)
    assert [(c.outcome, c.epoch) for c in book.cycles("tiny")] == [("", 1), ("lost", 1), ("lost", 1)]
    assert book.audit().faults == ()


def test_a_cycle_ends_once_and_only_if_it_began(book: Ledger) -> None:
    with pytest.raises(IllegalTransition, match="has not begun"):
        book.end_cycle("tiny", 1, "done", at(0))
    book.end_cycle("tiny", book.begin_cycle("tiny", "interval", at(0), by="a"), "done", at(0))
    with pytest.raises(IllegalTransition, match=r"has ended \(done\)"):
        book.end_cycle("tiny", 1, "failed", at(0))
    assert [c.outcome for c in book.cycles("tiny")] == ["done"]


def test_cycles_of_fleets_are_numbered_apart(book: Ledger) -> None:
    assert [book.begin_cycle(fleet, "interval", at(0), by="a") for fleet in ("x", "y", "x")] == [1, 1, 2]
    assert book.cycles("z") == ()


def test_an_old_leader_writes_nothing(book: Ledger) -> None:
    old = book.lead("tiny", "old", at(0))
    number = book.begin_cycle("tiny", "interval", at(0), by="old", lead=old)
    book.release(old)
    book.lead("tiny", "new", at(1))
    before = book.events("tiny")
    with pytest.raises(LeaseLost):
        book.begin_cycle("tiny", "interval", at(2), by="old", lead=old)
    with pytest.raises(LeaseLost):
        book.end_cycle("tiny", number, "done", at(2), lead=old)
    with pytest.raises(LeaseLost):
        see(book, imbalance(state="open"), lead=old)
    with pytest.raises(LeaseLost):
        book.write_evidence([pair()], at(2), by="old", lead=old)
    with pytest.raises(LeaseLost):
        book.drop_evidence([pair()], at(2), by="old", lead=old)
    assert (book.events("tiny"), book.imbalances("tiny"), book.evidence("tiny")) == (before, (), ())


def test_an_imbalance_is_kept_from_first_to_last(book: Ledger, place: str) -> None:
    one = imbalance()
    for minutes, state in enumerate(("pending", "pending", "open", "open", "closing", "open", "closing", "closed")):
        see(book, replace(one, state=state, seen_at=at(minutes), evidence={"value": minutes}), minutes=minutes)
        with open_ledger(place) as again:
            (found,) = again.imbalances("tiny", every=True)
        assert (found.state, found.seen_at, found.evidence) == (state, at(minutes), {"value": minutes})
        assert found.machine == {"bad": 3}
    assert (found.since, found.opened_at, found.closed_at, found.changed_at) == (NOW, at(2), at(7), at(7))
    assert told(book) == [f"imbalance {s}" for s in ("open", "closing", "open", "closing", "closed")]
    assert book.imbalances("tiny") == ()
    assert book.audit().faults == ()


def test_a_pending_one_that_came_to_nothing_leaves_no_trace(book: Ledger) -> None:
    see(book, imbalance())
    assert book.fleets() == ("tiny",)
    see(book, dropped=("imb-1",))
    assert (book.imbalances("tiny", every=True), told(book)) == ((), [])
    assert book.audit().faults == ()


@pytest.mark.parametrize("was", [None, *STATES])
@pytest.mark.parametrize("state", STATES)
def test_only_what_the_table_allows_is_written(book: Ledger, was: str | None, state: str) -> None:
    if was in ("closing", "closed"):
        see(book, imbalance(state="open"))
    if was is not None:
        see(book, imbalance(state=was))
    before = book.imbalances("tiny", every=True)
    if state in FOLLOWS[was]:
        see(book, imbalance(state=state))
        assert [i.state for i in book.imbalances("tiny", every=True)] == [state]
    else:
        with pytest.raises(IllegalTransition, match=f"cannot become {state}"):
            see(book, imbalance(state=state))
        assert book.imbalances("tiny", every=True) == before
    assert book.audit().faults == ()


def test_only_a_pending_one_can_be_dropped_and_all_or_nothing_is_written(book: Ledger) -> None:
    see(book, imbalance(state="open"))
    before = book.imbalances("tiny")
    with pytest.raises(IllegalTransition, match="not pending"):
        see(book, imbalance("imb-2", "h4"), dropped=("imb-1",))
    with pytest.raises(IllegalTransition):
        see(book, imbalance("imb-2", "h4"), imbalance(state="pending"))
    assert book.imbalances("tiny") == before


def test_two_watchers_step_one_after_the_other(book: Ledger, place: str) -> None:
    """The second sees what the first has written, in its own transaction."""
    seen: list[int] = []
    for _ in range(2):
        with open_ledger(place) as other:

            def step(live: tuple) -> Seen:
                seen.append(len(live))
                return Seen() if live else Seen((imbalance(state="open"),))

            other.watch("tiny", NOW, step, by="test")
    assert seen == [0, 1]
    assert [i.subject for i in book.imbalances("tiny")] == ["h3"]


def test_evidence_is_kept_pair_by_pair(book: Ledger) -> None:
    assert book.write_evidence([], at(0), by="a") == 0
    assert book.write_evidence([pair(), pair("v8")], at(0), by="a") == 2
    assert book.write_evidence([pair(), pair("v8", state="confirmed", fall=0.4)], at(1), by="a") == 1
    eighth, ninth = book.evidence("tiny")
    assert (eighth.noisy, eighth.state, eighth.record, eighth.changed_at) == (
        "v8",
        "confirmed",
        {"score": 0.06, "fall": 0.4},
        at(1),
    )
    assert (ninth.noisy, ninth.suffers, ninth.kind, ninth.changed_at) == ("v9", "v0", "io", at(0))
    book.drop_evidence([eighth, pair("v7")], at(2), by="a")
    assert book.evidence("tiny") == (ninth,)
    assert told(book) == ["evidence seen", "evidence seen", "evidence confirmed", "evidence dropped"]
    assert book.audit().faults == ()


@pytest.mark.parametrize("text", ["\u00fc \u6f22 \U0001f41f", "' OR 1 = 1 --", "<b>%s ?</b>", "a\nb"])
def test_any_text_is_kept_as_it_is(book: Ledger, text: str) -> None:
    book.end_cycle("tiny", book.begin_cycle("tiny", text, at(0), by=text), text, at(0), detail=text)
    see(book, imbalance(subject=text, state="open"))
    book.write_evidence([pair(text, text)], at(0), by=text)
    (cycle,), (one,), (held,) = book.cycles("tiny"), book.imbalances("tiny"), book.evidence("tiny")
    assert {cycle.trigger, cycle.by, cycle.outcome, cycle.detail, one.subject, held.noisy, held.suffers} == {text}
    assert book.audit().faults == ()


def test_a_number_that_is_not_finite_is_refused(book: Ledger) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        see(book, imbalance(state="open", evidence={"value": float("nan")}))
    assert book.imbalances("tiny") == ()
