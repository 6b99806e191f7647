"""The spine, read from top to bottom: a fleet and a policy become a plan, each stage one call."""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from optimizer.cautions import NOT_COMPILED, cautions, solver_failed
from optimizer.clock import SystemClock
from optimizer.cp.solving import telling_failures
from optimizer.debug_log import Event
from optimizer.engine import LocalEngine
from optimizer.fleet import State, copied_mib
from optimizer.limits import Deadline, Limits, peak_rss_mib
from optimizer.parameters import Parameters
from optimizer.plan import Plan, StageResult, Status, Unevaluated, impossible_because
from optimizer.plan_identity import identify
from optimizer.planning.best_balance import buy_balance
from optimizer.planning.describe import Ending, describe, violations
from optimizer.planning.even_out import even_out
from optimizer.planning.in_parts import InParts
from optimizer.planning.solve_and_order import Answer, solve_and_order
from optimizer.planning.warm_start import beginning_with
from optimizer.planning.without_limits import without_limits
from optimizer.problem.exactness import check_exact
from optimizer.problem.problem import Stage, build, without_cost
from optimizer.problem.rule import Costing
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.solver import Method, Solver

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.clock import Clock
    from optimizer.engine import Engine
    from optimizer.fleet import Fleet
    from optimizer.planning.solve_and_order import Repair
    from optimizer.planning.without_limits import WithoutLimits
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem

__all__ = ["Request", "make_plan"]


LOG = logging.getLogger("remora.pipeline")


@dataclass(frozen=True, slots=True)
class Request:
    """How a plan is to be made.

    Parameters
    ----------
    seconds
        Wall time for the whole answer.
    require_clean
        Accept only a plan that leaves no must violated: if there is provably none, the status is ``impossible``.
    path
        Which solver answers: ``auto``, ``exact`` or ``repair``.
    parts
        Into how many parts the fleet is split for repair; None: by its size, which is 1 for most.
    gap
        From 0 to 1: the search for fewer moves stops as soon as they are proven to be no further than that above the
        fewest, as a share of the moves.
    parameters
        How wide the search looks, and which of its mechanisms are on.
    """

    seconds: float = 30.0
    memory_mib: int = 4096
    workers: int = 1
    seed: int = 0
    deterministic: bool = False
    require_clean: bool = False
    path: str = "auto"
    parts: int | None = None
    gap: float = 0.0
    parameters: Parameters = field(default_factory=Parameters)

    @property
    def limits(self) -> Limits:
        """The solver's share of the request."""
        return Limits(
            self.seconds, self.memory_mib, self.workers, self.seed, self.deterministic, self.gap, self.parameters
        )


def make_plan(
    fleet: Fleet,
    policy: Policy,
    request: Request,
    *,
    clock: Clock | None = None,
    progress: Callable[[str], None] | None = None,
    interrupt: threading.Event | None = None,
    engine: Engine | None = None,
    resume: Plan | None = None,
    hint: Plan | None = None,
    judged: Callable[[int, float], None] | None = None,
) -> Plan:
    """Return the smallest safe set of moves that repairs the fleet, with its proof.

    Parameters
    ----------
    clock
        Where time comes from; the machine's by default.
    progress
        Told the name of each stage when it begins.
    interrupt
        Ends the search when it is set; the best plan so far is returned.
    engine
        Solves the parts of a fleet that is split; in process by default.
    resume
        A plan for the same fleet that is gone on from, rather than from the start.
    hint
        A plan for an earlier snapshot, which is tried first: where it still does as much as can be, nothing is
        searched.
    judged
        Told before the search how many violations there are, and how many seconds it took to know.
    """
    clock, interrupt = clock or SystemClock(), interrupt or threading.Event()
    whole = Deadline.of(request.limits, clock, interrupt)
    given = _Given(fleet, policy, request, progress or (lambda _: None), interrupt, engine, resume, hint, judged)
    with telling_failures(whole.note_failed):
        return _made(given, clock, whole)


