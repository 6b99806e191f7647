"""What those who judge know of a trial: the hypervisors, where the ledger is, what was committed there, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.execute.ledger import open_ledger, peek_ledger
from optimizer.execute.states import MoveState
from tests.execute.crashes.executor import answer
from tests.execute.crashes.hypervisors import LAST, ORDER
from tests.execute.crashes.judge import faults_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from optimizer.execute.ledger.records import EventRecord
    from tests.execute.crashes.executor import Executor
    from tests.execute.crashes.hypervisors import Hypervisors

__all__ = ["Witness"]

STATES = {state.value for state in MoveState}


class Witness:
    """Answers executors, and writes down what they do.

    Parameters
    ----------
    presses
        Whether somebody presses the button, once, when the last move is intended.
    """

    def __init__(self, hypervisors: Hypervisors, place: str, *, presses: bool = False) -> None:
        self.hypervisors, self.place = hypervisors, place
        self.broken: list[str] = []
        self.epoch = 0
        self._presses = presses
        self._heard: set[int] = set()

    def attend(self, executor: Executor, name: str, args: tuple[Any, ...]) -> None:
        """Do what an executor asks for, or hear what it says, and answer."""
        value: Any = None
        if name == "said":
            executor.said = args[0]
        elif name == "committed":
            self.hear(args[0])
        else:
            if name in ("submit", "abort") and args[0].epoch < self.epoch:
                self.broken.append(f"{name} of {args[0].token} in epoch {args[0].epoch}, and {self.epoch} leads")
            value = answer(self.hypervisors, name, args)
        executor.tell(value)

    def hear(self, events: Iterable[EventRecord]) -> None:
        """Hear what was committed."""
        for event in events:
            if event.number in self._heard:
                continue
            self._heard.add(event.number)
            self.epoch = max(self.epoch, event.epoch)
            if event.move is not None and event.state in STATES:
                self.hypervisors.note("state", plan=event.plan, move=event.move, state=event.state)
            if (event.move, event.state) == (LAST, "intended") and self._presses:
                self._presses = False
                self.press()

    def press(self) -> None:
        """Press the button."""
        with open_ledger(self.place) as ledger:
            ledger.controls.set(self.hypervisors.fleet, "stop", "", ORDER, self.hypervisors.clock.now())
        self.hypervisors.note("stop")

    def lift(self) -> None:
        """Lift the button."""
        with open_ledger(self.place) as ledger:
            ledger.controls.lift(self.hypervisors.fleet, "stop", ORDER, self.hypervisors.clock.now())
        self.hypervisors.note("resume")

    def events(self) -> tuple[EventRecord, ...]:
        """Return everything that is committed."""
        ledger = peek_ledger(self.place)
        if ledger is None:
            return ()
        with ledger:
            return ledger.events(self.hypervisors.fleet)

    def judge(self) -> list[str]:
        """Return what was broken, once the plan is over."""
        ledger = peek_ledger(self.place)
        if ledger is None:
            return [*self.broken, "there is no ledger"]
        with ledger:
            return [*self.broken, *faults_of(self.hypervisors, ledger)]
