"""Gates that close, hang, take their time and answer nonsense; hooks that object, fail or are slow; simulated time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.execute.guards.pending import Answer, Given

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from optimizer.clock import Clock
    from optimizer.execute.guards.pending import Pending

    Note = Callable[..., None]

__all__ = ["SimulatedHooks", "some_gate"]

SLOW_S = 15
GATE_SLOW_S, GATE_HANGS_S = 60.0, 3.0
NO_ANSWER = "no answer within 3 s"


def some_gate(rng: Random, clock: Clock, note: Note) -> Pending[Answer]:
    """Return what a gate answers when it is asked now; what it really is, is noted."""
    how = rng.choices(["gate open", "gate closed", "gate hangs", "gate nonsense"], [6, 2, 1, 1])[0]
    note(how)
    if how == "gate hangs":
        return _Late(clock, GATE_HANGS_S, Answer(False, NO_ANSWER))
    text = {"gate open": "0", "gate closed": "7 is over 0", "gate nonsense": "NaN is no number"}[how]
    answer = Answer(how == "gate open", text)
    if answer.good and rng.random() < 0.8:
        note("slow gate")
        return _Late(clock, GATE_SLOW_S, answer)
    return Given(answer)


class _Late:
    """A gate that says nothing for so long."""

    def __init__(self, clock: Clock, seconds: float, answer: Answer) -> None:
        self._clock, self._until, self._answer = clock, clock.monotonic() + seconds, answer

    def poll(self) -> Answer | None:
        return self._answer if self._clock.monotonic() >= self._until else None

    def give_up(self) -> None:
        pass


class SimulatedHooks:
    """Hooks of which one in ten objects before a move, and one in ten fails after it; some take their time."""

    def __init__(self, rng: Random, clock: Clock, note: Note, lingers: float) -> None:
        self._rng, self._clock, self._note, self._lingers = rng, clock, note, lingers

    def before(self, values: Mapping[str, str], meanwhile: Callable[[], None]) -> str:
        self._linger("slow hook before", meanwhile)
        objects = self._rng.random() < 0.1
        self._note("hook vetoes" if objects else "hook agrees", plan=values["plan"], move=values["move"])
        return "notify: exit 1" if objects else ""

    def after(self, moves: Sequence[Mapping[str, str]], meanwhile: Callable[[], None]) -> list[tuple[str, str]]:
        for v in moves:
            self._note("hook after", plan=v["plan"], move=v["move"], state=v["state"])
            self._linger("slow hook after", meanwhile)
        return [(v["move"], "notify: exit 1") for v in moves if self._rng.random() < 0.1]

    def _linger(self, what: str, meanwhile: Callable[[], None]) -> None:
        if self._rng.random() < self._lingers:
            self._note(what)
            for _ in range(SLOW_S):
                self._clock.sleep(1.0)
                meanwhile()
