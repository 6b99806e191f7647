"""Carry a plan out: admission, the lead, then the loop until every move has ended.

Safety is `after` and the fresh reading before each move; everything else throttles. What has failed for good is not
tried again, what was to follow it never starts, and everything else goes on: every state that this can lead to is one
that `verify` has judged. A run that was cut off goes on where it was, once all that it left open is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optimizer.errors import Interrupted, SafetyStop, StalePlan
from optimizer.execute.admission import admit
from optimizer.execute.button import StopFile
from optimizer.execute.caps import Caps
from optimizer.execute.core import begin
from optimizer.execute.core.choose import tasks_of
from optimizer.execute.core.model import Moment, Settings
from optimizer.execute.drivers import HoldsBack
from optimizer.execute.guarded import Guarded
from optimizer.execute.guards.guards import NO_GUARDS, has_guards
from optimizer.execute.ledger.records import Order
from optimizer.execute.loop import Loop, Progress
from optimizer.execute.past import past_move
from optimizer.execute.recheck import Expected
from optimizer.execute.states import OPEN, MoveState, RunState
from optimizer.plan_identity import digest_of

if TYPE_CHECKING:
    from datetime import datetime

    from optimizer.engine import Stop
    from optimizer.execute.core.model import State
    from optimizer.execute.drivers import Driver
    from optimizer.execute.guards.guards import Guards
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Lead
    from optimizer.fleet import Fleet, PastMove
    from optimizer.plan import Plan
    from optimizer.policy import Policy

__all__ = ["NOBODY", "Applied", "Progress", "apply", "loop_of", "settings_of"]

NOBODY = Order("", "")


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
    unknown
        Ids of moves of which nobody knows what became: the ledger keeps them open.
    stopped
        The safety that stopped the run before its end; empty if none did.
    simulated
        The driver moved nothing outside this process.
    past
        The moves that ended, as the history has them, in the order in which they ended.
    hook_failures
        (move, what went wrong) of hooks after moves; nothing is undone for that.
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
    unknown: tuple[str, ...] = ()
    stopped: str = ""
    simulated: bool = False
    past: tuple[PastMove, ...] = ()
    hook_failures: tuple[tuple[str, str], ...] = ()

    @property
    def exit_code(self) -> int:
        """4 if a safety stopped the run, 1 if a move failed or never started or a hook failed, 0 otherwise."""
        if self.stopped:
            return SafetyStop.exit_code
        return 1 if self.failed or self.skipped or self.unknown or self.hook_failures else 0


def apply(
    fleet: Fleet,
    policy: Policy,
    plan: Plan,
    driver: Driver,
    ledger: Ledger | None,
    *,
    act: bool,
    order: Order = NOBODY,
    driver_name: str = "",
    button: StopFile | None = None,
    guards: Guards = NO_GUARDS,
    settings: Settings | None = None,
    progress: Progress | None = None,
    interrupt: Stop | None = None,
) -> Applied:
    """Carry a plan out, or (without `act`) find out whether it would be.

    Parameters
    ----------
    fleet
        The fleet as it is known now; to go on with a run that was cut off, the snapshot that it began with.
    driver
        What reads and moves; the plan expires by its clock.
    ledger
        Where everything is written down; to act it has to be given, a dry run only reads it.
    order
        Who asked for it, and why.
    button
        The file that stops every run; without it only the ledger's button does.
    guards
        What asks the gates and calls the hooks of the policy (`optimizer.execute.guards`); none: there are none.
    settings
        How to go about it, instead of what the policy says.
    progress
        Is told of every move that starts, changes or ends: the move, its new state, when, and why.
    interrupt
        When it is set, nothing more is submitted and the run ends before its next step.

    Returns
    -------
    Applied
        A run that was admitted returns what was done in it, also where a safety stopped it half-way.

    Raises
    ------
    SafetyStop
        The plan is foreign, stale, not safe, not approved, or was applied before; the button is pressed; somebody else
        is acting: nothing was done. Or the ledger could not be written: then the run stays open in the ledger.
    Interrupted
        The user stopped it: the ledger knows what is in flight.
    """
    if fleet.simulated and not driver.simulated:
        raise StalePlan(f"the snapshot of fleet {fleet.id} was left by a simulation: no host was read; take a new one")
    started_at = driver.clock.now()
    button = button or StopFile(None)
    going_on = False
    if ledger is not None:
        ledger.refuse_second(plan)  # before anything else: a plan that has run cannot match its fleet any more
        run = ledger.run(plan.fleet, plan.id)
        going_on = run is not None and run.state is RunState.RUNNING
    admit(fleet, policy, plan, driver.fleet, started_at, going_on=going_on)
    approved = _refuse_stopped(policy, plan, ledger, button)
    if not act:
        moves = tuple(m.id for m in plan.moves)
        end = driver.clock.now()
        return Applied(plan.id, plan.fleet, False, started_at, end, would_do=moves, simulated=driver.simulated)
    if ledger is None:
        raise SafetyStop("acting needs a ledger")
    if has_guards(policy) and guards is NO_GUARDS and not driver.simulated:
        raise SafetyStop(f"policy {policy.name} asks for gates or hooks, and nothing was handed in that asks them")
    if interrupt is not None and interrupt.is_set():
        raise Interrupted("interrupted before the plan was begun: nothing was done")
    try:
        lead = ledger.lead(plan.fleet, order.by or "somebody", started_at)
        try:
            ledger.begin(lead, plan, order, started_at, driver=driver_name, approved=approved)
            loop = loop_of(
                fleet, policy, plan, driver, ledger, lead, button, guards, order, settings, progress, interrupt
            )
            loop.run()
        finally:
            ledger.release(lead)
    except KeyboardInterrupt as error:
        raise Interrupted(_cut_off(plan, ledger)) from error
    return _applied(plan, loop, started_at, driver)


def settings_of(policy: Policy, caps: Caps, driver: Driver, guards: Guards = NO_GUARDS) -> Settings:
    """Return how a policy wants a plan carried out."""
    asked = policy.execution
    return Settings(
        canary=asked.canary,
        fleet_cap=caps.fleet_cap,
        attempts=asked.attempts,
        stall_s=asked.stall_s,
        seconds_per_gib=asked.seconds_per_gib,
        settles_s=driver.settles_s,
        patience_s=asked.patience_s,
        breaker_hosts=asked.breaker_hosts,
        breaker_share=asked.breaker_share,
        windows=asked.windows,
        gates=guards.gates is not None,
        gate_every=asked.gates.every,
        gate_again_s=asked.gates.again_s,
        gate_hold_s=asked.gates.hold_s,
        hooks=guards.hooks is not None,
    )


def _refuse_stopped(policy: Policy, plan: Plan, ledger: Ledger | None, button: StopFile) -> str:
    """Refuse to begin where the button is pressed or an approval is missing; return who approved."""
    if reason := button.reason():
        raise SafetyStop(f"{reason} (`remora resume` lifts it)")
    stop = ledger.controls.of(plan.fleet).get("stop") if ledger is not None else None
    if stop is not None:
        raise SafetyStop(f"stopped by {stop.by} at {stop.at.isoformat()}: {stop.reason} (`remora resume` lifts it)")
    if not policy.execution.approval:
        return ""
    approval = ledger.controls.approval(plan.fleet, plan.id) if ledger is not None else None
    if approval is None:
        raise SafetyStop(f"plan {plan.id} is not approved, and policy {policy.name} asks for that: `remora approve`")
    if approval.digest != digest_of(plan):
        raise SafetyStop(f"plan {plan.id} is not what {approval.by} approved: it was changed since")
    return approval.by


def loop_of(
    fleet: Fleet,
    policy: Policy,
    plan: Plan,
    driver: Driver,
    ledger: Ledger,
    lead: Lead,
    button: StopFile,
    guards: Guards,
    order: Order,
    settings: Settings | None,
    progress: Progress | None,
    interrupt: Stop | None,
) -> Loop:
    """Return the loop of a run, from what the ledger knows of it and of others."""
    apart = isinstance(driver, HoldsBack) and driver.holds_back
    caps = Caps(fleet, policy.concurrency, policy.execution.budgets, apart=apart)
    settings = replace(settings, fleet_cap=caps.fleet_cap) if settings else settings_of(policy, caps, driver, guards)
    known = ledger.moves(plan.fleet, plan.id)
    others = [f for f in ledger.in_flight(plan.fleet) if f.plan != plan.id]
    expected, guarded = Expected(fleet), Guarded(guards, fleet, plan.id, driver, policy.judges, order.reason)
    for record in sorted(known, key=lambda r: r.changed_at):
        if record.flying.state not in OPEN and record.flying.state is not MoveState.SKIPPED:
            expected.land(record.flying, record.flying.state)
            guarded.land(record.flying, record.flying.state)
    for move in (*(r.flying for r in known if r.flying.state in OPEN), *others):
        expected.fly(move)
    now = Moment(driver.clock.now(), driver.clock.monotonic())
    settings = replace(settings, apart=apart, ground_s=max(1.0, (plan.expires_at - plan.taken_at).total_seconds()))
    age = max(0.0, (now.at - max(fleet.taken_at, plan.taken_at)).total_seconds())
    kinds = {rule.name: getattr(rule, "kind", rule.name) for rule in policy.rules}
    loop = Loop(
        begin(tasks_of(plan, fleet, caps, kinds), settings, known, others, caps, now, age),
        driver,
        ledger,
        lead,
        plan=plan.id,
        moves={m.id: m for m in plan.moves},
        caps=caps,
        expected=expected,
        button=button,
        guarded=guarded,
        progress=progress,
        interrupt=interrupt,
    )
    for record in sorted(known, key=lambda r: r.changed_at):
        state = record.flying.state
        if state not in OPEN and state is not MoveState.SKIPPED:
            loop.order.append(record.flying.key)
            loop.past.append(past_move(record.flying, state, record.flying.intended_at, record.changed_at))
    return loop


def _applied(plan: Plan, loop: Loop, started_at: datetime, driver: Driver) -> Applied:
    state = loop.state
    order = {key: number for number, key in enumerate(loop.order)}
    ended = sorted((k for k in state.ended if k in state.tasks), key=lambda k: (order.get(k, -1), k.move))
    own = {m.id: number for number, m in enumerate(plan.moves)}
    skipped = sorted((k for k in ended if state.ended[k].state is MoveState.SKIPPED), key=lambda k: own[k.move])
    return Applied(
        plan=plan.id,
        fleet=plan.fleet,
        acted=True,
        started_at=started_at,
        ended_at=driver.clock.now(),
        done=tuple(k.move for k in ended if state.ended[k].state is MoveState.DONE),
        failed=tuple(k.move for k in ended if state.ended[k].state in (MoveState.FAILED, MoveState.GONE)),
        skipped=tuple((k.move, state.ended[k].detail) for k in skipped),
        unknown=_unknown(state),
        stopped=state.stopped,
        simulated=driver.simulated,
        past=tuple(loop.past),
        hook_failures=tuple(loop.hook_failures),
    )


def _unknown(state: State) -> tuple[str, ...]:
    return tuple(sorted(key.move for key in state.flying if key in state.tasks))


def _cut_off(plan: Plan, ledger: Ledger) -> str:
    """Say what an interrupted run leaves behind, from the ledger alone: only that is on disk whatever was cut off."""
    run = ledger.run(plan.fleet, plan.id)
    if run is None:
        return "interrupted before the plan was begun: nothing was done"
    if run.state is not RunState.RUNNING:
        return f"interrupted after the plan was carried out: {run.state.value}, by the ledger"
    flying = ledger.in_flight(plan.fleet)
    done = sum(s is MoveState.DONE for s in ledger.states(plan.fleet, plan.id).values())
    kept = f"Done before: {done} of {len(plan.moves)}. The ledger keeps what was done"
    then = "the same command goes on from there"
    if not flying:
        return f"interrupted; no move is in flight. {kept}; {then}"
    named = ", ".join(f"{f.move} ({f.vm}: {f.source} to {f.target})" for f in flying)
    return f"interrupted; moves that may be in flight: {named}. {kept}; {then}, once it has seen where these VMs are"
