"""One cycle: read, watch, plan, (approve), execute. Whatever happens in it ends as an outcome with its reason."""

from __future__ import annotations

import logging
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from optimizer.caution import said_in
from optimizer.cautions import cautions, refuse_unknown_names
from optimizer.debug_log import Event as LogEvent
from optimizer.errors import InputError, Interrupted, RemoraError, SafetyStop, printable
from optimizer.execute.admission import admit
from optimizer.plan import Status
from optimizer.problem.problem import Stage
from optimizer.service.automation import Level
from optimizer.service.ending import Ended
from optimizer.service.events import FleetRead, PlanMade, PlanWaits, PlanWarned, RunEnded, Seen, Stopped, Trouble
from optimizer.service.record import Outcome
from optimizer.sources.policy_yaml import missing_required

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optimizer.execute.apply import Applied
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.service.ending import Ending
    from optimizer.service.parts import Parts
    from optimizer.service.record import Cycle
    from optimizer.service.roles import Reading, Watched

__all__ = ["CycleRun"]

LOG = logging.getLogger("remora.service")
T = TypeVar("T")

DETAIL = 500
"""Characters of a reason that are written down."""


class CycleRun:
    """Goes through one cycle.

    Parameters
    ----------
    cycle
        As it began; its fleet is empty where it is not known yet.
    planning
        Whether a plan is due; otherwise one is made only if an imbalance has opened since.
    """

    def __init__(self, parts: Parts, cycle: Cycle, ending: Ending, *, planning: bool = True) -> None:
        self._parts, self._cycle, self._ending, self._planning = parts, cycle, ending, planning
        self._counts: dict[str, float] = {}
        self._plan = self._detail = ""
        self._notes: tuple[str, ...] = ()
        self._snapshot: Mapping[str, Any] | None = None
        self._gave_up = False
        self.error: Exception | None = None
        self.fleet: Fleet | None = None
        self.again_s: float | None = None

    def go(self) -> Cycle:
        """Go through it; returns the cycle as it ended."""
        return self.ended(self._outcome(self._spine))

    def fleet_of(self, named: str = "") -> str:
        """Read only, and return the id of the fleet; empty where it cannot be read, or is not as `cycle.fleet` says."""
        self._outcome(lambda: self._only_read(named))
        return self.fleet.id if self.fleet is not None else ""

    def _only_read(self, named: str) -> Outcome:
        fleet = self._stage("read", self._parts.limits.read_s, self._parts.read).fleet
        if named and fleet.id != named:
            hint = "one service looks after one fleet: name that, or leave cycle.fleet out"
            raise InputError("inventory", "fleet", fleet.id, f"{named}, as cycle.fleet says", hint)
        self._known(fleet)
        return Outcome.WATCHED

    def ended(self, outcome: Outcome) -> Cycle:
        """Return the cycle as it ended."""
        return replace(
            self._cycle,
            ended_at=self._parts.clock.now(),
            outcome=outcome,
            plan=self._plan,
            counts=self._counts,
            detail=printable("; ".join(filter(None, (self._detail, *self._notes))))[:DETAIL],
        )

    def _outcome(self, work: Callable[[], Outcome]) -> Outcome:
        try:
            return work()
        except Ended as ended:
            self._detail = str(ended)
        except Interrupted as error:
            self._detail = str(error)
        except SafetyStop as stop:
            self.error, self._detail = stop, str(stop)
            self._parts.told.tell(Stopped(self._cycle, self._detail))
        except Exception as error:  # one bad cycle never ends the service
            self.error = error
            self._detail = str(error) if isinstance(error, RemoraError) else f"{type(error).__name__}: {error}"
            LOG.debug(LogEvent("trouble", trace=traceback.format_exc()))
            return Outcome.ERROR
        return Outcome.STOPPED

    def _spine(self) -> Outcome:
        reading = self._read()
        self._snapshot = reading.document
        if reading.fleet.awaited:
            self._counts["awaited"] = len(reading.fleet.awaited)
        self._note(reading)
        watched = self._stage("watch", None, lambda: self._parts.watch(reading, self._parts.policy))
        self._see(watched)
        refuse_unknown_names(watched.fleet, self._parts.policy)
        missing_required(self._parts.policy, watched.fleet)
        kept = self._kept(watched)
        if kept is None and not self._wants_plan(watched):
            if not (watched.violations or watched.imbalances):
                return Outcome.CLEAN
            if not self._parts.level.plans:
                self._say(f"automation.level is {self._parts.level.value}: no plan is made")
            return Outcome.WATCHED
        if kept is not None:
            self._count_plan(kept)
            return self._carry_out_or_wait(watched.fleet, kept)
        limits = self._parts.limits
        plan = self._stage(
            "plan", limits.plan_s, lambda: self._parts.plan(watched.fleet, self._parts.policy, self._ending)
        )
        return self._decide(watched.fleet, plan)

    def _read(self) -> Reading:
        """Read the fleet; what a run of before left open is looked after first, and then the fleet is read again."""
        parts = self._parts
        reading = self._stage("read", parts.limits.read_s, parts.read)
        self._known(reading.fleet)
        if not parts.level.acts or not parts.hands.left_open(reading.fleet.id):
            return reading
        settle = parts.hands.settle
        fleet = reading.fleet
        self._stage("settle", parts.limits.execute_s, lambda: settle(fleet, parts.policy, self._ending))
        return self._stage("read", parts.limits.read_s, parts.read)

    def _note(self, reading: Reading) -> None:
        """Tell what is doubtful about the reading, also by the policy, and keep it for the record."""
        parts = self._parts
        doubts = cautions(reading.fleet, parts.policy, parts.clock.now())
        self._notes = notes = (*reading.notes, *map(str, doubts))
        self._counts["notes"] = len(notes)
        self._parts.told.tell(FleetRead(self._cycle, notes))

    def _known(self, fleet: Fleet) -> None:
        self.fleet = fleet
        if not self._cycle.fleet:
            self._cycle = replace(self._cycle, fleet=fleet.id)
        if fleet.id != self._cycle.fleet:
            expected = f"{self._cycle.fleet}, as before"
            raise InputError("inventory", "fleet", fleet.id, expected, "one service looks after one fleet")

    def _see(self, watched: Watched) -> None:
        self.again_s = watched.again_s
        self._counts |= {
            "violations": len(watched.violations),
            "imbalances": len(watched.imbalances),
            "imbalances_opened": len(watched.opened),
            "not_judged": sum(max(1, len(one.subjects)) for one in watched.unjudged),
        }
        self._parts.told.tell(Seen(self._cycle, watched))

    def _wants_plan(self, watched: Watched) -> bool:
        if not self._parts.level.plans:
            return False
        if not self._planning:
            return bool(watched.opened) or self._gave_up
        return not self._parts.plan_when_open or bool(watched.imbalances)

    def _kept(self, watched: Watched) -> Plan | None:
        """Return the plan that waits for approval, if it is still to be carried out; otherwise it waits no longer."""
        parts = self._parts
        plan = parts.keep.waiting()
        if lost := parts.keep.lost():
            parts.told.tell(Trouble("plan", lost))
            parts.keep.no_longer()
            self._gave_up = True
        if plan is None:
            return None
        why = self._not_to_be_carried_out(watched, plan)
        if not why:
            return plan
        self._say(f"plan {plan.id} is given up: {why}")
        self._gave_up = True
        parts.keep.no_longer()
        return None

    def _not_to_be_carried_out(self, watched: Watched, plan: Plan) -> str:
        """Say why a plan that waits is not to be carried out: by the level, on this fleet, for want of a reason."""
        parts = self._parts
        if not parts.level.acts:
            return f"automation.level is {parts.level.value}"
        try:
            admit(watched.fleet, parts.policy, plan, watched.fleet.id, parts.clock.now())
        except SafetyStop as stop:
            return str(stop)
        reasons = {(r.rule, r.subject, r.resource, r.domain) for move in plan.moves for r in move.reasons}
        if reasons and reasons.isdisjoint((v.rule, v.subject, v.resource, v.domain) for v in watched.violations):
            return "nothing that it repairs is violated any more"
        return ""

    def _say(self, text: str) -> None:
        """Add to why the cycle ended so."""
        self._detail = "; ".join(filter(None, (self._detail, text)))

    def _decide(self, fleet: Fleet, plan: Plan) -> Outcome:
        """Say what becomes of a plan that was made just now."""
        parts = self._parts
        self._count_plan(plan)
        self._warn_of(plan)
        if plan.status is Status.NO_PLAN_IN_TIME:
            return Outcome.NO_PLAN
        if not plan.moves:
            return Outcome.REMAINS if plan.remaining else Outcome.CLEAN
        self._plan = plan.id
        path = parts.keep.put(plan, self._snapshot)
        parts.told.tell(PlanMade(self._cycle, plan, path))
        if parts.level is Level.PROPOSE:
            return Outcome.PROPOSED
        return self._carry_out_or_wait(fleet, plan)

    def _carry_out_or_wait(self, fleet: Fleet, plan: Plan) -> Outcome:
        """Carry a plan out if it was approved, or need not be; otherwise let it wait, and tell so each time."""
        self._plan = plan.id
        needs_approval = self._parts.level is Level.APPROVE or self._parts.policy.execution.approval
        if not needs_approval or self._parts.hands.approved(plan):
            return self._carry_out(fleet, plan)
        self._parts.keep.wait(plan)
        self._parts.told.tell(PlanWaits(self._cycle, plan, self._parts.keep.path(plan)))
        return Outcome.WAITING

    def _count_plan(self, plan: Plan) -> None:
        self._counts |= {"moves": len(plan.moves), "remaining": len(plan.remaining)}
        self._counts |= {f"gap_{s.stage}": s.gap for s in plan.objective if s.stage != Stage.PLACEMENT.value}

    def _warn_of(self, plan: Plan) -> None:
        """Tell what makes a plan doubtful by how it was made, and keep it for the record."""
        if warnings := said_in(plan.stats):
            self._counts["plan_warnings"] = len(warnings)
            self._notes = (*self._notes, *map(str, warnings))
            self._parts.told.tell(PlanWarned(self._cycle, warnings))

    def _carry_out(self, fleet: Fleet, plan: Plan) -> Outcome:
        parts = self._parts
        carry_out = parts.hands.carry_out
        self._plan = plan.id
        try:
            applied = self._stage(
                "execute", parts.limits.execute_s, lambda: carry_out(fleet, parts.policy, plan, self._ending)
            )
        finally:
            parts.keep.no_longer()
        parts.told.tell(RunEnded(self._cycle, plan, applied))
        self._count_ends(applied)
        if applied.stopped:
            self._detail = applied.stopped
            parts.told.tell(Stopped(self._cycle, applied.stopped))
            return Outcome.STOPPED
        return Outcome.PARTLY if applied.exit_code else Outcome.DONE

    def _count_ends(self, applied: Applied) -> None:
        for name in ("done", "failed", "skipped", "unknown"):
            self._counts[name] = len(getattr(applied, name))
        if applied.simulated:
            self._counts["simulated"] = len(applied.done)

    def _stage(self, name: str, seconds: float | None, work: Callable[[], T]) -> T:
        """Let a stage begin, unless the service ends, and note how long it took."""
        if self._ending.asked:
            raise Ended(self._ending.reason)
        began = self._parts.clock.monotonic()
        self._ending.begin(name, seconds)
        try:
            return work()
        finally:
            self._ending.begin("")
            took = self._parts.clock.monotonic() - began
            key = f"seconds_{name}"
            self._counts[key] = round(self._counts.get(key, 0.0) + took, 3)
