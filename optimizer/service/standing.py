"""How a fleet stands by the ledger, looked at now and then while the service rests."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from optimizer.errors import SafetyStop
from optimizer.service.events import Standing, Trouble

if TYPE_CHECKING:
    from optimizer.clock import Clock
    from optimizer.execute.button import StopFile
    from optimizer.execute.ledger import Ledger
    from optimizer.policy import Policy
    from optimizer.service.events import Told
    from optimizer.service.keep import Keep

__all__ = ["Look"]

EVERY_S = 5.0


class Look:
    """Looks at most every few seconds, and tells what it sees."""

    def __init__(self, ledger: Ledger, button: StopFile, policy: Policy, keep: Keep, clock: Clock, told: Told) -> None:
        self._ledger, self._button, self._policy, self._keep = ledger, button, policy, keep
        self._clock, self._told = clock, told
        self._looked_at = float("-inf")

    def at(self, fleet: str, *, now: bool = False) -> None:
        """Look at a fleet, if it is time."""
        at = self._clock.monotonic()
        if not fleet or (at - self._looked_at < EVERY_S and not now):
            return
        self._looked_at = at
        try:
            self._told.tell(self._seen(fleet))
        except SafetyStop as stop:
            self._told.tell(Trouble("ledger", str(stop)))

    def _seen(self, fleet: str) -> Standing:
        stop = self._ledger.controls.of(fleet).get("stop")
        waiting = self._keep.waiting()
        return Standing(
            fleet=fleet,
            stopped=f"{stop.by}: {stop.reason}" if stop is not None else self._button.reason(),
            open_moves=Counter(move.state.value for move in self._ledger.in_flight(fleet)),
            budget=self._ledger.budgets_left(fleet, self._policy.execution.budgets, self._clock.now()),
            waiting=waiting.id if waiting is not None else "",
        )
