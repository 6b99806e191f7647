"""Plans of small fleets under all the rules there are for groups, hosts and moves; each is verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.pipeline import Request, make_plan
from optimizer.verify.verify import verify
from tests.build import policy

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

__all__ = ["ALL", "harm", "planned"]

ALL = (
    "capacity",
    "spread",
    "together",
    "needs",
    "apart",
    "anti_affinity",
    "eligible",
    "allowed",
    "maintenance",
    "journey",
)


def planned(whole: Fleet, *rules: Any, **fields: Any) -> Plan:
    asked = policy(*rules or ALL, **fields)
    plan = make_plan(whole, asked, Request(seconds=5, deterministic=True))
    assert verify(whole, asked, plan).findings == ()
    return plan


def harm(plan: Plan) -> int:
    return next(s.value for s in plan.objective if s.stage == "harm")
