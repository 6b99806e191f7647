"""Proofs by prices for receiving VMs: plans that carry them hold, and what they cannot prove is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from optimizer.parameters import Exhaustive, Parameters, Refutation, Whole
from optimizer.pipeline import Request, make_plan
from optimizer.sources.plan_json import plan_document, plan_from_document
from optimizer.verify.verify import verify
from tests.bounds.test_room_prices import tiny

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.fleet import Fleet
    from optimizer.plan import Part, Plan
    from optimizer.policy import Policy

LARGE = replace(
    Parameters(), whole=Whole(literals=0), exhaustive=Exhaustive(enabled=False), refutation=Refutation(enabled=False)
)
"""As if the fleet were too large for the complete model."""


@pytest.fixture(scope="module", params=[7, 11])
def planned(request: pytest.FixtureRequest) -> tuple[Fleet, Policy, Plan]:
    fleet, policy = tiny(request.param)
    return fleet, policy, make_plan(fleet, policy, Request(seconds=4, deterministic=True, parameters=LARGE))


def changed(plan: Plan, change: Callable[[Part], Part]) -> Plan:
    """Return the plan with its proof of moving changed; bounds and parts agree."""
    part = change(next(p for p in plan.proof if p.stage == "moving").parts[0])
    proof = tuple(replace(p, bound=part.at_least, parts=(part,)) if p.stage == "moving" else p for p in plan.proof)
    objective = tuple(replace(s, bound=part.at_least) if s.stage == "moving" else s for s in plan.objective)
    return replace(plan, proof=proof, objective=objective)


def test_a_plan_is_proven_by_prices_and_holds(planned: tuple[Fleet, Policy, Plan]) -> None:
    fleet, policy, plan = planned
    part = next(p for p in plan.proof if p.stage == "moving").parts[0]
    moving = next(s for s in plan.objective if s.stage == "moving")
    assert part.by.startswith("receivers: ")
    assert moving.value == moving.bound > 1
    assert verify(fleet, policy, plan).findings == ()
    assert plan_from_document(plan_document(plan), "plan") == plan


WRONG: dict[str, Callable[[Part], Part]] = {
    "more than they prove": lambda part: replace(part, at_least=part.at_least + 1),
    "no prices": lambda part: replace(part, prices=(0,) * len(part.prices)),
    "too few prices": lambda part: replace(part, prices=part.prices[1:]),
    "another step": lambda part: replace(part, by=part.by.replace(" 1 ", " 0 ", 1)),
    "no such resource": lambda part: replace(part, by=part.by.replace("memory_mib", "disk_mib")),
    "no words": lambda part: replace(part, by="receivers: memory_mib"),
    "another argument": lambda part: replace(part, by="own minimum"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_prices_do_not_prove_is_refused(planned: tuple[Fleet, Policy, Plan], what: str) -> None:
    fleet, policy, plan = planned
    found = verify(fleet, policy, changed(plan, WRONG[what])).findings
    assert {finding.code for finding in found} & {"proof_part", "proof_kind", "bound"}, what
