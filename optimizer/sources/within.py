"""Calls made in threads of their own, which are left behind where they are late or not needed any more."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Overdue", "each", "each_to_its_end", "within"]

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
    threading.Thread(target=lambda: answers.put(_outcome(call)), name=name, daemon=True).start()
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
                answers.put((which, *_outcome(calls[which])))

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


def each_to_its_end(calls: Sequence[Callable[[], T]], at_once: int, name: str) -> list[T]:
    """Make several calls as `each` does, but raise only once all have returned: what the first in their order does.

    So calls that are made again and again never pile up beyond `at_once`, and the same failures are always told alike.
    """
    outcomes = each([partial(_outcome, call) for call in calls], at_once, name)
    error = next((error for _, error in outcomes if error is not None), None)
    if error is not None:
        raise error
    return [value for value, _ in outcomes]  # type: ignore[misc]


def _outcome(call: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """Return what a call returns, and what it raises: that is raised again in the caller's thread."""
    try:
        return call(), None
    except BaseException as error:
        return None, error
