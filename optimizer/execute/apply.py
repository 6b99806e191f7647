"""Carry a plan out: admission, then one loop in which moves start when they may and end when they do.

Safety is `after` and the fresh reading before each move; batches and caps only throttle. What has failed is never
tried again, what was to follow it never starts, and everything else goes on: every state that this can lead to is one
that `verify` has judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.errors import Interrupted, SafetyStop
from optimizer.execute.admission import admit
from optimizer.execute.ledger import MoveState, RebalanceState
from optimizer.execute.run import Progress, Run

if TYPE_CHECKING:
    from datetime import datetime

    from optimizer.engine import Stop
    from optimizer.execute.drivers import Driver
    from optimizer.execute.ledger import Ledger
    from optimizer.fleet import Fleet, PastMove
    from optimizer.plan import Plan
    from optimizer.policy import Policy

__all__ = ["Applied", "Progress", "apply"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a plan.

    Attributes
    ----------
    acted
        False for a dry run: nothing was done or written, and `would_do` names the moves that would have been tried.
    done, failed
        Ids of moves, in the order in which they ended.
    skipped
        (id, why) of moves that never started.
    stopped
        The safety that stopped the run before its end; empty if none did.
    simulated
        The driver moved nothing outside this process.
    past
        The moves that ended, as the history has them, in the order in which they ended.
    """

    plan: str
    fleet: str
    acted: bool
    started_at: datetime
    ended_at: datetime
    would_do: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    stopped: str = ""
    simulated: bool = False
    past: tuple[PastMove, ...] = ()

    @property
    def exit_code(self) -> int:
        """4 if a safety stopped the run, 1 if a move failed or never started, 0 otherwise."""
        if self.stopped:
            return SafetyStop.exit_code
        return 1 if self.failed or self.skipped else 0


def apply(
    fleet: Fleet,
    policy: Policy,
    plan: Plan,
    driver: Driver,
    ledger: Ledger | None,
    *,
    act: bool,
    progress: Progress | None = None,
    interrupt: Stop | None = None,
) -> Applied:
    """Carry a plan out, or (without `act`) find out whether it would be.

    Parameters
    ----------
    fleet
        The fleet as it is known now.
    driver
        What reads and moves; the plan expires by its clock.
    ledger
        Where everything is written down; to act it has to be given, a dry run only reads it.
    progress
        Is told of every move that starts or ends: the move, its new state, when, and why.
    interrupt
        When it is set, nothing more is submitted and the run ends before its next step.

    Returns
    -------
    Applied
        A run that was admitted returns what was done in it, also where a safety stopped it half-way.

    Raises
    ------
    SafetyStop
        The plan is foreign, stale, not safe, or was applied before: nothing was done. Or the ledger could not be
        written or the driver lost sight of a move: then the rebalance stays open in the ledger.
    Interrupted
        The user stopped it: the ledger knows what is in flight.
    """
    started_at = driver.clock.now()
    if ledger is not None:
        ledger.refuse_second(plan)  # before anything else: a plan that has run cannot match its fleet any more
    admit(fleet, policy, plan, driver.fleet, started_at)
    if not act:
        moves = tuple(m.id for m in plan.moves)
        end = driver.clock.now()
        return Applied(plan.id, plan.fleet, False, started_at, end, would_do=moves, simulated=driver.simulated)
    if ledger is None:
        raise SafetyStop("acting needs a ledger")
    if interrupt is not None and interrupt.is_set():
        raise Interrupted("interrupted before the plan was begun: nothing was done")
    try:
        ledger.begin(plan, started_at)
        run = Run(fleet, policy, plan, driver, ledger, progress=progress, interrupt=interrupt)
        run.loop()
        ended_at = run.close()
    except KeyboardInterrupt as error:
        raise Interrupted(_cut_off(plan, ledger)) from error
    return Applied(
        plan=plan.id,
        fleet=plan.fleet,
        acted=True,
        started_at=started_at,
        ended_at=ended_at,
        done=tuple(run.done),
        failed=tuple(run.failed),
        skipped=tuple(run.skipped.items()),
        stopped=run.stopped,
        simulated=driver.simulated,
        past=tuple(run.past),
    )


def _cut_off(plan: Plan, ledger: Ledger) -> str:
    """Say what an interrupted run leaves behind, from the ledger alone: only that is on disk whatever was cut off."""
    state = ledger.rebalance(plan.fleet, plan.id)
    if state is None:
        return "interrupted before the plan was begun: nothing was done"
    if state is not RebalanceState.RUNNING:
        return f"interrupted after the plan was carried out: {state.value}, by the ledger"
    flying = ledger.in_flight(plan.fleet)
    done = sum(s is MoveState.DONE for s in ledger.states(plan.fleet, plan.id).values())
    kept = f"Done before: {done} of {len(plan.moves)}. The ledger keeps what was done"
    if not flying:
        return f"interrupted; no move is in flight. {kept}; take a new snapshot before you make a new plan"
    named = ", ".join(f"{f.move} ({f.vm}: {f.source} to {f.target})" for f in flying)
    return (
        f"interrupted; moves that may be in flight: {named}. {kept}; "
        "look where these VMs are before you make a new plan"
    )
