"""Calls made in threads of their own, which are left behind where they are late or not needed any more."""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Overdue", "each", "within"]

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


def each(calls: Sequence[Callable[[], T]], at_once: int, name: str) -> list[T]:
    """Make several calls, that many at once, in threads that are called so; return what they return, in their order.

    Raises what the first that fails does. Threads that are still in a call then are left behind, as they are where the
    user stops the run, and what has not begun is not called. None of them keeps the process alive, as a pool would.
    """
    waiting: SimpleQueue[int] = SimpleQueue()
    answers: SimpleQueue[tuple[int, T | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        with suppress(Empty):
            while True:
                which = waiting.get_nowait()
                try:
                    answers.put((which, calls[which](), None))
                except BaseException as error:  # it is raised below, in the caller's thread
                    answers.put((which, None, error))

    for which in range(len(calls)):
        waiting.put(which)
    for _ in range(min(at_once, len(calls))):
        threading.Thread(target=run, name=name, daemon=True).start()
    found: dict[int, T] = {}
    try:
        for _ in calls:
            which, value, error = answers.get()
            if error is not None:
                raise error
            found[which] = value  # type: ignore[assignment]
    finally:
        with suppress(Empty):
            while True:
                waiting.get_nowait()
    return [found[which] for which in range(len(calls))]
