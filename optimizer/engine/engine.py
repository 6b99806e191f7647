"""The protocol of engines."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["TRIES", "Done", "Engine", "Stop", "worker_name"]

TRIES = 3
"""Times that a task is begun, at most, where workers die over it."""

R = TypeVar("R")


class Stop(Protocol):
    """Says that the answer is no longer waited for."""

    def is_set(self) -> bool:
        """Whether to end with the best so far."""


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """What came of one task: the function's `result`, the name of the `worker`, and how often it was begun."""

    result: R
    worker: str
    tries: int = 1


class Engine(Protocol):
    """Runs a function on tasks.

    Attributes
    ----------
    name
        What users call it.
    workers
        Tasks that are in flight at once.
    shares_memory
        Whether its workers take memory of this machine beside the process that asks.
    """

    name: str
    shares_memory: bool

    @property
    def workers(self) -> int:
        """Tasks that are in flight at once."""

    def map(self, function: Callable[[bytes, Stop], R], tasks: Sequence[bytes], stop: Stop) -> list[Done[R] | None]:
        """Return what the function makes of each task, in order; None for those that `stop` cut short.

        Raises
        ------
        EngineError
            If workers died over one task `TRIES` times, or the function failed on a worker.
        """

    def close(self) -> None:
        """Let go of the workers."""


def worker_name() -> str:
    """Return the name of the process that calls."""
    return f"{socket.gethostname()}:{os.getpid()}"
