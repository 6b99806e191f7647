"""The cycles in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.service.record import Cycle, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.watch_records import Cycle as Row

__all__ = ["LedgerBook"]

RECENT = 20
"""Cycles among which open ones are looked for: one process has one open at most."""


class LedgerBook:
    """Writes cycles to a ledger, and reads them.

    Whoever begins one has the lease, so all that are open were cut off.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(self, cycle: Cycle) -> int:
        """Write down that a cycle begins."""
        for row in self._ledger.cycles(cycle.fleet, RECENT):
            if row.ended_at is None:
                said = "its process ended without a word"
                self._ledger.end_cycle(cycle.fleet, row.number, Outcome.LOST.value, cycle.started_at, detail=said)
        return self._ledger.begin_cycle(cycle.fleet, cycle.trigger, cycle.started_at, by=cycle.by)

    def end(self, cycle: Cycle) -> None:
        """Write down how it ended."""
        assert cycle.ended_at is not None
        self._ledger.end_cycle(
            cycle.fleet,
            cycle.number,
            cycle.outcome.value,
            cycle.ended_at,
            plan=cycle.plan or None,
            counts=dict(cycle.counts),
            detail=cycle.detail,
        )

    def cycles(self, fleet: str, last: int | None = None) -> Sequence[Cycle]:
        """Return the cycles of a fleet, the latest first."""
        return tuple(_cycle(row) for row in self._ledger.cycles(fleet, last))


def _cycle(row: Row) -> Cycle:
    outcome = Outcome(row.outcome) if row.ended_at is not None else Outcome.RUNNING
    return Cycle(
        fleet=row.fleet,
        number=row.number,
        trigger=row.trigger,
        by=row.by,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=outcome,
        plan=row.plan or "",
        counts=row.counts,
        detail=row.detail,
        epoch=row.epoch,
    )
