"""What people and metrics are shown: what is left of the budgets, and what happened last.

Nothing is decided by it: the limits hold in the transaction of an intent.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from optimizer.execute.ledger import queries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from optimizer.execute.ledger.database import Database
    from optimizer.execute.ledger.records import EventRecord
    from optimizer.execution import WindowBudget

__all__ = ["Lately"]

MIB_PER_GIB = 1024


class Lately:
    """The part of a `Ledger` that is only shown."""

    _database: Database

    def budgets_left(
        self, fleet: str, budgets: Iterable[WindowBudget], now: datetime
    ) -> dict[tuple[str, int, str], float]:
        """Return what is left of each budget.

        Returns
        -------
        By (``fleet``, ``source`` or ``target``, window in seconds, ``moves`` or ``gib``); of budgets for each source or
        target the least that is left of any host's.
        """
        left: dict[tuple[str, int, str], float] = {}
        for budget in budgets:
            with self._database.reading() as db:
                used = queries.since(db, fleet, now - timedelta(seconds=budget.window_s))
            counts, mib = Counter[str](), Counter[str]()
            for move in used:
                of = "" if budget.per == "fleet" else str(getattr(move, budget.per))
                counts[of] += 1
                mib[of] += move.copied_mib
            per = budget.per, budget.window_s
            if budget.moves is not None:
                left[*per, "moves"] = max(0.0, float(budget.moves - max(counts.values(), default=0)))
            if budget.gib is not None:
                left[*per, "gib"] = max(0.0, budget.gib - max(mib.values(), default=0) / MIB_PER_GIB)
        return left

    def last_events(self, fleet: str, number: int) -> tuple[EventRecord, ...]:
        """Return the last events of a fleet, in order."""
        with self._database.reading() as db:
            (last,) = db.execute("SELECT max(number) FROM events WHERE fleet = ?", (fleet,)).fetchone()
            return tuple(queries.events(db, fleet, max(0, int(last or 0) - number)))
