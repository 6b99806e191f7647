"""What the ledger keeps between the cycles of the periodic run, as plain data: imbalances, cycles, evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["CLOSED", "PENDING", "Cycle", "Evidence", "Imbalance", "Seen", "Travel"]

PENDING, CLOSED = "pending", "closed"


@dataclass(frozen=True, slots=True)
class Imbalance:
    """Something that a monitor watches and that is not well, or was not.

    Attributes
    ----------
    id
        What it is known by, from the first reading that was bad until long after it closed.
    monitor, subject
        Which monitor sees it, and of what (a host, a VM, a group). At most one imbalance of both is not closed.
    place
        Where it is, where that is not the subject: ``host h3``, ``rack:r1``.
    state
        pending, open, closing or closed. A pending one is not an imbalance yet: it is kept so that a restart does not
        forget since when the readings are bad, it has no events, and it goes without a trace if they become good.
    since
        The first bad reading.
    opened_at, closed_at, changed_at
        When it first opened, when it closed, when its state changed last.
    seen_at
        The last reading, good, bad or missing.
    evidence
        The last reading that was judged: values, limits, units. Plain JSON.
    machine
        What the monitor has to remember. Plain JSON; only `optimizer.monitors` reads it.
    epoch
        The epoch of the leader that wrote its last change; 0 where nobody led.
    """

    fleet: str
    id: str
    monitor: str
    subject: str
    place: str
    state: str
    since: datetime
    opened_at: datetime | None
    closed_at: datetime | None
    changed_at: datetime
    seen_at: datetime
    evidence: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of imbalances: `kept` are new or changed, `dropped` are ids of pending ones that came to nothing."""

    kept: tuple[Imbalance, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cycle:
    """One turn of the periodic run.

    Attributes
    ----------
    number
        Counts from 1 within a fleet.
    trigger
        What started it, in a word or two: ``interval``, ``signal``, ``imbalance``, ``request``.
    by
        Who ran it.
    ended_at
        None while it runs, or where it was cut off and nobody has noticed yet.
    outcome
        How it ended, in one word; empty while it runs; `Cycle.LOST` where it was cut off.
    plan
        The id of the plan that it made.
    counts
        What it counted: moves, violations, imbalances. Plain JSON, a number each.
    """

    fleet: str
    number: int
    trigger: str
    by: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    plan: str | None
    counts: Mapping[str, int | float]
    detail: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is held of a pair: who makes the noise, who suffers, and of what kind it is.

    `state` is a word, `record` plain JSON; both belong to `optimizer.signals.interference`.
    """

    fleet: str
    noisy: str
    suffers: str
    kind: str
    state: str
    record: Mapping[str, Any]
    changed_at: datetime
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Travel:
    """One attempt to move a VM that has ended, by us or by others.

    Attributes
    ----------
    started_at
        When it was intended; for a move by others the last time that the VM was seen on `source`.
    ended_at
        When its end was seen.
    outcome
        done, failed or aborted.
    by
        ``remora``, or ``other``: it was seen from one snapshot to the next, and no move of ours explains it.
    plan, move, attempt
        What it is in the ledger; empty and 0 for a move by others.
    driver
        What carried it out (`records.recorded_driver`).
    """

    vm: str
    source: str
    target: str
    started_at: datetime
    ended_at: datetime
    outcome: str
    by: str
    plan: str = ""
    move: str = ""
    attempt: int = 0
    driver: str = ""
    detail: str = ""
