"""What people do by the page: they write to the ledger, as `remora approve`, `stop` and `resume` do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.errors import SafetyStop
from optimizer.execute.button import stopping
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.records import EVERY_FLEET, Order
from optimizer.plan_identity import digest_of

if TYPE_CHECKING:
    from optimizer.clock import Clock
    from optimizer.execute.button import StopFile
    from optimizer.plan import Plan

__all__ = ["Acts"]


class Acts:
    """Acts on a ledger; each opens it for itself, so that a stop waits for no reader."""

    def __init__(self, ledger: str, button: StopFile, clock: Clock) -> None:
        self._place, self._button, self._clock = ledger, button, clock

    def approve(self, plan: Plan, digest: str, by: str, reason: str) -> None:
        """Approve a plan, if it is still the one that was shown.

        Raises
        ------
        SafetyStop
            It was changed since.
        """
        if digest != digest_of(plan):
            raise SafetyStop(f"plan {plan.id} is not the one that was shown: load the page again")
        with open_ledger(self._place) as ledger:
            ledger.controls.approve(plan.fleet, plan.id, digest, Order(by, reason), self._clock.now())

    def stop(self, fleet: str, by: str, reason: str) -> None:
        """Press the button: the file first, which works where the ledger cannot be written.

        Where no fleet is known yet (`EVERY_FLEET`), each is stopped before its first run.

        Raises
        ------
        SafetyStop
            The ledger is stopped, and the file could not be written; or neither was possible.
        """
        with stopping(self._button, f"{by}: {reason}") as wrong, open_ledger(self._place) as ledger:
            ledger.controls.set(fleet or EVERY_FLEET, "stop", "", Order(by, reason), self._clock.now())
        if wrong is not None:
            raise SafetyStop(f"stopped by the ledger alone: {wrong}")

    def resume(self, fleet: str, by: str, reason: str) -> None:
        """Lift what stops this fleet: its own stop, one of every fleet, and the file.

        A stop of every fleet (`remora stop`) is also one of each fleet that the ledger knew: those of the others stay,
        for whoever looks after them; `remora resume` lifts all.
        """
        self._button.check()
        with open_ledger(self._place) as ledger:
            for name in dict.fromkeys((fleet, EVERY_FLEET)):
                ledger.controls.lift(name, "stop", Order(by, reason), self._clock.now())
        self._button.lift()
