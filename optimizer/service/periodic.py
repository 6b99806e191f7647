"""One cycle after the other, until the service is told to end: no cycle ends it, and each is accounted for."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from optimizer.clock import pieces
from optimizer.errors import RemoraError, SafetyStop
from optimizer.service.cycle import CycleRun
from optimizer.service.events import CycleBegan, CycleEnded, LeadChanged, Trouble
from optimizer.service.record import Cycle, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.service.ending import Ending
    from optimizer.service.parts import Parts
    from optimizer.service.schedule import Schedule

__all__ = ["Lease", "Periodic", "Triggers"]

REST_S = 0.5
"""How long it sleeps at most before it looks up: for an end, a trigger, an approval."""

KEEP_S = 10.0
"""How often the lease is kept while nothing else is done: it lasts three times that."""

APPROVAL_S = 2.0
"""How often it is looked whether the plan that waits was approved."""

UNWRITTEN = 1000
"""Cycles that are kept in mind while the ledger cannot be written."""


class Lease(Protocol):
    """The right of one of several replicas to make cycles for a fleet."""

    epoch: int

    def take(self, fleet: str) -> str:
        """Take it; returns who has it, empty if it was taken."""

    def keep(self) -> bool:
        """Keep it; False where it is lost."""

    def release(self) -> None:
        """Give it back."""


class Triggers:
    """Why a cycle is wanted now. Signal handlers and other threads add to it, so there is no lock."""

    def __init__(self) -> None:
        self._pulled: deque[str] = deque(maxlen=16)

    def pull(self, trigger: str) -> None:
        """Want a cycle, as soon as the present one has ended."""
        self._pulled.append(trigger)

    def take(self) -> str:
        """Return what was wanted since, in one word; empty if nothing was."""
        pulled = list(dict.fromkeys(self._pulled))
        self._pulled.clear()
        return "+".join(pulled)


class Periodic:
    """The service without its edges.

    Parameters
    ----------
    holder
        What this process is called in the ledger.
    fleet
        The fleet that it looks after, as the configuration names it; empty: the one that is read first. Only what was
        read, or has cycles in the ledger, is believed to be a fleet.
    lease_again_s
        How often a replica that does not lead tries to.
    look_s
        How long it sleeps at most before it looks up.
    """

    def __init__(
        self,
        parts: Parts,
        schedule: Schedule,
        ending: Ending,
        lease: Lease,
        holder: str,
        *,
        fleet: str = "",
        lease_again_s: float = 10.0,
        look_s: float = REST_S,
        triggers: Triggers | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._parts, self._schedule, self._ending, self._lease = parts, schedule, ending, lease
        self._holder, self._named, self._again_s, self._alive = holder, fleet, lease_again_s, alive
        self.fleet = ""
        self.triggers = triggers or Triggers()
        self.leads = False
        self._look_s = look_s
        self._unwritten: deque[Cycle] = deque(maxlen=UNWRITTEN)
        self._looked_at = float("-inf")
        self._kept_at = float("-inf")
        self.error: Exception | None = None
        self._watch_again_s: float | None = None
        self._other = ""
        self._approved = ""
        self.last: Cycle

    def run(self) -> None:
        """Make cycles until the service is told to end."""
        try:
            while not self._ending.asked:
                self._alive()
                if self.fleet and not self._has_lead():
                    self._rest(self._again_s)
                    continue
                trigger = self._trigger()
                if trigger and not self.fleet and not self._learned(trigger):
                    continue
                if trigger and self._has_lead():
                    self.one(trigger, planning=trigger != "watch")
                else:
                    self._rest(self._look_s)
            self._write_rest()
        finally:
            self._give_up("the service ends")

    def want(self, trigger: str) -> str:
        """Want a cycle; returns why none will begin here, empty where one will. For other threads."""
        if self._other and not self.leads:
            return f"cycles of fleet {self.fleet} are made by another: {self._other}"
        self.triggers.pull(trigger)
        return ""

    def once(self) -> Cycle:
        """Make one cycle.

        Raises
        ------
        SafetyStop
            Another replica leads.
        """
        try:
            if not self.fleet and not self._learned("once"):
                return self.last
            if not self._has_lead():
                raise SafetyStop(f"cycles of fleet {self.fleet} are made by another: {self._other}")
            return self.one("once")
        finally:
            self._give_up("one cycle was made")

    def _learned(self, trigger: str) -> bool:
        """Find out which fleet it is, before there can be a lease; a reading that fails is a cycle that failed."""
        began = self._parts.clock.monotonic()
        if self._named and self._has_cycles(self._named):
            self.fleet = self._named
            return True
        cycle = Cycle("", 0, trigger, self._holder, self._parts.clock.now())
        run = CycleRun(self._parts, cycle, self._ending)
        self.fleet = run.fleet_of(self._named)
        self.error = run.error
        if self.fleet or self._ending.asked:
            return bool(self.fleet)
        self._over(self._unrecorded(run.ended(Outcome.ERROR)), began, planned=True)
        return False

    def _has_cycles(self, fleet: str) -> bool:
        try:
            return bool(self._parts.book.cycles(fleet, 1))
        except SafetyStop as stop:
            self._parts.told.tell(Trouble("ledger", str(stop)))
            return False

    def one(self, trigger: str, *, planning: bool = True) -> Cycle:
        """Make one cycle, write it down, and say when the next is due."""
        began = self._parts.clock.monotonic()
        cycle = Cycle(self.fleet, 0, trigger, self._holder, self._parts.clock.now(), epoch=self._lease.epoch)
        return self._over(self._made(cycle, planning=planning), began, planned=planning)

    def _over(self, cycle: Cycle, began: float, *, planned: bool) -> Cycle:
        self.last = cycle
        self._parts.told.tell(CycleEnded(cycle))
        now, again_s = self._parts.clock.monotonic(), self._watch_again_s
        self._schedule.after(began, now, cycle.outcome, planned=planned, again_s=again_s)
        return cycle

    def _made(self, cycle: Cycle, *, planning: bool) -> Cycle:
        try:
            self._write_rest()
            cycle = replace(cycle, number=self._parts.book.begin(cycle))
        except SafetyStop as stop:
            self.error = stop
            return self._unrecorded(replace(cycle, outcome=Outcome.ERROR, detail=str(stop)))
        self._parts.told.tell(CycleBegan(cycle))
        run = CycleRun(self._parts, cycle, self._ending, planning=planning)
        done = run.go()
        self.error, self._watch_again_s = run.error, run.again_s
        return self._ended(done)

    def _ended(self, cycle: Cycle) -> Cycle:
        """Write down how a cycle ended; if that cannot be, later."""
        try:
            self._parts.book.end(cycle)
        except SafetyStop as stop:
            self._parts.told.tell(Trouble("ledger", str(stop)))
            self._unwritten.append(cycle)
        return cycle

    def _unrecorded(self, cycle: Cycle) -> Cycle:
        """Keep a cycle in mind that has no number yet, and try to write it down at once."""
        if cycle.ended_at is None:
            cycle = replace(cycle, ended_at=self._parts.clock.now())
        self._unwritten.append(cycle)
        try:
            self._write_rest()
        except SafetyStop as stop:
            self._parts.told.tell(Trouble("ledger", str(stop)))
        return cycle

    def _write_rest(self) -> None:
        """Write down what could not be before."""
        while self._unwritten:
            cycle = self._unwritten[0]
            fleet = cycle.fleet or self.fleet
            if not fleet:
                return
            cycle = replace(cycle, fleet=fleet)
            if not cycle.number:
                cycle = replace(cycle, number=self._parts.book.begin(cycle))
                self._unwritten[0] = cycle
            self._parts.book.end(cycle)
            self._unwritten.popleft()

    def _trigger(self) -> str:
        """Return why a cycle is due: somebody wants one, a plan was approved, or it is time."""
        trigger = self.triggers.take()
        if trigger:
            return trigger
        now = self._parts.clock.monotonic()
        if now - self._looked_at >= APPROVAL_S and self._parts.level.acts:
            self._looked_at = now
            if self._is_approved_since():
                return "approval"
        return self._schedule.due(now)

    def _is_approved_since(self) -> bool:
        """Whether the plan that waits was approved: said once; where its cycle fails, the schedule has the next."""
        plan = self._parts.keep.waiting()
        try:
            if plan is None or plan.id == self._approved or not self._parts.hands.approved(plan):
                return False
        except SafetyStop as stop:
            self._parts.told.tell(Trouble("ledger", str(stop)))
            return False
        self._approved = plan.id
        return True

    def _has_lead(self) -> bool:
        """Take the lease, or keep it now and then."""
        now = self._parts.clock.monotonic()
        try:
            if self.leads:
                if now - self._kept_at < KEEP_S:
                    return True
                self._kept_at = now
                if self._lease.keep():
                    return True
                self._give_up("the lease is lost: another has taken it, or the ledger was away for too long")
                return False
            self._other = self._lease.take(self.fleet)
        except RemoraError as error:  # of a ledger that cannot be opened: it was there when the service began
            self._parts.told.tell(Trouble("ledger", str(error)))
            return self.leads
        if self._other:
            self._parts.told.tell(LeadChanged(self.fleet, False, self._other))
            return False
        self.leads, self._kept_at = True, now
        self._parts.told.tell(LeadChanged(self.fleet, True))
        return True

    def _give_up(self, why: str) -> None:
        if self.leads:
            self.leads = False
            self._lease.release()
            self._parts.told.tell(LeadChanged(self.fleet, False, why))

    def _rest(self, seconds: float) -> None:
        """Let time pass, unless the service is told to end."""
        for piece in pieces(self._parts.clock, seconds, self._look_s):
            if self._ending.asked:
                return
            self._parts.clock.sleep(piece)
