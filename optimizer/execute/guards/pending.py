"""Waiting for answers from outside: several at once, each with a deadline, and never deaf meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.clock import Clock

__all__ = ["Answer", "Given", "Pending", "every", "wait_for"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

LOOK_S = 0.02
"""How long to sleep between two looks at what was asked."""

MEANWHILE_S = 1.0
"""How often whoever waits is called, so that a button or a signal is seen and a lease is kept."""


class Answer(NamedTuple):
    """Whether something is as it should be, and what was seen."""

    good: bool
    text: str = ""


class Pending(Protocol[T_co]):
    """Something that was asked, and has not answered yet."""

    def poll(self) -> T_co | None:
        """Return the answer once it is there: at the latest when its deadline has passed."""

    def give_up(self) -> None:
        """Ask no more: nothing of it goes on."""


class Given(Generic[T]):
    """An answer that is there at once."""

    def __init__(self, answer: T) -> None:
        self._answer = answer

    def poll(self) -> T:
        """Return it."""
        return self._answer

    def give_up(self) -> None:
        """Nothing goes on."""


def every(clock: Clock, meanwhile: Callable[[], None], seconds: float = MEANWHILE_S) -> Callable[[], None]:
    """Return what may be called as often as one likes, and calls `meanwhile` each second."""
    called = clock.monotonic()

    def call() -> None:
        nonlocal called
        if clock.monotonic() - called >= seconds:
            called = clock.monotonic()
            meanwhile()

    return call


def wait_for(asked: Sequence[Pending[T]], clock: Clock, meanwhile: Callable[[], None]) -> list[T]:
    """Return the answers, in order; `meanwhile` is called each second, and what it raises gives all of them up."""
    answers: dict[int, T] = {}
    now_and_then = every(clock, meanwhile)
    try:
        while True:
            for number, one in enumerate(asked):
                answer = one.poll() if number not in answers else None
                if answer is not None:
                    answers[number] = answer
            if len(answers) == len(asked):
                return [answers[number] for number in range(len(asked))]
            clock.sleep(LOOK_S)
            now_and_then()
    finally:
        for number, one in enumerate(asked):
            if number not in answers:
                one.give_up()
