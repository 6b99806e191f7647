"""The judge notices: a plan that is made worse by hand fails where it should."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

from optimizer.pipeline import Request, make_plan
from optimizer.plan import Plan, Status
from tests.oracle.judge import Case, Made, case_of

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = range(20)


@lru_cache
def made() -> tuple[Made, ...]:
    return tuple(Made(case, plan_of(case)) for case in map(case_of, NUMBERS))


def plan_of(case: Case) -> Plan:
    return make_plan(case.tiny.fleet, case.tiny.policy, Request(path="exact"))


def without_order(plan: Plan) -> Plan | None:
    """Forget every `after` of VMs that move once."""
    once = [m for m in plan.moves if sum(n.vm == m.vm for n in plan.moves) == 1]
    if not any(m.after for m in once):
        return None
    return replace(plan, moves=tuple(replace(m, after=()) if m in once else m for m in plan.moves))


def without_the_last_move(plan: Plan) -> Plan | None:
    return replace(plan, moves=plan.moves[:-1]) if plan.moves else None


def with_less_value(plan: Plan) -> Plan | None:
    stages = [s for s in plan.objective if s.value > 0 and s.stage != "placement"]
    lower = [replace(s, value=s.value - 1) if s in stages[:1] else s for s in plan.objective]
    return replace(plan, objective=tuple(lower)) if stages else None


def with_more_bound(plan: Plan) -> Plan | None:
    """One more than what is proven: more than there can be, where the plan is optimal."""
    if plan.status is not Status.OPTIMAL:
        return None
    return replace(plan, objective=tuple(replace(s, bound=s.bound + 1) for s in plan.objective))


def called_optimal(plan: Plan) -> Plan | None:
    return replace(plan, status=Status.OPTIMAL) if plan.status is Status.NOTHING_TO_DO else None


def with_a_detour_home(plan: Plan) -> Plan | None:
    """Send the last VM home again: two moves more than nothing, and its violation is back."""
    if not plan.moves:
        return None
    last = plan.moves[-1]
    back = replace(last, id="m9999", source=last.target, target=last.source, after=(last.id,))
    return replace(plan, moves=(*plan.moves, back))


def without_what_remains(plan: Plan) -> Plan | None:
    return replace(plan, remaining=plan.remaining[1:]) if plan.remaining else None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tamper", "at_least"),
    [
        (without_order, 0.5),  # an arc may be there for a better placement value only
        (without_the_last_move, 1.0),
        (with_less_value, 1.0),
        (with_more_bound, 1.0),
        (called_optimal, 1.0),
        (with_a_detour_home, 1.0),
        (without_what_remains, 1.0),
    ],
)
def test_a_tampered_plan_is_noticed(tamper: Callable[[Plan], Plan | None], at_least: float) -> None:
    tampered = [Made(m.case, plan) for m in made() if (plan := tamper(m.plan)) is not None]
    noticed = [m for m in tampered if not holds(m)]
    assert tampered
    assert len(noticed) >= at_least * len(tampered)


@pytest.mark.slow
def test_what_the_pipeline_made_holds() -> None:
    assert all(holds(m) for m in made())


def holds(made: Made) -> bool:
    try:
        made.holds()
    except AssertionError:
        return False
    return True
