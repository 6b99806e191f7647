"""VMs that fit on no host: the harm that stays, against every placement, and what the judge says of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest

from optimizer.bounds.bounds import Bounds
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.bounds.too_large import too_large
from optimizer.problem.atoms import Enter
from optimizer.problem.evaluate import evaluate
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.working_placement import sizes
from optimizer.verify.proof import _Judge as Judge
from optimizer.verify.proof_too_large import least_wherever
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm
from tests.problem.tiny import SHOULD, problem, room
from tests.scenarios.outcome import solve_fleet

STAGES = (Stage.HARM, Stage.SHOULD_HARM, Stage.MOVING, Stage.PLACEMENT)


def tiny(rng: Random) -> Problem:
    """Return a problem in which VMs are often larger than what any host should carry."""
    vms = rng.randint(2, 5)
    unit = rng.choice((1, 7, 10, 4000))

    def limits(largest: int) -> list[int]:
        return [rng.randint(0, largest) for _ in range(3)]

    atoms: list[object] = [
        replace(room([rng.randint(0, 12) for _ in range(vms)], limits(9), base=limits(3), unit=unit), asked=SHOULD)
        for _ in range(rng.choice((1, 1, 2)))
    ]
    if rng.random() < 0.4:
        atoms.append(Enter("e", np.array([0], np.int32), np.array([True, rng.random() < 0.5, False])))
    return problem([rng.randrange(3) for _ in range(vms)], atoms, stages=STAGES)


@pytest.mark.parametrize("seed", range(300))
def test_no_placement_does_less_harm(seed: int) -> None:
    asked = tiny(Random(f"too large {seed}"))
    found = too_large(asked, Stage.SHOULD_HARM)
    least = min(
        evaluate(asked, at).should_harm
        for at in product(range(3), repeat=asked.vms)
        if all(h == asked.start[v] or asked.may_enter(v)[h] for v, h in enumerate(at))
    )
    assert sum(found.values()) <= least
    everyone = {v: least_wherever(asked, v) for v in range(asked.vms)}
    assert found == {v: harm for v, harm in everyone.items() if harm}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(120))
def test_moves_given_the_harm_that_stays_are_no_fewer_in_any_placement(seed: int) -> None:
    asked = tiny(Random(f"too large and moved {seed}"))
    bounds = Bounds(EvictionRelaxation(asked), sizes(asked), lambda: False)
    ends: dict[int, int] = {}
    for at in product(range(3), repeat=asked.vms):
        if all(h == asked.start[v] or asked.may_enter(v)[h] for v, h in enumerate(at)):
            found = evaluate(asked, at)
            ends[found.should_harm] = min(found.moving, ends.get(found.should_harm, 99))
    for harm in ends:
        least = min(moves for kept, moves in ends.items() if kept <= harm)
        values = {Stage.HARM: 0, Stage.SHOULD_HARM: harm, Stage.MOVING: least}
        proof = bounds.prove(values)[Stage.MOVING]
        assert proof.bound <= least
        told = {stage.value: value for stage, value in values.items()}
        assert not [*Judge(asked, told).judge(proof)] or not proof.bound


def test_one_that_is_too_large_gets_as_much_room_as_there_can_be_and_the_judge_follows() -> None:
    """80 of 100 where 50 are balanced: what is over by 30 stays, and the two beside it leave."""
    hosts = [host(f"h{i}", memory=100) for i in range(4)]
    vms = [vm("big", "h0", memory=80), *(vm(f"v{i}", f"h{i % 4}", memory=10) for i in range(8))]
    asked = {"rule": "balance", "resource": "memory_mib", "tolerance": 0.1}
    found = solve_fleet(fleet(hosts, vms), policy("capacity", asked), seconds=5)
    assert (found.value("should_harm"), found.bound("should_harm")) == (300, 300)
    assert found.value("moving") == 2
    (proof,) = [p for p in found.plan.proof if p.stage == "should_harm"]
    (part,) = proof.parts
    for other in (replace(part, at_least=301), replace(part, vms=("v0",))):
        stages = tuple(
            replace(s, bound=other.at_least if s.stage == "should_harm" else s.bound) for s in found.plan.objective
        )
        proofs = tuple(replace(p, bound=other.at_least, parts=(other,)) if p is proof else p for p in found.plan.proof)
        forged = replace(found.plan, objective=stages, proof=proofs)
        assert any(f.code.startswith("proof") for f in verify(found.fleet, found.policy, forged).findings)
