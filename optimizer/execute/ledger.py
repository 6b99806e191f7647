"""The ledger: what was meant to be done, and what came of it. It alone owns the tables below.

One SQLite file remembers the rebalances (executions of plans) of any number of fleets. A rebalance::

    (none) ──begin──> running ──end──> done      every move succeeded
                         │      ├────> failed    some move failed or was skipped
                         │      └────> stopped   a safety stopped it
                         └─ crash: stays running; the plan is refused until a human has looked

and each of its moves::

    (none) ──intend──> intended ──submit──> submitted ──succeed──> done
       │                   └─────fail─────┐     └────────fail────> failed
       └─────skip──────> skipped          └──────────────────────> failed

============  ======================================  =================================================
from          to                                      meaning
============  ======================================  =================================================
(none)        intended, skipped                       about to be submitted; will never be
intended      submitted, failed                       the driver took it; the driver refused it
submitted     done, failed                            seen on the target; seen at its source
done          -                                       aborting never undoes a finished move
failed        -                                       a new plan may try again, this one does not
skipped       -
============  ======================================  =================================================

There is no state for "unknown": a move whose end nobody saw stays where it is and keeps its slots. The intent is
written in the one transaction that also makes sure that nothing else moves the VM and that the caps allow the move;
that a VM is in flight only once is an index of the database, so not even a mistake here could break it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.errors import AlreadyApplied, SafetyStop
from optimizer.execute.store import Store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from types import TracebackType

    from optimizer.plan import Plan, PlannedMove

__all__ = ["LEGAL", "FlyingMove", "IllegalTransition", "Ledger", "MoveState", "RebalanceState"]


class RebalanceState(Enum):
    """How the execution of a plan stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class MoveState(Enum):
    """How one move of a rebalance stands."""

    INTENDED = "intended"
    SUBMITTED = "submitted"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


LEGAL: dict[MoveState | None, frozenset[MoveState]] = {
    None: frozenset({MoveState.INTENDED, MoveState.SKIPPED}),
    MoveState.INTENDED: frozenset({MoveState.SUBMITTED, MoveState.FAILED}),
    MoveState.SUBMITTED: frozenset({MoveState.DONE, MoveState.FAILED}),
    MoveState.DONE: frozenset(),
    MoveState.FAILED: frozenset(),
    MoveState.SKIPPED: frozenset(),
}
"""The table of legal transitions; None is a move that the ledger has not heard of."""


class IllegalTransition(SafetyStop):
    """A move was to pass into a state that it cannot reach: a defect, and nothing was written."""


@dataclass(frozen=True, slots=True)
class FlyingMove:
    """A move that the ledger holds to be in flight: intended or submitted, and no end was seen."""

    plan: str
    move: str
    vm: str
    source: str
    target: str
    state: MoveState


IN_FLIGHT = """
SELECT plan, move, vm, source, target, state FROM moves
WHERE fleet = ? AND state IN ('intended', 'submitted') ORDER BY plan, move
"""
STATE_OF_REBALANCE = "SELECT state FROM rebalances WHERE fleet = ? AND plan = ?"
STATE_OF_MOVE = "SELECT state FROM moves WHERE fleet = ? AND plan = ? AND move = ?"


