"""The lease of the cycles, in each database: one has it, and it keeps nobody from acting by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.opening import is_address
from optimizer.service import lease as leases
from optimizer.service.lease import LedgerLease

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_one_has_it_until_it_gives_it_back(place: str) -> None:
    one, other = LedgerLease(place, "one"), LedgerLease(place, "other")
    assert one.take("tiny") == ""
    assert one.keep()
    assert "one" in other.take("tiny")
    assert not other.keep()
    assert other.take("another fleet") == ""
    other.release()
    one.release()
    assert not one.keep()
    assert other.take("tiny") == ""
    assert other.epoch > one.epoch
    other.release()


def test_it_keeps_nobody_from_acting_and_is_no_event_of_the_fleet(place: str) -> None:
    lease = LedgerLease(place, "one")
    assert lease.take("tiny") == ""
    with open_ledger(place) as ledger:
        lead = ledger.lead("tiny", "ann", NOW)
        ledger.release(lead)
        assert ledger.fleets() == ("tiny",)
        assert [event.by for event in ledger.events("tiny")] == ["ann"]
        assert ledger.cycle_lease.holder("tiny") == "one"
        assert ledger.audit().faults == ()
    lease.release()


def test_one_that_was_taken_by_another_is_noticed(place: str) -> None:
    if not is_address(place):
        return  # a lock on a file is not taken from a process that lives
    lease = LedgerLease(place, "one", keep_s=0.05)
    assert lease.take("tiny") == ""
    with open_ledger(place) as ledger, ledger._database.writing("cycles of tiny") as db:
        db.execute("UPDATE leaders SET epoch = epoch + 1, holder = 'another' WHERE fleet = ?", ("cycles of tiny",))
    until = time.monotonic() + 10
    while lease.keep() and time.monotonic() < until:
        time.sleep(0.02)
    assert not lease.keep()
    lease.release()


def test_it_lasts_longer_than_the_pauses_between_two_keepings() -> None:
    assert leases.KEEP_S * 2 < leases.LOST_S < 30
