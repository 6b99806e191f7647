"""What is wrong, what repairs it, and is that true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constraints.scope import empties_under_limits, scoped
from optimizer import cautions as doubtful
from optimizer import check as judging
from optimizer.clock import SystemClock
from optimizer.pipeline import Request
from optimizer.report.violations import CheckFacts, describe_check
from optimizer.scope import Scope
from optimizer.scoped_plan import make_scoped_plan
from optimizer.sources import plan_json
from optimizer.sources.scope_words import host_words, vm_words
from optimizer.verify import verify as judge
from remora.doubts import hold_against

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable
    from pathlib import Path

    from optimizer.caution import Caution
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.verify.verdict import Verdict
    from remora.fleets import Fleet

__all__ = ["cautions", "check", "plan", "read_plan", "verify", "write_plan"]


def cautions(fleet: Fleet, policy: Policy) -> tuple[Caution, ...]:
    """Return all that is doubtful about a fleet and a policy as of now, what its overlay names in vain first."""
    return (*fleet.warnings, *doubtful.cautions(fleet.snapshot, policy, SystemClock().now()))


def check(fleet: Fleet, policy: Policy) -> CheckFacts:
    """Return what is wrong with a fleet as it is; `clean` says whether anything is.

    Raises
    ------
    InputError
        The policy names what the fleet does not have, or requires a fact that it lacks.
    """
    hold_against(fleet.snapshot, policy)
    return describe_check(fleet.snapshot, policy.name, policy.rules, judging.check(fleet.snapshot, policy))


def plan(
    fleet: Fleet,
    policy: Policy,
    *,
    seconds: float = 30.0,
    workers: int = 2,
    seed: int = 0,
    gap: float = 0.0,
    drain: Iterable[str] = (),
    exclude: Iterable[str] = (),
    max_moves: int | None = None,
    max_gib: int | None = None,
    interrupt: threading.Event | None = None,
) -> Plan:
    """Return the fewest moves that repair the fleet, with their proof, safe at every instant.

    Parameters
    ----------
    seconds
        Wall time for the answer.
    gap
        Stop once the moving is proven to be within this share of the fewest.
    drain, exclude
        Hosts to be emptied and VMs that stay: ids, ``LEVEL:ID``, globs.
    max_moves, max_gib
        At most that many moves; at most that much copied.
    interrupt
        Set it to end the search with the best plan so far.

    Raises
    ------
    InputError
        A name means nothing in this fleet, or the policy requires a fact that it lacks.
    """
    snapshot = fleet.snapshot
    hold_against(fleet.snapshot, policy)
    scope = Scope(
        drain=host_words("drain", drain, snapshot),
        exclude=vm_words("exclude", exclude, snapshot),
        max_moves=max_moves,
        max_gib=max_gib,
    )
    if scope:
        scope = _whole(policy, fleet, scope)
    request = Request(seconds=seconds, workers=workers, seed=seed, gap=gap)
    return make_scoped_plan(
        snapshot, scope, lambda narrowed: scoped(policy, snapshot, narrowed), request, interrupt=interrupt
    )


def _whole(policy: Policy, fleet: Fleet, scope: Scope) -> Scope:
    from dataclasses import replace

    return replace(scope, whole=empties_under_limits(policy, fleet.snapshot, scope))


def verify(fleet: Fleet, policy: Policy, plan: Plan) -> Verdict:
    """Judge a plan independently of the planner: `findings` is empty where it holds.

    Raises
    ------
    InputError
        The policy names what the fleet does not have, or requires a fact that it lacks.
    """
    hold_against(fleet.snapshot, policy)
    return judge.verify(fleet.snapshot, scoped(policy, fleet.snapshot, plan.scope), plan)


def read_plan(path: Path | str) -> Plan:
    """Read a plan.

    Raises
    ------
    InputError
        It is none.
    """
    return plan_json.read_plan(path)


def write_plan(path: Path | str, plan: Plan) -> None:
    """Write a plan, for `remora verify` and `remora apply`."""
    plan_json.write_plan(path, plan)
