"""One execution of a plan: the loop in which moves start when they may and end when they do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from optimizer.errors import SafetyStop
from optimizer.execute.caps import Caps
from optimizer.execute.drivers import MoveRefused, Unreadable
from optimizer.execute.ledger import MoveState, RebalanceState
from optimizer.execute.recheck import Expected
from optimizer.fleet import MoveOutcome, PastMove
from optimizer.plan import PlannedMove

if TYPE_CHECKING:
    from optimizer.engine import Stop
    from optimizer.execute.drivers import Driver, Result
    from optimizer.execute.ledger import Ledger
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy

__all__ = ["Progress", "Run"]

Progress = Callable[[PlannedMove, MoveState, datetime, str], None]
"""Is told of every move that starts or ends: the move, its new state, when, and why."""


class _Flying(NamedTuple):
    """A submitted move, and when that was."""

    move: PlannedMove
    started_at: datetime


class Run:
    """One execution of a plan, from its first move to its last."""

    def __init__(
        self,
        fleet: Fleet,
        policy: Policy,
        plan: Plan,
        driver: Driver,
        ledger: Ledger,
        *,
        progress: Progress | None = None,
        interrupt: Stop | None = None,
    ) -> None:
        self._plan, self._driver, self._ledger = plan, driver, ledger
        self._progress, self._interrupt = progress, interrupt
        self._caps, self._expected = Caps(fleet, policy.concurrency), Expected(fleet)
        self._flying: dict[str, _Flying] = {}
        self.past: list[PastMove] = []
        self.done: list[str] = []
        self.failed: list[str] = []
        self.skipped: dict[str, str] = {}
        self.stopped = ""

    def loop(self) -> None:
        """Take one batch after the other; a batch is over when each of its moves has ended or never will start.

        Raises
        ------
        KeyboardInterrupt
            The user asked to stop: nothing more was submitted, and what is in flight is not waited for.
        """
        in_order = sorted(self._plan.moves, key=lambda m: m.batch)  # stable: within a batch, in the plan's order
        for _, batch in groupby(in_order, key=lambda m: m.batch):
            waiting = [m for m in batch if self._may_follow(m)]
            while waiting or self._flying:
                waiting = self._start_some(waiting)
                self._heed()
                self._wait()

    def close(self) -> datetime:
        """Write down how it ended; return when."""
        now = self._driver.clock.now()
        whole = RebalanceState.FAILED if self.failed or self.skipped else RebalanceState.DONE
        self._ledger.end(self._plan, RebalanceState.STOPPED if self.stopped else whole, now, self.stopped)
        return now

    def _heed(self) -> None:
        """End here if the user asked to stop: between two steps, so that no step is cut in half."""
        if self._interrupt is not None and self._interrupt.is_set():
            raise KeyboardInterrupt

    def _may_follow(self, move: PlannedMove) -> bool:
        """Skip a move if something that it has to follow did not succeed."""
        missing = next((a for a in move.after if a not in self.done), None)
        if self.stopped:
            self._skip(move, "the run was stopped")
        elif missing is not None:
            self._skip(move, f"{missing} {'failed' if missing in self.failed else 'was not done'}")
        return move.id not in self.skipped

    def _start_some(self, waiting: list[PlannedMove]) -> list[PlannedMove]:
        """Start every move that may start now; return those that have to wait."""
        held: list[tuple[PlannedMove, str]] = []
        for move in waiting:
            self._heed()
            reason = self._start(move)
            if reason is not None:
                held.append((move, reason))
        if held and not self._flying and not self.stopped:
            held = self._not_for_others(held)
        if held and not self._flying and not self.stopped:
            self.stopped = f"the limits on moves at once ({held[-1][1]}) block every remaining move"
        if not self.stopped:
            return [move for move, _ in held]
        for move, _ in held:
            self._skip(move, "the run was stopped")
        return []

    def _not_for_others(self, held: list[tuple[PlannedMove, str]]) -> list[tuple[PlannedMove, str]]:
        """Skip what waits for moves that others make, whose end nobody here can foresee; return the rest."""
        rest = []
        for move, reason in held:
            if self._caps.refusal(move, (), ()) is None:
                self._skip(move, f"at most {reason}, by others")
            else:
                rest.append((move, reason))
        return rest

    def _start(self, move: PlannedMove) -> str | None:
        """Start a move, or skip it for good; return the limit for which it has to wait, None if it does not."""
        if self.stopped:
            return "stopped"
        try:
            change = self._expected.change(move, self._driver)
            migrating = self._driver.migrating()
        except Unreadable as error:
            self.stopped = f"what cannot be read stops the run: {error}"
            return "stopped"
        if change:
            self._skip(move, change)
            return None
        now = self._driver.clock.now()
        limit = self._ledger.intend(self._plan, move, now, partial(self._caps.refusal, move, migrating))
        if limit is None:
            self._submit(move)
        return limit

    def _submit(self, move: PlannedMove) -> None:
        self._tell(move, MoveState.INTENDED)
        try:
            self._driver.submit(move)
        except MoveRefused as error:
            self.failed.append(move.id)
            self._record(move, MoveState.FAILED, str(error))
            return
        self._flying[move.id] = _Flying(move, self._driver.clock.now())
        self._expected.begin(move)
        self._record(move, MoveState.SUBMITTED)

    def _wait(self) -> None:
        """Wait for the next move to end."""
        if not self._flying:
            return
        results = self._driver.poll()
        if not results:
            raise SafetyStop(f"the driver has lost sight of {', '.join(self._flying)}: the ledger keeps them in flight")
        for result in results:
            move, started_at = self._flying.pop(result.move)
            self._expected.end(move, done=result.done)
            (self.done if result.done else self.failed).append(move.id)
            self.past.append(_past(move, started_at, result))
            self._record(move, MoveState.DONE if result.done else MoveState.FAILED, result.detail)

    def _skip(self, move: PlannedMove, why: str) -> None:
        self.skipped[move.id] = why
        self._record(move, MoveState.SKIPPED, why)

    def _record(self, move: PlannedMove, state: MoveState, detail: str = "") -> None:
        self._ledger.record(self._plan, move, state, self._driver.clock.now(), detail)
        self._tell(move, state, detail)

    def _tell(self, move: PlannedMove, state: MoveState, detail: str = "") -> None:
        if self._progress is not None:
            self._progress(move, state, self._driver.clock.now(), detail)


def _past(move: PlannedMove, started_at: datetime, result: Result) -> PastMove:
    """Return the move as the history has it."""
    outcome = MoveOutcome.DONE if result.done else MoveOutcome.FAILED
    times = started_at.timestamp(), result.at.timestamp()
    return PastMove(move.vm, move.source, move.target, *times, outcome, by="remora")
