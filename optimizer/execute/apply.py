"""Carry a plan out: admission, then one loop in which moves start when they may and end when they do.

Safety is `after` and the fresh reading before each move; batches and caps only throttle. What has failed is never
tried again, what was to follow it never starts, and everything else goes on: every state that this can lead to is one
that `verify` has judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from optimizer.errors import Interrupted, SafetyStop
from optimizer.execute.admission import admit
from optimizer.execute.drivers import MoveRefused, Unreadable
from optimizer.execute.ledger import MoveState, RebalanceState
from optimizer.execute.recheck import Expected, capped
from optimizer.plan import PlannedMove

if TYPE_CHECKING:
    from optimizer.execute.drivers import Driver
    from optimizer.execute.ledger import Ledger
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy

__all__ = ["Applied", "Progress", "apply"]

Progress = Callable[[PlannedMove, MoveState, datetime, str], None]
"""Is told of every move that starts or ends: the move, its new state, when, and why."""


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
        The user stopped it: the ledger knows what is under way.
    """
    started_at = driver.clock.now()
    if ledger is not None:
        ledger.refuse_second(plan)  # before anything else: a plan that has run cannot match its fleet any more
    admit(fleet, policy, plan, driver.fleet, started_at)
    if not act:
        moves = tuple(m.id for m in plan.moves)
        return Applied(plan.id, plan.fleet, False, started_at, driver.clock.now(), would_do=moves)
    if ledger is None:
        raise SafetyStop("acting needs a ledger")
    ledger.begin(plan, started_at)
    run = _Run(fleet, policy, plan, driver, ledger, progress)
    try:
        run.loop()
    except KeyboardInterrupt as error:
        under_way = ", ".join(run.flying) or "none"
        raise Interrupted(
            f"interrupted; moves under way: {under_way}. The ledger keeps what was done; "
            "look where these VMs are before you make a new plan"
        ) from error
    return run.close(started_at)


class _Run:
    """One execution of a plan, from its first move to its last."""

    def __init__(
        self, fleet: Fleet, policy: Policy, plan: Plan, driver: Driver, ledger: Ledger, progress: Progress | None
    ) -> None:
        self._fleet, self._caps, self._plan = fleet, policy.concurrency, plan
        self._driver, self._ledger, self._progress = driver, ledger, progress
        self._expected = Expected(fleet)
        self.flying: dict[str, PlannedMove] = {}
        self._done: list[str] = []
        self._failed: list[str] = []
        self._skipped: dict[str, str] = {}
        self._stopped = ""

    def loop(self) -> None:
        """Take one batch after the other; a batch is over when each of its moves has ended or never will start."""
        in_order = sorted(self._plan.moves, key=lambda m: m.batch)  # stable: within a batch, in the plan's order
        for _, batch in groupby(in_order, key=lambda m: m.batch):
            waiting = [m for m in batch if self._may_follow(m)]
            while waiting or self.flying:
                waiting = self._start_some(waiting)
                self._wait()

    def close(self, started_at: datetime) -> Applied:
        """Write down how it ended."""
        now = self._driver.clock.now()
        whole = RebalanceState.FAILED if self._failed or self._skipped else RebalanceState.DONE
        self._ledger.end(self._plan, RebalanceState.STOPPED if self._stopped else whole, now, self._stopped)
        return Applied(
            plan=self._plan.id,
            fleet=self._plan.fleet,
            acted=True,
            started_at=started_at,
            ended_at=now,
            done=tuple(self._done),
            failed=tuple(self._failed),
            skipped=tuple(self._skipped.items()),
            stopped=self._stopped,
        )

    def _may_follow(self, move: PlannedMove) -> bool:
        """Skip a move if something that it has to follow did not succeed."""
        missing = next((a for a in move.after if a not in self._done), None)
        if self._stopped:
            self._skip(move, "the run was stopped")
        elif missing is not None:
            self._skip(move, f"{missing} {'failed' if missing in self._failed else 'was not done'}")
        return move.id not in self._skipped

    def _start_some(self, waiting: list[PlannedMove]) -> list[PlannedMove]:
        """Start every move that may start now; return those that have to wait."""
        held, why = [], ""
        for move in waiting:
            reason = self._start(move)
            if reason is not None:
                held.append(move)
                why = reason
        if held and not self.flying and not self._stopped:
            self._stopped = f"the limits on moves at once ({why}) let no move start"
        if not self._stopped:
            return held
        for move in held:
            self._skip(move, "the run was stopped")
        return []

    def _start(self, move: PlannedMove) -> str | None:
        """Start a move, or skip it for good; return the limit for which it has to wait, None if it does not."""
        if self._stopped:
            return "stopped"
        try:
            change = self._expected.change(move, self._driver)
        except Unreadable as error:
            self._stopped = f"what cannot be read stops the run: {error}"
            return "stopped"
        if change:
            self._skip(move, change)
            return None
        now = self._driver.clock.now()
        limit = self._ledger.intend(self._plan, move, now, partial(capped, self._fleet, self._caps, move))
        if limit is None:
            self._submit(move)
        return limit

    def _submit(self, move: PlannedMove) -> None:
        self._tell(move, MoveState.INTENDED)
        try:
            self._driver.submit(move)
        except MoveRefused as error:
            self._failed.append(move.id)
            self._record(move, MoveState.FAILED, str(error))
            return
        self.flying[move.id] = move
        self._expected.begin(move)
        self._record(move, MoveState.SUBMITTED)

    def _wait(self) -> None:
        """Wait for the next move to end."""
        if not self.flying:
            return
        results = self._driver.poll()
        if not results:
            raise SafetyStop(f"the driver has lost sight of {', '.join(self.flying)}: the ledger keeps them in flight")
        for result in results:
            move = self.flying.pop(result.move)
            self._expected.end(move, done=result.done)
            (self._done if result.done else self._failed).append(move.id)
            self._record(move, MoveState.DONE if result.done else MoveState.FAILED, result.detail)

    def _skip(self, move: PlannedMove, why: str) -> None:
        self._skipped[move.id] = why
        self._record(move, MoveState.SKIPPED, why)

    def _record(self, move: PlannedMove, state: MoveState, detail: str = "") -> None:
        self._ledger.record(self._plan, move, state, self._driver.clock.now(), detail)
        self._tell(move, state, detail)

    def _tell(self, move: PlannedMove, state: MoveState, detail: str = "") -> None:
        if self._progress is not None:
            self._progress(move, state, self._driver.clock.now(), detail)