@dataclass(frozen=True, slots=True)
class _Given:
    """What `make_plan` was given, but for what tells the time."""

    fleet: Fleet
    policy: Policy
    request: Request
    report: Callable[[str], None]
    interrupt: threading.Event
    engine: Engine | None
    resume: Plan | None
    hint: Plan | None
    judged: Callable[[int, float], None] | None


def _made(given: _Given, clock: Clock, whole: Deadline) -> Plan:
    fleet, policy, request, report, interrupt = given.fleet, given.policy, given.request, given.report, given.interrupt
    resume, hint, watch = given.resume, given.hint, _StageTimer(clock)
    report("build")
    problem = build(fleet, policy.demands, policy.least)
    check_exact(problem, f"fleet {fleet.id} with policy {policy.name}")
    before = violations(policy, State.start(fleet))
    watch.lap("build")
    if given.judged is not None:
        given.judged(len(before), watch.laps["build"])
    LOG.debug(Event("problem", hosts=problem.hosts, vms=problem.vms, atoms=len(problem.atoms)))
    deadline = whole.part(1 - _ending_share(watch.laps["build"], request))
    report("solve")
    in_parts = InParts(given.engine or LocalEngine(), request.parts, interrupt)
    share = request.parameters.balancing.repair_share if problem.has_cost else 1.0
    to_repair = without_cost(problem)
    solver = Solver(to_repair, in_parts.limits(problem, request.limits), deadline.part(share))
    repair: Repair = in_parts if resume is None else _resumed(fleet, resume)
    if hint is not None and hint.moves:
        repair = beginning_with(hint, fleet, repair)
    answer = solve_and_order(solver, Method(request.path), repair)
    ended_by = solver.deadline.stopped_by
    watch.lap("solve")
    report("place")
    if problem.has_cost:
        answer = buy_balance(problem, answer, solver, deadline)
        ended_by = solver.deadline.stopped_by
    else:
        answer = even_out(solver, answer, copied_mib(fleet))
    stopped_by = "gap" if answer.is_within(request.gap) else ended_by
    watch.lap("place")
    LOG.debug(_ended(answer))
    status, reason = judge(answer, request)
    if status in (Status.IMPOSSIBLE, Status.NO_PLAN_IN_TIME):
        answer = answer.stay(problem)
    report("describe")
    unfinished = None if answer.proven else stopped_by
    ending = Ending(
        unfinished,
        whole.wall,
        request.parameters.causes,
        partial(_unlimited, problem, answer, request, whole, watch),
        request.parameters.describing,
    )
    described = describe(fleet, policy, problem, answer.ordered, before, ending)
    watch.lap("describe")
    stats = {
        "seconds": watch.laps,
        "peak_rss_mib": peak_rss_mib(),
        "seed": request.seed,
        "workers": request.workers,
        "deterministic": request.deterministic,
        "displaced": len({m.move.vm for m in answer.ordered.moves}),
    }
    if described.outside_scope:
        stats["outside_scope"] = described.outside_scope
    if in_parts.report:
        stats["partition"] = in_parts.report
    if problem.has_cost:
        stats["balance"] = _figures(fleet, policy, described.end)
    left_out = solver.uncompiled and not answer.proven and not interrupt.is_set()
    doubtful = [*([NOT_COMPILED] if left_out else ()), *(solver_failed(*failed) for failed in whole.failed)]
    if doubtful:
        stats["warnings"] = [asdict(caution) for caution in doubtful]
    if answer.clean_moves:
        stats["clean_displaces_at_least"] = answer.clean_moves
    made_at = clock.now()
    return identify(
        Plan(
            id="",
            fleet=fleet.id,
            taken_at=fleet.taken_at,
            fleet_digest=fleet.digest,
            policy_digest=policy.digest,
            made_at=made_at,
            expires_at=fleet.taken_at + timedelta(seconds=policy.expires_after_s),
            status=status,
            objective=(
                *_objective(answer, stopped_by),
                _placement(described.placement_value, solver.deadline.stopped_by),
            ),
            proof=tuple(p for p in answer.proofs.values() if p.bound > 0),
            moves=described.moves,
            batches=described.batches,
            remaining=described.remaining,
            not_evaluated=_not_evaluated(fleet, policy),
            stats=stats,
            reason=reason,
            warnings=cautions(fleet, policy, made_at),
            scope=policy.scope,
        )
    )


