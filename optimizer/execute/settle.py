"""Look at what a run of before left open until it is known what became of it; nothing is started.

For a process that begins again after a crash and has no plan yet, or will have none: its snapshot should be one in
which nothing is in flight that could be known. The run that was cut off ends as stopped.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.execute.apply import settings_of
from optimizer.execute.button import StopFile
from optimizer.execute.caps import Caps
from optimizer.execute.core import begin
from optimizer.execute.core.events import Effect, End, Event
from optimizer.execute.core.model import Moment
from optimizer.execute.guarded import Guarded
from optimizer.execute.guards.guards import NO_GUARDS
from optimizer.execute.loop import Loop
from optimizer.execute.recheck import Expected
from optimizer.execute.states import RunState

if TYPE_CHECKING:
    from collections.abc import Collection

    from optimizer.engine import Stop
    from optimizer.execute.core.model import State
    from optimizer.execute.drivers import Driver
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Key, Lead
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

__all__ = ["left_open", "settle"]

CUT_OFF = "the process that carried it out ended before it did"


LOOKS = 3
"""At what was waited for in vain before, once it had the time to settle."""


def left_open(ledger: Ledger, fleet: str) -> bool:
    """Whether moves of a fleet are open, or a run is, while nobody carries anything out."""
    return bool(ledger.in_flight(fleet)) or any(run.state is RunState.RUNNING for run in ledger.runs(fleet))


def settle(
    fleet: Fleet,
    policy: Policy,
    driver: Driver,
    ledger: Ledger,
    *,
    by: str,
    interrupt: Stop | None = None,
    known: Collection[Key] = (),
) -> None:
    """Observe every open move of a fleet to its end, as far as one is seen; then end the runs that were cut off.

    Parameters
    ----------
    known
        Moves of which no end was seen before, however long they were waited for. Where nothing else is open they are
        looked at for as long as it takes to see that they are over, if they are.

    Raises
    ------
    SafetyStop
        Somebody else leads the fleet, or the ledger cannot be written.
    KeyboardInterrupt
        `interrupt` was set.
    """
    lead = ledger.lead(fleet.id, by, driver.clock.now())
    try:
        _observe(fleet, policy, driver, ledger, lead, interrupt, known)
        for run in ledger.runs(fleet.id):
            if run.state is RunState.RUNNING:
                ledger.end(lead, run.plan, RunState.STOPPED, driver.clock.now(), CUT_OFF)
    finally:
        ledger.release(lead)


def _observe(
    fleet: Fleet,
    policy: Policy,
    driver: Driver,
    ledger: Ledger,
    lead: Lead,
    interrupt: Stop | None,
    known: Collection[Key],
) -> None:
    caps, expected = Caps(fleet, policy.concurrency, policy.execution.budgets), Expected(fleet)
    flying = ledger.in_flight(fleet.id)
    for move in flying:
        expected.fly(move)
    now = Moment(driver.clock.now(), driver.clock.monotonic())
    settings = settings_of(policy, caps, driver)
    if all(move.key in known for move in flying):
        over_s = settings.settles_s + LOOKS * settings.poll_s
        settings = replace(settings, patience_s=min(settings.patience_s, over_s))
    state = begin({}, settings, (), flying, caps, now)
    loop = _Watching(
        replace(state, stopped=CUT_OFF),
        driver,
        ledger,
        lead,
        plan="",
        moves={},
        caps=caps,
        expected=expected,
        button=StopFile(None),
        guarded=Guarded(NO_GUARDS, fleet, "", driver, policy.judges, ""),
        interrupt=interrupt,
    )
    loop.run()


class _Watching(Loop):
    """The loop of a run that is none: it has no plan, and no end that would be written down."""

    def _carry_out(self, effect: Effect, before: State) -> Event | None:
        if isinstance(effect, End):
            self._guarded.over(self.state)
            return None
        return super()._carry_out(effect, before)
