"""Moves that have ended, or will not start, as they are written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.execute.ledger.records import FlyingMove
from optimizer.execute.states import MoveState
from optimizer.fleet import MoveOutcome, PastMove

if TYPE_CHECKING:
    from datetime import datetime

    from optimizer.execute.core.model import Flight, Task

__all__ = ["past_move", "unstarted"]


def past_move(
    flight: Flight | FlyingMove, state: MoveState, began: datetime | None, at: datetime, *, aborted: bool = False
) -> PastMove:
    """Return a move as the history has it."""
    outcome = MoveOutcome.DONE if state is MoveState.DONE else MoveOutcome.FAILED
    if aborted and state is not MoveState.DONE:
        outcome = MoveOutcome.ABORTED
    start = (began or at).timestamp()
    return PastMove(flight.vm, flight.source, flight.target, start, max(start, at.timestamp()), outcome, by="remora")


def unstarted(task: Task) -> FlyingMove:
    """Return a move that will not start, as the ledger has it."""
    return FlyingMove(*task.key, task.vm, task.source, task.target, MoveState.SKIPPED, task.copied_mib)