def _unlimited(
    problem: Problem, answer: Answer, request: Request, whole: Deadline, watch: _StageTimer
) -> WithoutLimits | None:
    """Plan as if there were no limit on moves, where some time is left: more than it took to say what is asked."""
    given = request.parameters.causes
    least_s = given.unlimited_builds * watch.laps["build"]
    if not request.deterministic and whole.left() < least_s:
        return None
    return without_limits(problem, answer, request.limits, whole.part(given.unlimited_share))


def _ending_share(build_s: float, request: Request) -> float:
    """Return the share of the time that is kept for saying what was found: about what it took to say what was asked."""
    if request.deterministic or not request.seconds:
        return 0.0
    given = request.parameters.describing
    return min(given.most_share, (given.least_s + given.per_build * build_s) / request.seconds)


def _resumed(fleet: Fleet, plan: Plan) -> Repair:
    """Return a repair that goes on from where a plan ends."""

    def repair(solver: Solver, acceptable: Callable[[NDArray[np.int32]], bool]) -> NDArray[np.int32]:
        work = WorkingPlacement(solver.problem)
        for move in plan.moves:
            work.put(fleet.vm_index[move.vm], fleet.host_index[move.target])
        return solver.repair_boundaries(work, acceptable)

    return repair


def judge(answer: Answer, request: Request) -> tuple[Status, str]:
    """Return a plan's status, and the reason where it is ``impossible``."""
    least = answer.proofs[Stage.HARM].bound
    if request.require_clean and least > 0:
        return Status.IMPOSSIBLE, impossible_because(least)
    if not answer.ordered.moves and not any(v for s, v in answer.before.items() if s not in (Stage.MOVING, Stage.COST)):
        return Status.NOTHING_TO_DO, ""
    if request.require_clean and answer.values[Stage.HARM] > 0:
        return Status.NO_PLAN_IN_TIME, ""
    if answer.proven:
        return Status.OPTIMAL, ""
    return (Status.FEASIBLE if answer.ordered.moves else Status.NO_PLAN_IN_TIME), ""


def _ended(answer: Answer) -> Event:
    bounds = {f"{s.value}_bound": p.bound for s, p in answer.proofs.items()}
    return Event("answer", moves=len(answer.ordered.moves), **{s.value: v for s, v in answer.values.items()}, **bounds)


def _objective(answer: Answer, stopped_by: str) -> list[StageResult]:
    results = []
    for stage, value in answer.values.items():
        bound = answer.proofs[stage].bound
        results.append(StageResult(stage.value, value, bound, None if value == bound else stopped_by))
    return results


def _figures(fleet: Fleet, policy: Policy, end: State) -> dict[str, object]:
    """Return how even the fleet is before and after, as the rules that are paid for say it."""
    rules = [rule for rule in policy.demands if isinstance(rule, Costing)]
    start = State.start(fleet)
    ends = [{k: v for rule in rules for k, v in rule.figures(state).items()} for state in (start, end)]
    return dict(zip(("before", "after"), ends, strict=True))


def _placement(value: int, stopped_by: str) -> StageResult:
    """Return the last stage: a tie-break among equal plans, and its bound is the trivial one."""
    return StageResult(Stage.PLACEMENT.value, value, 0, stopped_by if value else None)


def _not_evaluated(fleet: Fleet, policy: Policy) -> tuple[Unevaluated, ...]:
    found = (n for rule in policy.rules for n in rule.not_evaluated(fleet))
    return tuple(Unevaluated(n.rule, n.what, n.vms, n.hosts) for n in found)


class _StageTimer:
    """Seconds that each stage took."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._last = clock, clock.monotonic()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """End a stage."""
        now = self._clock.monotonic()
        self.laps[name], self._last = round(now - self._last, 3), now
        LOG.debug(Event("stage", name=name, seconds=self.laps[name]))
