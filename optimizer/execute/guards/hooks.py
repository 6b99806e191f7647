"""The hooks of a policy: programs called before and after a move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from optimizer.execute.guards.command import begin
from optimizer.execute.guards.pending import wait_for
from optimizer.sources.environment import environment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from optimizer.clock import Clock
    from optimizer.execute.guards.pending import Answer, Pending
    from optimizer.execution import Hook, Hooks

__all__ = ["Caller", "PolicyHooks"]


class Caller(Protocol):
    """Calls hooks."""

    def before(self, values: Mapping[str, str], meanwhile: Callable[[], None]) -> str:
        """Call those before a move, in order; say why the first that objects does, empty where none does."""

    def after(self, moves: Sequence[Mapping[str, str]], meanwhile: Callable[[], None]) -> list[tuple[str, str]]:
        """Call those after moves; return (move, what went wrong) of each that failed."""


class PolicyHooks:
    """The hooks of a policy; the environment of this process is passed on in part, and deadlines are in real time."""

    def __init__(self, hooks: Hooks, environ: Mapping[str, str], clock: Clock) -> None:
        self._hooks, self._environ, self._clock = hooks, environ, clock

    def before(self, values: Mapping[str, str], meanwhile: Callable[[], None]) -> str:
        """Call one after the other, until one objects."""
        for hook in self._hooks.before:
            (answer,) = wait_for([self._begin(hook, values)], self._clock, meanwhile)
            if not answer.good:
                return f"{hook.command[0]}: {answer.text}"
        return ""

    def after(self, moves: Sequence[Mapping[str, str]], meanwhile: Callable[[], None]) -> list[tuple[str, str]]:
        """Call each hook once for each move, those of one hook side by side."""
        failed = []
        for hook in self._hooks.after:
            answers = wait_for([self._begin(hook, values) for values in moves], self._clock, meanwhile)
            told = zip(moves, answers, strict=True)
            failed += [(v["move"], f"{hook.command[0]}: {a.text}") for v, a in told if not a.good]
        return failed

    def _begin(self, hook: Hook, values: Mapping[str, str]) -> Pending[Answer]:
        return begin(
            hook.command, values, hook.deadline_s, environment_of(self._environ, hook.environment), self._clock
        )
