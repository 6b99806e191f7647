"""Carries plans out as `remora apply --act` does, with the service's end in view."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.errors import Interrupted
from optimizer.execute.apply import apply
from optimizer.execute.guards.guards import NO_GUARDS, has_guards
from optimizer.execute.ledger.records import recorded_driver
from optimizer.execute.settle import left_open, settle
from optimizer.plan_identity import digest_of
from optimizer.service.automation import Level
from optimizer.service.ending import EndingButton, Interrupting
from optimizer.service.events import MoveChanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from optimizer.execute.apply import Applied
    from optimizer.execute.button import StopFile
    from optimizer.execute.drivers import Driver
    from optimizer.execute.guards.guards import Guards
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Key, Order
    from optimizer.execute.states import MoveState
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, PlannedMove
    from optimizer.policy import Policy
    from optimizer.service.ending import Ending
    from optimizer.service.events import Told

__all__ = ["LedgerHands"]


class LedgerHands:
    """The hands of a service: a driver for each plan, one ledger.

    Parameters
    ----------
    opened
        Opens the driver for a snapshot.
    driver_name
        What the ledger calls it.
    guards
        Makes the policy's gates and hooks ready; asked only where there are any.
    """

    def __init__(
        self,
        ledger: Ledger,
        opened: Callable[[Fleet], Driver],
        driver_name: str,
        button: StopFile,
        level: Level,
        order: Order,
        told: Told,
        guards: Callable[[Policy], Guards] | None = None,
    ) -> None:
        self._ledger, self._opened, self._name, self._button = ledger, opened, driver_name, button
        self._level, self._order, self._told, self._guards = level, order, told, guards
        self._given_up: frozenset[Key] = frozenset()

    def left_open(self, fleet: str) -> bool:
        """Whether a run was cut off, or moves are open of which no end was seen yet."""
        return left_open(self._ledger, fleet)

    def settle(self, fleet: Fleet, policy: Policy, ending: Ending) -> None:
        """Look at what is open: at what was waited for in vain before for no longer than it takes to see an end."""
        known = self._given_up
        driver = self._opened(fleet)
        try:
            settle(fleet, policy, driver, self._ledger, by=self._order.by, interrupt=Interrupting(ending), known=known)
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted while open moves were looked at: the ledger keeps them open") from error
        self._given_up = frozenset(f.key for f in self._ledger.in_flight(fleet.id))

    def approved(self, plan: Plan) -> bool:
        """Whether somebody approved this plan, as it is."""
        approval = self._ledger.controls.approval(plan.fleet, plan.id)
        return approval is not None and approval.digest == digest_of(plan)

    def carry_out(self, fleet: Fleet, policy: Policy, plan: Plan, ending: Ending) -> Applied:
        """Carry a plan out; where the level asks for an approval, `apply` does too."""
        if self._level is Level.APPROVE:
            policy = replace(policy, execution=replace(policy.execution, approval=True))
        driver = self._opened(fleet)
        guarded = has_guards(policy) and not driver.simulated and self._guards is not None
        guards = self._guards(policy) if guarded and self._guards else NO_GUARDS

        def told(move: PlannedMove, state: MoveState, at: datetime, detail: str) -> None:
            self._told.tell(MoveChanged(plan.fleet, plan.id, move, state, at, detail))

        return apply(
            fleet,
            policy,
            plan,
            driver,
            self._ledger,
            act=True,
            order=self._order,
            driver_name=recorded_driver(self._name, simulated=driver.simulated),
            button=EndingButton(self._button, ending),
            guards=guards,
            progress=told,
            interrupt=Interrupting(ending),
        )
