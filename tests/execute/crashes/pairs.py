"""A crash and another during the recovery from it, for each pair of crash points, in one process.

The run is begun and dies at the first; the same command is given again, and dies at the second; then until it is over.
Where the recovery does not pass the second (it died behind its end, say), another plan follows, and dies there.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from optimizer.errors import AlreadyApplied, SafetyStop
from optimizer.execute.apply import apply
from optimizer.execute.ledger.ledger import Ledger
from optimizer.execute.states import MoveState
from tests.execute.crashes.hypervisors import LAST, ORDER, Hypervisors
from tests.execute.crashes.judge import faults_of
from tests.execute.simulation.actor import Crash
from tests.execute.simulation.database import MemoryDatabase

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Life"]

STATES = {state.value for state in MoveState}
PLANS = 3
STARTS = 12


class Life:
    """A plan that is carried out until it is over, in spite of crashes at these points, one in each life."""

    def __init__(self, seed: int, points: Sequence[str], ledger: Ledger | None = None) -> None:
        self.hypervisors = Hypervisors(seed)
        self.rng = Random(seed)
        self.ledger = ledger or Ledger(MemoryDatabase())
        self.ledger.probe = self._probe
        self.points = list(points)
        self.hit: list[str] = []
        self.passed: list[str] = []
        self.broken: list[str] = []
        self._heard, self._pressed = 0, ""

    def run(self) -> list[str]:
        """Go on until all points are hit and the plan is over; return what was broken."""
        for number in range(1, PLANS + 1):
            if number > 1:
                self.hypervisors.take_over(f"plan-{number}")
            self._carry_out()
            self.broken += faults_of(self.hypervisors, self.ledger)
            self.ledger.controls.lift(self.hypervisors.fleet, "stop", ORDER, self.hypervisors.clock.now())
            self.hypervisors.note("resume")
            if not self.points or self.broken:
                break
        return self.broken

    def _carry_out(self) -> None:
        for _ in range(STARTS):
            try:
                self._apply()
            except Crash:
                self.hypervisors.note("crash")
                self.hypervisors.clock.sleep(self.rng.choice([0.0, 1.0, 20.0]))
            except AlreadyApplied:
                return
            except SafetyStop as stop:
                if "stopped by" not in str(stop):
                    self.broken.append(f"refused: {stop}")
                    return
                self.ledger.controls.lift(self.hypervisors.fleet, "stop", ORDER, self.hypervisors.clock.now())
                self.hypervisors.note("resume")
            else:
                return
        self.broken.append(f"it is not over after {STARTS} starts")

    def _apply(self) -> None:
        it = self.hypervisors
        apply(it.snapshot_of_plan, it.policy, it.plan, it, self.ledger, act=True, order=ORDER, settings=it.settings)

    def _probe(self, at: str) -> None:
        self.passed.append(at)
        if at.startswith("after"):
            self._listen()
        if self.points and at == self.points[0]:
            self.hit.append(self.points.pop(0))
            raise Crash(at)

    def _listen(self) -> None:
        for event in self.ledger.events(self.hypervisors.fleet, self._heard):
            self._heard = event.number
            if event.move is None or event.state not in STATES:
                continue
            self.hypervisors.note("state", plan=event.plan, move=event.move, state=event.state)
            if (event.move, event.state) == (LAST, "intended") and self._pressed != event.plan:
                self._pressed = str(event.plan)
                self.ledger.controls.set(self.hypervisors.fleet, "stop", "", ORDER, self.hypervisors.clock.now())
                self.hypervisors.note("stop")