class Ledger:
    """A ledger in an SQLite file; use `create_or_open` or `peek`, and close it (it is a context manager).

    Every method that writes does so in one transaction of its own, on disk when it returns.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def create_or_open(cls, path: str) -> Ledger:
        """Open the ledger in a file, which is made if there is none.

        Raises
        ------
        InputError
            The file cannot be opened, or is something else than a ledger, or is damaged.
        """
        return cls(Store(path, write=True))

    @classmethod
    def peek(cls, path: str) -> Ledger | None:
        """Open the ledger in a file to read it; writes nothing. None where there is nothing yet.

        Raises
        ------
        InputError
            As for `create_or_open`.
        """
        if not Path(path).exists():
            return None
        return cls(Store(path, write=False))

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def refuse_second(self, plan: Plan) -> None:
        """Refuse a plan that this ledger has seen, and any while a rebalance of its fleet has not ended.

        Raises
        ------
        AlreadyApplied
            The ledger has a rebalance with this plan, ended or not.
        SafetyStop
            Another rebalance of the fleet has not ended.
        """
        with self._store.reading() as db:
            _refuse_second(db, plan)

    def begin(self, plan: Plan, at: datetime) -> None:
        """Write down that the plan is being carried out; raises as `refuse_second` does."""
        with self._store.writing() as db:
            _refuse_second(db, plan)
            db.execute(
                "INSERT INTO rebalances VALUES (?, ?, ?, ?, 'running', ?, NULL)",
                (plan.fleet, plan.id, plan.fleet_digest, plan.policy_digest, at.isoformat()),
            )
            _event(db, plan, None, RebalanceState.RUNNING, at, "")

    def end(self, plan: Plan, state: RebalanceState, at: datetime, detail: str = "") -> None:
        """Write down how the rebalance ended; it cannot end while one of its moves may be in flight."""
        with self._store.writing() as db:
            flying = any(f.plan == plan.id for f in _in_flight(db, plan.fleet))
            changed = db.execute(
                "UPDATE rebalances SET state = ?, ended_at = ? WHERE fleet = ? AND plan = ? AND state = 'running'",
                (state.value, at.isoformat(), plan.fleet, plan.id),
            ).rowcount
            if flying or not changed or state is RebalanceState.RUNNING:
                raise IllegalTransition(f"rebalance {plan.id} cannot become {state.value}")
            _event(db, plan, None, state, at, detail)

    def intend(
        self, plan: Plan, move: PlannedMove, at: datetime, refusal: Callable[[Sequence[FlyingMove]], str | None]
    ) -> str | None:
        """Write down that a move is about to be submitted, unless something speaks against it.

        Parameters
        ----------
        refusal
            Judges the moves of the fleet that are in flight, in the same transaction: None, or why not now.

        Returns
        -------
        str or None
            Why the move may not start now; None where the intent was written.
        """
        with self._store.writing() as db:
            flying = _in_flight(db, plan.fleet)
            if any(f.vm == move.vm for f in flying):
                return f"{move.vm} is in flight"
            reason = refusal(flying)
            if reason is None:
                _pass_into(db, plan, move, MoveState.INTENDED, at)
            return reason

    def record(self, plan: Plan, move: PlannedMove, state: MoveState, at: datetime, detail: str = "") -> None:
        """Write down that a move was submitted, succeeded, failed or was skipped.

        Raises
        ------
        IllegalTransition
            `LEGAL` does not allow it.
        """
        if state is MoveState.INTENDED:
            raise IllegalTransition("an intent is written by `intend`, which looks at the caps")
        with self._store.writing() as db:
            _pass_into(db, plan, move, state, at, detail)

    def in_flight(self, fleet: str) -> tuple[FlyingMove, ...]:
        """Return the moves of a fleet that are in flight, of whatever plan."""
        with self._store.reading() as db:
            return _in_flight(db, fleet)

    def states(self, fleet: str, plan: str) -> dict[str, MoveState]:
        """Return the state of each move of a rebalance that the ledger has heard of."""
        with self._store.reading() as db:
            rows = db.execute("SELECT move, state FROM moves WHERE fleet = ? AND plan = ?", (fleet, plan))
            return {move: MoveState(state) for move, state in rows}

    def rebalance(self, fleet: str, plan: str) -> RebalanceState | None:
        """Return how a rebalance stands; None where the ledger has none with this plan."""
        with self._store.reading() as db:
            row = db.execute(STATE_OF_REBALANCE, (fleet, plan)).fetchone()
            return None if row is None else RebalanceState(row[0])

    def events(self, fleet: str, plan: str) -> tuple[tuple[str | None, str], ...]:
        """Return (move, state) of everything that happened in a rebalance, in order; None for the rebalance itself."""
        with self._store.reading() as db:
            query = "SELECT move, state FROM events WHERE fleet = ? AND plan = ? ORDER BY number"
            return tuple((move, state) for move, state in db.execute(query, (fleet, plan)))


def _refuse_second(db: sqlite3.Connection, plan: Plan) -> None:
    row = db.execute(
        "SELECT plan, state FROM rebalances WHERE fleet = ? AND (plan = ? OR state = 'running') ORDER BY plan <> ?",
        (plan.fleet, plan.id, plan.id),
    ).fetchone()
    if row is None:
        return
    name, state = row
    if state != RebalanceState.RUNNING.value:
        raise AlreadyApplied(f"plan {name} was already applied (ledger: {state}): make a new plan")
    flying = ", ".join(f"{f.move} ({f.vm}: {f.source} to {f.target})" for f in _in_flight(db, plan.fleet)) or "none"
    kind = AlreadyApplied if name == plan.id else SafetyStop
    raise kind(
        f"plan {name} is being applied or was cut off (by the ledger); moves that may be in flight: {flying}. "
        "If nobody is applying it: see where these VMs are, put the ledger aside under another name (it is the "
        "record), take a new snapshot and make a new plan"
    )


def _pass_into(
    db: sqlite3.Connection, plan: Plan, move: PlannedMove, state: MoveState, at: datetime, detail: str = ""
) -> None:
    rebalance = db.execute(STATE_OF_REBALANCE, (plan.fleet, plan.id)).fetchone()
    row = db.execute(STATE_OF_MOVE, (plan.fleet, plan.id, move.id)).fetchone()
    now = None if row is None else MoveState(row[0])
    if rebalance != (RebalanceState.RUNNING.value,) or state not in LEGAL[now]:
        raise IllegalTransition(f"{move.id}: {now.value if now else 'new'} cannot become {state.value}")
    db.execute(
        "INSERT INTO moves VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (fleet, plan, move) DO UPDATE SET state = excluded.state",
        (plan.fleet, plan.id, move.id, move.vm, move.source, move.target, state.value),
    )
    _event(db, plan, move.id, state, at, detail)


def _event(
    db: sqlite3.Connection, plan: Plan, move: str | None, state: MoveState | RebalanceState, at: datetime, detail: str
) -> None:
    db.execute(
        "INSERT INTO events (at, fleet, plan, move, state, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (at.isoformat(), plan.fleet, plan.id, move, state.value, detail),
    )


def _in_flight(db: sqlite3.Connection, fleet: str) -> tuple[FlyingMove, ...]:
    return tuple(
        FlyingMove(plan, move, vm, source, target, MoveState(state))
        for plan, move, vm, source, target, state in db.execute(IN_FLIGHT, (fleet,))
    )
