"""Asks programs, and returns the rows that they print; what cannot be had is `Unreadable`, with their last words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.execute.drivers import Unreadable
from optimizer.execute.drivers.command.arguments import Unfit
from optimizer.execute.drivers.command.outputs import Garbage
from optimizer.execute.drivers.command.processes import NotAnswered, NotStarted, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.clock import Clock
    from optimizer.execute.drivers.command.location import Location
    from optimizer.execute.drivers.command.outputs import Row
    from optimizer.execute.drivers.command.processes import Ended
    from optimizer.execute.drivers.command.template import Call

__all__ = ["Asker", "said_of", "text_of"]


class Asker:
    """Runs the programs that read. An answer is used again for the template's `fresh_s`, until `forget`."""

    def __init__(self, location: Location, clock: Clock) -> None:
        self._location, self._clock = location, clock
        self._fixed = {f"set.{name}": value for name, value in location.set.items()}
        self._answers: dict[tuple[str, ...], tuple[float, list[Row]]] = {}

    def forget(self) -> None:
        """Use no answer again: something has been changed."""
        self._answers.clear()

    def words(self, call: Call, values: Mapping[str, str]) -> list[str]:
        """Return the argument vector of a call.

        Raises
        ------
        Unfit
            A value cannot be an argument there.
        """
        return call.arguments.fill({**self._fixed, **values}, self._location.through)

    def rows(self, call: Call, values: Mapping[str, str], what: str) -> list[Row]:
        """Return the rows that a call prints; `what` names the call in errors.

        Raises
        ------
        Unreadable
            It could not be run, did not answer, failed, or printed something else.
        """
        try:
            words = self.words(call, values)
        except Unfit as error:
            raise Unreadable(f"{what}: {error}") from error
        key, now = tuple(words), self._clock.monotonic()
        if key in self._answers and now - self._answers[key][0] < self._location.template.fresh_s:
            return self._answers[key][1]
        rows = self._asked(call, words, f"{what}: {words[0]}")
        self._answers[key] = (now, rows)
        return rows

    def _asked(self, call: Call, words: list[str], who: str) -> list[Row]:
        location = self._location
        try:
            ended = run(words, location.environment, call.deadline_s, location.output_limit)
        except (NotStarted, NotAnswered) as error:
            raise Unreadable(f"{who}: {error}") from error
        outcome = call.outcome(ended.code, text_of(ended))
        if outcome == "absent":
            return []
        if outcome != "ok":
            raise Unreadable(f"{who}: {said_of(ended, location)}")
        assert call.output is not None
        try:
            return call.output.read(ended.out)
        except Garbage as error:
            raise Unreadable(f"{who}: {location.environment.fit(str(error))}") from error


def text_of(ended: Ended) -> str:
    """Return what a program has printed, for patterns."""
    return "\n".join(part.decode("utf-8", "replace") for part in dict.fromkeys((ended.out, ended.err)))


def said_of(ended: Ended, location: Location) -> str:
    """Return how a program ended, in words that may be shown."""
    how = f"exit code {ended.code}" if ended.code >= 0 else f"ended by signal {-ended.code}"
    words = location.environment.last_words(ended.err) or location.environment.last_words(ended.out)
    return f"{how}: {words}" if words else how
