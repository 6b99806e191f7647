"""In process, one task after the other: the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from optimizer.engine.engine import Done, worker_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.engine.engine import Stop

__all__ = ["LocalEngine"]

R = TypeVar("R")


class LocalEngine:
    """The process that asks does the work."""

    name = "local"
    shares_memory = False
    workers = 1

    def map(self, function: Callable[[bytes, Stop], R], tasks: Sequence[bytes], stop: Stop) -> list[Done[R] | None]:
        """See `Engine`; the function is told of `stop`, and no task is begun after it."""
        return [None if stop.is_set() else Done(function(task, stop), worker_name()) for task in tasks]

    def close(self) -> None:
        """Nothing to let go of."""
