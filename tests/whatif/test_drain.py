"""`whatif drain`: what can be emptied is, by a plan that holds; what cannot be, no placement of any VMs empties."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from constraints.scope import scoped
from optimizer.clock import SystemClock
from optimizer.fleet import ABSENT, Move, State
from optimizer.problem.rule import Hardness
from optimizer.verify.verify import verify
from optimizer.whatif.drain import Drained, drain
from optimizer.whatif.effort import Effort
from tests.build import fleet, host, policy, vm
from tests.oracle.problems import tiny_problem
from tests.shares import first_and_rotating

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

CHUNK = 20
MOST_WAYS = 256


def drained(of: Fleet, rules: Policy, *words: str) -> Drained:
    clock = SystemClock()
    answer = drain(of, words, lambda s: scoped(rules, of, s), Effort(clock, clock.monotonic() + 20, workers=1))
    verdict = verify(of, scoped(rules, of, answer.plan.scope), answer.plan)
    assert verdict.holds, verdict.findings
    return answer


def can_be_emptied(of: Fleet, rules: Policy, empty: int) -> bool:
    """Whether some placement of all VMs leaves nobody on a host and makes nothing worse, by `check` alone."""
    start = State.start(of)
    had = {v.instance: v.excess for rule in rules.judges for v in rule.check(start)}
    placed = np.flatnonzero(of.vms.host != ABSENT).tolist()
    hosts = [h for h in range(len(of.hosts)) if h != empty]
    if any(of.also_at[v] == empty or (of.also_at[v] != ABSENT and of.vms.host[v] == empty) for v in placed):
        return False
    for at in product(hosts, repeat=len(placed)):
        moves = [Move(v, int(of.vms.host[v]), h) for v, h in zip(placed, at, strict=True) if of.vms.host[v] != h]
        after = start.finish(moves)
        found = (v for rule in rules.judges for v in rule.check(after) if v.hardness is not Hardness.SHOULD)
        if all(v.excess <= had.get(v.instance, 0) for v in found):
            return True
    return False


def by_order(answer: Drained) -> bool:
    """Whether what is proven is that there is no safe order: placements are there, and no way to them."""
    return any(part.by == "no order" for proof in answer.plan.proof for part in proof.parts)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", first_and_rotating(range(25), 0))
def test_what_cannot_be_emptied_no_placement_empties(chunk: int) -> None:
    seen = set()
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        case = tiny_problem(number)
        empty = number % len(case.fleet.hosts)
        answer = drained(case.fleet, case.policy, case.fleet.hosts.ids[empty])
        ways = (len(case.fleet.hosts) - 1) ** int((case.fleet.vms.host != ABSENT).sum())
        if not answer.possible and answer.harm_bound > 0 and not by_order(answer) and ways <= MOST_WAYS:
            assert not can_be_emptied(case.fleet, case.policy, empty), f"problem {number}"
        seen.add(answer.possible)
    assert len(seen) > 1


def test_only_what_leaves_and_what_makes_room_is_moved() -> None:
    hosts = [host("h0", memory=8), host("h1", memory=8), host("h2", memory=8), host("h3", memory=4)]
    vms = [vm("a", "h0", memory=6), vm("b", "h1", memory=3), vm("c", "h2", memory=6), vm("d", "h2", memory=6)]
    of = fleet(hosts, vms)
    answer = drained(of, policy({"rule": "capacity"}), "h0")
    assert answer.possible
    assert {m.vm for m in answer.plan.moves} == {"a", "b"}
    assert (answer.pushed, answer.moves_bound) == (1, 2)


def test_evening_out_where_no_load_is_a_reason_to_move() -> None:
    hosts = [host("h0", memory=16), *(host(f"h{i}", memory=8) for i in range(1, 4))]
    of = fleet(hosts, [vm(f"v{i}", "h0", memory=1 + i % 3) for i in range(6)])
    assert drained(of, policy({"rule": "capacity"}), "h0").possible
