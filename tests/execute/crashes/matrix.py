"""Each crash point, by a real SIGKILL at one of the times that it is passed; then the same command until it is over."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tests.execute.crashes.executor import start
from tests.execute.crashes.hypervisors import Hypervisors
from tests.execute.crashes.pairs import Life
from tests.execute.crashes.witness import Witness

if TYPE_CHECKING:
    from optimizer.execute.probes import Probe
    from tests.execute.crashes.places import Places

__all__ = ["Death", "die"]

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
        self.witness, self.rng = Witness(Hypervisors(seed), places.new(), presses=True), Random(seed)
        self.places, self.death, self.number = places, Death(point), number

    def run(self) -> None:
        """Give the command until the plan is over, and judge."""
        while self.death.starts < STARTS:
            self.death.starts += 1
            if self._is_over(*self._serve()):
                break
        else:
            self.death.broken.append(f"it is not over after {STARTS} starts")
        self.death.broken += self.witness.judge()

    def _serve(self) -> tuple[str, int]:
        """Let one process carry the plan out, as far as it comes; return what it said and its exit code."""
        executor = start(self.witness.hypervisors, self.witness.place, self._kills())
        while (asked := executor.hear()) is not None:
            self.witness.attend(executor, *asked)
        return executor.said, executor.bury()

    def _kills(self) -> Probe:
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
            self.witness.lift()
            return False
        self.death.broken.append(f"exit code {code}, it said: {said or 'nothing'}")
        return True

    def _after_a_kill(self) -> None:
        """Hear from the ledger what was committed and not told any more; let time pass."""
        self.death.killed = True
        if events := self.witness.events():
            self.witness.hear(events)
            self.places.run_out(self.witness.place)
        self.witness.hypervisors.note("crash")
        self.witness.hypervisors.clock.sleep(self.rng.choice([0.0, 1.0, 20.0]))
