"""What the ledger is asked, as functions of an open connection."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from optimizer.execute.ledger.records import EVERY_FLEET, Approval, Control, EventRecord, FlyingMove, MoveRecord, Run
from optimizer.execute.states import OPEN, Failure, MoveState, RunState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optimizer.execute.ledger.database import Connection

__all__ = [
    "approval",
    "controls",
    "events",
    "fleets",
    "holding",
    "in_flight",
    "last_of_gates",
    "move",
    "moves",
    "run",
    "runs",
    "since",
]

STATES = ", ".join(sorted(f"'{s.value}'" for s in OPEN))
FLYING = "plan, move, vm, source, target, state, copied_mib, attempt, epoch, job, intended_at"
MOVE_STATES = {state.value: state for state in MoveState}
RUN = (
    "fleet, plan, state, fleet_digest, policy_digest, driver, moves, ordered_by, reason, approved_by, epoch, "
    "started_at, ended_at"
)


def fleets(db: Connection) -> tuple[str, ...]:
    """Return the fleets that the ledger has heard of."""
    query = "SELECT fleet FROM events UNION SELECT fleet FROM imbalances ORDER BY fleet"
    return tuple(f for (f,) in db.execute(query) if f != EVERY_FLEET)


def run(db: Connection, fleet: str, plan: str) -> Run | None:
    """Return the run of a plan."""
    row = db.execute(f"SELECT {RUN} FROM runs WHERE fleet = ? AND plan = ?", (fleet, plan)).fetchone()
    return None if row is None else _run(row)


def runs(db: Connection, fleet: str | None = None) -> tuple[Run, ...]:
    """Return the runs of a fleet or of all, the latest first."""
    where, values = ("WHERE fleet = ?", (fleet,)) if fleet is not None else ("", ())
    rows = db.execute(f"SELECT {RUN} FROM runs {where} ORDER BY started_at DESC, fleet, plan", values)
    return tuple(_run(row) for row in rows)


def in_flight(db: Connection, fleet: str) -> tuple[FlyingMove, ...]:
    """Return the open moves of a fleet, of whatever plan."""
    query = f"SELECT {FLYING} FROM moves WHERE fleet = ? AND state IN ({STATES}) ORDER BY plan, move"
    return tuple(_flying(row) for row in db.execute(query, (fleet,)))


def since(db: Connection, fleet: str, at: datetime) -> tuple[FlyingMove, ...]:
    """Return the moves of a fleet that were intended after `at`, each once for every such attempt.

    One that was tried, failed and was then skipped counts as what it was: tried.
    """
    query = f"SELECT {FLYING} FROM moves WHERE fleet = ? AND intended_at > ?"
    latest = [_flying(row) for row in db.execute(query, (fleet, at.isoformat()))]
    if all(move.attempt == 1 and move.state is not MoveState.SKIPPED for move in latest):
        return tuple(latest)
    query = (
        "SELECT plan, move, count(*) FROM events"
        " WHERE fleet = ? AND state = 'intended' AND move IS NOT NULL AND at > ? GROUP BY plan, move"
    )
    attempts = {(plan, move): int(n) for plan, move, n in db.execute(query, (fleet, at.isoformat()))}
    least = {m.key: 0 if m.state is MoveState.SKIPPED else 1 for m in latest}
    return tuple(move for move in latest for _ in range(max(least[move.key], attempts.get(move.key, 0))))


def move(db: Connection, fleet: str, plan: str, name: str) -> FlyingMove | None:
    """Return one move of a run."""
    query = f"SELECT {FLYING} FROM moves WHERE fleet = ? AND plan = ? AND move = ?"
    row = db.execute(query, (fleet, plan, name)).fetchone()
    return None if row is None else _flying(row)


def moves(db: Connection, fleet: str, plan: str) -> tuple[MoveRecord, ...]:
    """Return every move of a run that the ledger has heard of."""
    query = f"SELECT {FLYING}, failure, detail, changed_at FROM moves WHERE fleet = ? AND plan = ? ORDER BY move"
    out = []
    for *flying, failure, detail, changed_at in db.execute(query, (fleet, plan)):
        why = Failure(failure) if failure else None
        out.append(MoveRecord(_flying(flying), why, detail, datetime.fromisoformat(changed_at)))
    return tuple(out)


def events(db: Connection, fleet: str, after: int = 0) -> Iterator[EventRecord]:
    """Yield the events of a fleet from the first behind `after` on."""
    query = (
        "SELECT fleet, number, at, plan, move, state, detail, by, epoch, hash FROM events "
        "WHERE fleet = ? AND number > ? ORDER BY number"
    )
    for row in db.execute(query, (fleet, after)):
        yield EventRecord(*row)


def last_of_gates(db: Connection, fleet: str, plan: str) -> EventRecord | None:
    """Return the last event of a run's gates."""
    query = (
        "SELECT fleet, number, at, plan, move, state, detail, by, epoch, hash FROM events "
        "WHERE fleet = ? AND plan = ? AND state IN ('gate open', 'gate closed') ORDER BY number DESC LIMIT 1"
    )
    row = db.execute(query, (fleet, plan)).fetchone()
    return None if row is None else EventRecord(*row)


def controls(db: Connection, *fleets: str) -> dict[str, Control]:
    """Return what holds for fleets, by name; of two with one name that of the fleet whose name sorts last."""
    query = "SELECT fleet, name, value, at, by, reason FROM controls WHERE fleet IN ({}) ORDER BY fleet"
    return {
        name: Control(fleet, name, value, datetime.fromisoformat(at), by, reason)
        for fleet, name, value, at, by, reason in db.execute(query.format(", ".join("?" * len(fleets))), fleets)
    }


def holding(db: Connection, fleet: str) -> dict[str, Control]:
    """Return what holds for a fleet, by name: its own controls, and where it has none those of every fleet.

    The name of every fleet is empty, so its controls come first, and a fleet's own take their place.
    """
    return controls(db, EVERY_FLEET, fleet)


def approval(db: Connection, fleet: str, plan: str) -> Approval | None:
    """Return the approval of a plan."""
    query = "SELECT fleet, plan, digest, at, by, reason FROM approvals WHERE fleet = ? AND plan = ?"
    row = db.execute(query, (fleet, plan)).fetchone()
    if row is None:
        return None
    of, name, digest, at, by, reason = row
    return Approval(of, name, digest, datetime.fromisoformat(at), by, reason)


def _flying(row: Sequence[Any]) -> FlyingMove:
    plan, move, vm, source, target, state, copied, attempt, epoch, job, at = row
    at = datetime.fromisoformat(at)
    return FlyingMove(plan, move, vm, source, target, MOVE_STATES[state], copied, attempt, epoch, job, at)


def _run(row: Sequence[object]) -> Run:
    fleet, plan, state, fleet_digest, policy_digest, driver, count, by, reason, approved, epoch, started, ended = row
    return Run(
        str(fleet),
        str(plan),
        RunState(state),
        str(fleet_digest),
        str(policy_digest),
        str(driver),
        int(str(count)),
        str(by),
        str(reason),
        str(approved),
        int(str(epoch)),
        datetime.fromisoformat(str(started)),
        None if ended is None else datetime.fromisoformat(str(ended)),
    )
