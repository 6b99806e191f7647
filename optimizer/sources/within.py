"""A call that may take no longer than this: made in a thread of its own, which is left behind where it is late."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Overdue", "within"]

T = TypeVar("T")


class Overdue(Exception):
    """A call did not return within its deadline; it may still go on."""


def within(seconds: float, call: Callable[[], T], name: str) -> T:
    """Call, in a thread that is called so, and return or raise what the call does.

    Raises
    ------
    Overdue
        It takes longer; the thread is left behind, and does not keep the process alive.
    """
    answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:  # it is raised below, in the caller's thread
            answers.put((None, error))

    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except Empty:
        raise Overdue(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]
