"""How runs and moves pass from state to state: the rows and their events, within an open transaction of a leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.errors import AlreadyApplied, SafetyStop
from optimizer.execute.ledger import queries
from optimizer.execute.ledger.chain import append
from optimizer.execute.states import LEGAL, OPEN, IllegalTransition, MoveState, RunState

if TYPE_CHECKING:
    from datetime import datetime

    from optimizer.execute.ledger.database import Connection
    from optimizer.execute.ledger.records import Change, FlyingMove, Key, Lead
    from optimizer.plan import Plan

__all__ = [
    "Pressed",
    "end_run",
    "insert",
    "pass_into",
    "refuse_second",
    "state_of",
    "tell",
    "unpressed",
    "write_intent",
]

STOP, LIMIT = "stop", "limit"


class Pressed(SafetyStop):
    """The button is pressed: nothing may be submitted. `abort`: what is in flight is to be aborted, too."""

    def __init__(self, text: str, *, abort: bool = False) -> None:
        super().__init__(text)
        self.abort = abort


def refuse_second(db: Connection, plan: Plan) -> None:
    """Refuse a plan whose run has ended."""
    run = queries.run(db, plan.fleet, plan.id)
    if run is not None and run.state is not RunState.RUNNING:
        raise AlreadyApplied(f"plan {plan.id} was already applied (ledger: {run.state.value}): make a new plan")


def unpressed(db: Connection, fleet: str) -> int | None:
    """Raise where the button is pressed; otherwise return the lowered limit, where there is one."""
    found = queries.holding(db, fleet)
    stop, limit = found.get(STOP), found.get(LIMIT)
    if stop is not None:
        raise Pressed(f"stopped by {stop.by}: {stop.reason}", abort=stop.value == "abort")
    return int(limit.value) if limit is not None else None


def end_run(db: Connection, lead: Lead, plan: str, state: RunState, at: datetime, detail: str) -> None:
    """Let a run that is running end."""
    changed = db.execute(
        "UPDATE runs SET state = ?, ended_at = ? WHERE fleet = ? AND plan = ? AND state = 'running'",
        (state.value, at.isoformat(), lead.fleet, plan),
    ).rowcount
    if not changed:
        raise IllegalTransition(f"run {plan} cannot become {state.value}")
    tell(db, lead, plan, None, state.value, at, detail)


def state_of(db: Connection, fleet: str, key: Key) -> MoveState | None:
    """Return how a move stands; None where the ledger has not heard of it."""
    row = db.execute("SELECT state FROM moves WHERE fleet = ? AND plan = ? AND move = ?", (fleet, *key)).fetchone()
    return None if row is None else queries.MOVE_STATES[row[0]]


def _running(db: Connection, fleet: str, plan: str) -> bool:
    run = queries.run(db, fleet, plan)
    return run is not None and run.state is RunState.RUNNING


def write_intent(db: Connection, lead: Lead, move: FlyingMove, at: datetime) -> None:
    """Let a move be intended, for the first time or once more after a failure."""
    before = state_of(db, lead.fleet, move.key)
    if MoveState.INTENDED not in LEGAL[before]:
        raise IllegalTransition(f"{move.key}: {before.value if before else 'new'} cannot become intended")
    if before is None:
        insert(db, lead, move, MoveState.INTENDED, at, "")
        return
    row = db.execute(
        "UPDATE moves SET state = 'intended', failure = '', detail = '', copied_mib = ?, attempt = ?, epoch = ?,"
        " job = '', intended_at = ?, changed_at = ? WHERE fleet = ? AND plan = ? AND move = ? AND attempt < ?",
        (
            move.copied_mib,
            move.attempt,
            lead.epoch,
            at.isoformat(),
            at.isoformat(),
            lead.fleet,
            *move.key,
            move.attempt,
        ),
    )
    if not row.rowcount:
        raise IllegalTransition(f"{move.key}: attempt {move.attempt} was made before")
    tell(db, lead, move.plan, move.move, MoveState.INTENDED.value, at, move.facts)


def insert(db: Connection, lead: Lead, move: FlyingMove, state: MoveState, at: datetime, detail: str) -> None:
    """Write a move down that the ledger has not heard of."""
    if not _running(db, lead.fleet, move.plan):
        raise IllegalTransition(f"{move.key}: new cannot become {state.value}, since its run is not running")
    ends = (move.vm, move.source, move.target, move.copied_mib)
    how = (state.value, "", detail, move.attempt, lead.epoch, "", at.isoformat(), at.isoformat())
    values = (lead.fleet, *move.key, *ends, *how)
    db.execute(f"INSERT INTO moves VALUES ({', '.join('?' * len(values))})", values)
    tell(db, lead, move.plan, move.move, state.value, at, detail or move.facts)


def pass_into(db: Connection, lead: Lead, change: Change, at: datetime) -> None:
    """Let a move pass into another state; `LEGAL` has to allow it."""
    before = state_of(db, lead.fleet, change.key)
    if before is None or change.state not in LEGAL[before]:
        raise IllegalTransition(f"{change.key}: {before.value if before else 'new'} cannot become {change.state.value}")
    if before not in OPEN and not _running(db, lead.fleet, change.key.plan):
        raise IllegalTransition(f"{change.key}: its run has ended")
    failure = change.failure.value if change.failure else ""
    db.execute(
        "UPDATE moves SET state = ?, failure = ?, detail = ?, changed_at = ? WHERE fleet = ? AND plan = ? AND move = ?",
        (change.state.value, failure, change.detail, at.isoformat(), lead.fleet, *change.key),
    )
    tell(db, lead, change.key.plan, change.key.move, change.state.value, at, change.detail)


def tell(
    db: Connection, lead: Lead, plan: str, move: str | None, state: str, at: datetime, detail: str, by: str = ""
) -> None:
    """Add what a leader did to the chain of events."""
    append(
        db,
        lead.fleet,
        at=at.isoformat(),
        plan=plan,
        move=move,
        state=state,
        detail=detail,
        by=by or lead.holder,
        epoch=lead.epoch,
    )
