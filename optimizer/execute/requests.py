"""What a driver is asked about a move in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.execute.drivers import Request

if TYPE_CHECKING:
    from optimizer.execute.core.model import Flight, Task

__all__ = ["request_of"]


def request_of(flight: Flight, task: Task | None, epoch: int) -> Request:
    """Return the request; `task` is None of a move of another plan, of which nobody knows how long it takes."""
    return Request(
        plan=flight.key.plan,
        move=flight.key.move,
        attempt=flight.attempt,
        vm=flight.vm,
        source=flight.source,
        target=flight.target,
        copied_mib=flight.copied_mib,
        seconds=task.seconds if task else 0.0,
        epoch=epoch,
        since=flight.started_at,
        job=flight.job,
    )
