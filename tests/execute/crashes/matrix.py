"""Each crash point, by a real SIGKILL at one of the times that it is passed; then the same command until it is over."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from optimizer.execute.ledger import open_ledger, peek_ledger
from optimizer.execute.states import MoveState
from tests.execute.crashes.executor import answer, start
from tests.execute.crashes.hypervisors import LAST, ORDER, Hypervisors
from tests.execute.crashes.judge import faults_of
from tests.execute.crashes.pairs import Life

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.execute.ledger.records import EventRecord
    from tests.execute.crashes.places import Places

__all__ = ["Death", "die"]

STATES = {state.value for state in MoveState}
STARTS = 8


@dataclass
class Death:
    """What came of one: whether it was killed there, how often the command was given, and what was broken."""

    point: str
    killed: bool = False
    starts: int = 0
    broken: list[str] = field(default_factory=list)


def die(point: str, seed: int, places: Places) -> Death:
    """Let the executor be killed at a point, one of the times that it is passed, and see what becomes of the plan."""
    life = _Life(seed, places, point, Random(f"{point} {seed}").randint(1, _passed(seed)[point]))
    life.run()
    if not life.death.killed:
        life.death.broken.append("it was not killed")
    return life.death


def _passed(seed: int) -> Counter[str]:
    """Return how often each point is passed in a run that nobody kills."""
    whole = Life(seed, ())
    assert whole.run() == [], f"seed {seed}, without a crash"
    return Counter(whole.passed)


class _Life:
    def __init__(self, seed: int, places: Places, point: str, number: int) -> None:
        self.hypervisors, self.rng = Hypervisors(seed), Random(seed)
        self.places, self.place = places, places.new()
        self.death, self.number = Death(point), number
        self.heard, self.pressed = 0, False

    def run(self) -> None:
        """Give the command until the plan is over, and judge."""
        while self.death.starts < STARTS:
            self.death.starts += 1
            if self._is_over(*self._serve()):
                break
        else:
            self.death.broken.append(f"it is not over after {STARTS} starts")
        ledger = peek_ledger(self.place)
        assert ledger is not None
        with ledger:
            self.death.broken += faults_of(self.hypervisors, ledger)

    def _serve(self) -> tuple[str, int]:
        """Let one process carry the plan out, as far as it comes; return what it said and its exit code."""
        executor = start(self.hypervisors, self.place, self._kills())
        while (asked := executor.hear()) is not None:
            name, args = asked
            if name == "said":
                executor.said = args[0]
            if name == "committed":
                self._listen(args[0])
            executor.tell(None if name in ("said", "committed") else answer(self.hypervisors, name, args))
        return executor.said, executor.bury()

    def _kills(self) -> Any:
        """Return what kills the process that it is called in, at the chosen instant; only the first process."""
        point, number = (self.death.point, self.number) if self.death.starts == 1 else ("", 0)
        passed: Counter[str] = Counter()

        def probe(at: str) -> None:
            passed[at] += 1
            if at == point and passed[at] == number:
                os.kill(os.getpid(), signal.SIGKILL)

        return probe

    def _is_over(self, said: str, code: int) -> bool:
        if code == -signal.SIGKILL:
            self._after_a_kill()
            return False
        if said.startswith("over"):
            return True
        if said.startswith("refused") and "stopped by" in said:
            with open_ledger(self.place) as ledger:
                ledger.controls.lift(self.hypervisors.fleet, "stop", ORDER, self.hypervisors.clock.now())
            self.hypervisors.note("resume")
            return False
        self.death.broken.append(f"exit code {code}, it said: {said or 'nothing'}")
        return True

    def _after_a_kill(self) -> None:
        """Hear from the ledger what was committed and not told any more; let time pass."""
        self.death.killed = True
        ledger = peek_ledger(self.place)
        if ledger is not None:
            with ledger:
                self._note(ledger.events(self.hypervisors.fleet, self.heard))
            self.places.run_out(self.place)
        self.hypervisors.note("crash")
        self.hypervisors.clock.sleep(self.rng.choice([0.0, 1.0, 20.0]))

    def _listen(self, events: Iterable[EventRecord]) -> None:
        """Hear what was committed; press the button, once, when the last move is intended."""
        for event in self._note(events):
            if (event.move, event.state) == (LAST, "intended") and not self.pressed:
                self.pressed = True
                with open_ledger(self.place) as ledger:
                    ledger.controls.set(self.hypervisors.fleet, "stop", "", ORDER, self.hypervisors.clock.now())
                self.hypervisors.note("stop")

    def _note(self, events: Iterable[EventRecord]) -> list[EventRecord]:
        new = [event for event in events if event.number > self.heard]
        for event in new:
            self.heard = event.number
            if event.move is not None and event.state in STATES:
                self.hypervisors.note("state", plan=event.plan, move=event.move, state=event.state)
        return new
