"""The gates of a policy: asked together, and each that does not answer clearly in its time is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from optimizer.errors import shorten
from optimizer.execute.drivers import Unreadable
from optimizer.execute.guards.command import begin
from optimizer.execute.guards.pending import Answer, Given, every, wait_for
from optimizer.execute.guards.reading import read_state, unforeseen
from optimizer.sources.environment import environment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from optimizer.clock import Clock
    from optimizer.execute.drivers import Driver
    from optimizer.execute.guards.pending import Pending
    from optimizer.execute.guards.reading import Standing
    from optimizer.execution import Gate
    from optimizer.problem.rule import Rule

    Ask = Callable[[Gate], Pending[Answer]]

__all__ = ["Asker", "PolicyGates"]


class Asker(Protocol):
    """Asks every gate."""

    def ask(self, standing: Standing, plan: str, driver: Driver, meanwhile: Callable[[], None]) -> Sequence[str]:
        """Return why gates are closed, each beginning with its name; empty where all are open.

        `meanwhile` is called now and then; what it raises ends the asking.
        """


class PolicyGates:
    """The gates of a policy.

    Parameters
    ----------
    rules
        The rules of the policy, by name.
    query
        Sends a query; None where no gate has one.
    environ
        The environment of this process, of which commands are given a part.
    clock
        By which deadlines are kept: programs and servers live in real time, whatever the driver does.
    """

    def __init__(
        self,
        gates: Sequence[Gate],
        rules: Mapping[str, Rule],
        environ: Mapping[str, str],
        clock: Clock,
        query: Ask | None = None,
    ) -> None:
        self._gates, self._rules, self._environ, self._clock, self._query = gates, rules, environ, clock, query

    def ask(self, standing: Standing, plan: str, driver: Driver, meanwhile: Callable[[], None]) -> Sequence[str]:
        """Ask all at once: commands and queries first, then the rules on one fresh reading, while those go on."""
        values = {"fleet": standing.fleet.id, "plan": plan}
        asked = [self._pending(gate, values) for gate in self._gates]
        checks = [gate for gate in self._gates if gate.check]
        try:
            found = iter(self._checked(checks, standing, driver, meanwhile))
            asked = [Given(next(found)) if gate.check else one for gate, one in zip(self._gates, asked, strict=True)]
            answers = wait_for(asked, self._clock, meanwhile)
        except BaseException:
            for one in asked:
                one.give_up()
            raise
        told = zip(self._gates, answers, strict=True)
        return [f"{gate.name}: {answer.text or 'not good'}" for gate, answer in told if not answer.good]

    def _pending(self, gate: Gate, values: Mapping[str, str]) -> Pending[Answer]:
        if gate.command:
            environment = environment_of(self._environ, gate.environment)
            return begin(gate.command, values, gate.deadline_s, environment, self._clock)
        if gate.query and self._query is not None:
            return self._query(gate)
        return Given(Answer(False, "nobody was asked"))

    def _checked(
        self, gates: Sequence[Gate], standing: Standing, driver: Driver, meanwhile: Callable[[], None]
    ) -> Iterator[Answer]:
        """Yield what rules find on a fresh reading, which is taken once for all of them and within their time."""
        if not gates:
            return
        between = _Deadline(self._clock, max(gate.deadline_s for gate in gates), meanwhile)
        try:
            fresh = read_state(standing, driver, between)
        except _TooLate as late:
            yield from (Answer(False, str(late)) for _ in gates)
            return
        except Unreadable as error:
            yield from (Answer(False, f"the fleet cannot be read: {error}") for _ in gates)
            return
        for gate in gates:
            rule = self._rules[gate.check]
            found = unforeseen(rule, fresh, standing)
            if found is None:
                yield Answer(True)
                continue
            violation, known = found
            foreseen = f" (the plan foresees {known:,})" if known else ""
            yield Answer(False, f"{shorten(rule.explain(violation, fresh.fleet), 240)}{foreseen}")


class _TooLate(Exception):
    """A reading takes longer than it may."""


class _Deadline:
    """Called between two readings: gives up when they take too long, and lets others be heard each second."""

    def __init__(self, clock: Clock, seconds: float, meanwhile: Callable[[], None]) -> None:
        self._clock, self._seconds, self._meanwhile = clock, seconds, every(clock, meanwhile)
        self._began = clock.monotonic()

    def __call__(self) -> None:
        if self._clock.monotonic() - self._began > self._seconds:
            raise _TooLate(f"reading the fleet takes longer than {self._seconds:g} s")
        self._meanwhile()
