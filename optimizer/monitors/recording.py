"""Steps every monitor from what a ledger remembers, and lets the ledger remember what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.monitors.watching import watch_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Lead
    from optimizer.execute.ledger.watch_records import Imbalance, Seen
    from optimizer.monitors.config import MonitorsPart
    from optimizer.monitors.reading import Monitor, Observation
    from optimizer.monitors.watching import Watched

__all__ = ["record"]


def record(
    ledger: Ledger,
    monitors: Sequence[Monitor],
    part: MonitorsPart,
    seen: Observation,
    *,
    by: str,
    lead: Lead | None = None,
) -> Watched:
    """Step every monitor and write what came of it, in one transaction: two watchers go one after the other.

    Raises
    ------
    LeaseLost
        Somebody else leads: nothing was written.
    """
    found: list[Watched] = []

    def step(live: tuple[Imbalance, ...]) -> Seen:
        found[:] = [watch_once(monitors, part, seen, live)]
        return found[0].seen

    ledger.watch(seen.fleet.id, seen.at, step, by=by, lead=lead)
    return found[0]
