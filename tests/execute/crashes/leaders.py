"""Executors that are paused past their lease and go on, while another leads; and two at once, in random order.

The first runs until one of its messages, is stopped (SIGSTOP) while it waits for the answer, and its lease runs out: in
PostgreSQL by the database's clock, for a file by somebody who removes the lock file. Another takes the lead. After a
while the first goes on (SIGCONT), and both run at once, answered in random order.
"""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from optimizer.execute.probes import unwatched
from tests.execute.crashes.executor import start
from tests.execute.crashes.hypervisors import Hypervisors
from tests.execute.crashes.stops import MESSAGES
from tests.execute.crashes.witness import Witness

if TYPE_CHECKING:
    from tests.execute.crashes.executor import Executor
    from tests.execute.crashes.places import Places

__all__ = ["Schedule"]

SILENT_S = 0.3
"""An executor that says nothing for so long waits for the ledger."""

OVER = ("over", "lost the lead", "refused: ")


class Schedule:
    """One random schedule of two or three executors of the same plan."""

    def __init__(self, seed: int, places: Places) -> None:
        self.rng, self.places = Random(seed), places
        self.witness = Witness(Hypervisors(seed), places.new())
        self.running: list[Executor] = []
        self.paused: list[tuple[Executor, tuple[str, tuple[Any, ...]]]] = []
        self.said: list[str] = []
        self.taken_over = self.blocked = 0

    def run(self) -> list[str]:
        """Run it; return what was broken."""
        self._begin()
        for _ in range(self.rng.randint(1, 2)):
            self._pause(self.rng.randrange(4, MESSAGES // 3))
            if not self.paused:
                break
            self._take_over()
            self._let_run(self.rng.randrange(60))
            if self.rng.random() < 0.7:
                self._go_on()
        self._go_on()
        self._let_run(None)
        if not any(said.startswith("over") for said in self.said):  # nobody had the lead to the end
            self._run_out()
            self._begin()
            self._let_run(None)
        for said in self.said:
            if not said.startswith(OVER):
                self.witness.broken.append(f"an executor said: {said or 'nothing'}")
        return self.witness.judge()

    def _begin(self) -> None:
        self.running.append(start(self.witness.hypervisors, self.witness.place, unwatched))

    def _hear(self, executor: Executor) -> tuple[str, tuple[Any, ...]] | None:
        asked = executor.hear()
        if asked is None:
            executor.bury()
            self.running.remove(executor)
            self.said.append(executor.said)
        return asked

    def _pause(self, after: int) -> None:
        """Stop the one that runs, at a message that is not within a transaction; at one that is, others wait."""
        executor, within = self.running[0], self.rng.random() < 0.4
        while (asked := self._hear(executor)) is not None:
            after -= 1
            is_within = asked[0] in ("submit", "abort")
            if after <= 0 and asked[0] != "said" and is_within >= within:
                os.kill(executor.pid, signal.SIGSTOP)
                if asked[0] == "committed":
                    self.witness.hear(asked[1][0])  # that was before all that others do
                if not is_within:
                    self.running.remove(executor)
                    self.paused.append((executor, asked))
                    return
                self._nobody_gets_in()
                within = False
                os.kill(executor.pid, signal.SIGCONT)
            self.witness.attend(executor, *asked)

    def _nobody_gets_in(self) -> None:
        """While one is stopped within a transaction, another cannot take the lead; it waits."""
        other = start(self.witness.hypervisors, self.witness.place, unwatched)
        ready, _, _ = select.select([other], [], [], SILENT_S)
        if ready and (asked := other.hear()) is not None and asked[0] != "said":
            self.witness.broken.append(f"another went on to {asked[0]} within a transaction")
        os.kill(other.pid, signal.SIGKILL)
        other.bury()
        self.blocked += 1

    def _take_over(self) -> None:
        """Let another begin: first while the lead is held, then when it has run out."""
        if self.rng.random() < 0.3:
            before = len(self.said)
            self._begin()
            self._let_run(None)
            said = self.said[before:]  # an older one may end meanwhile, too
            if not any(one.startswith("refused: a plan for fleet") for one in said):
                self.witness.broken.append(f"while the lead was held, others said: {said}")
        self._run_out()
        self._begin()
        self.taken_over += 1

    def _run_out(self) -> None:
        if self.witness.place.startswith("postgresql:"):
            self.places.run_out(self.witness.place)
        else:
            place = Path(self.witness.place)
            for lock in place.parent.glob(f"{place.name}-leader-*"):
                lock.unlink()

    def _go_on(self) -> None:
        """Let those that are stopped go on, with the answers for which they wait."""
        for executor, asked in self.paused:
            os.kill(executor.pid, signal.SIGCONT)
            self.witness.attend(executor, *asked)
            self.running.append(executor)
        self.paused = []

    def _let_run(self, messages: int | None) -> None:
        """Answer so many messages, or until all have ended, those that ask in random order."""
        left = -1 if messages is None else messages
        while self.running and left:
            ready = select.select(self.running, [], [])[0]
            executor = self.rng.choice(ready)
            if (asked := self._hear(executor)) is not None:
                self.witness.attend(executor, *asked)
            left -= 1
