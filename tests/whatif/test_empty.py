"""`whatif empty`: what it empties is emptied by a plan that holds, and no placement empties more than its bound."""

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
from optimizer.whatif.effort import Effort
from optimizer.whatif.empty import Emptied, empty
from tests.build import fleet, host, policy, vm
from tests.oracle.problems import tiny_problem

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

CHUNK = 20
MOST_WAYS = 256


def emptied(of: Fleet, rules: Policy, **limits: int) -> Emptied:
    clock = SystemClock()
    effort = Effort(clock, clock.monotonic() + 20, workers=1)
    answer = empty(of, rules, lambda s: scoped(rules, of, s), effort, **limits)
    if answer.drained is not None:
        plan = answer.drained.plan
        verdict = verify(of, scoped(rules, of, plan.scope), plan)
        assert verdict.holds, verdict.findings
        assert not {of.hosts.ids[h] for h in answer.hosts} & {m.target for m in plan.moves}
    return answer


def most(of: Fleet, rules: Policy) -> int:
    """Return how many hosts in use any placement on hosts in use empties, by `check` alone."""
    start = State.start(of)
    had = {v.instance: v.excess for rule in rules.judges for v in rule.check(start)}
    placed = np.flatnonzero(of.vms.host != ABSENT).tolist()
    used = sorted({int(h) for h in start.presence[1]})
    best = 0
    for at in product(used, repeat=len(placed)):
        ends = {*at, *of.also_at[of.also_at != ABSENT].tolist()}
        if len(used) - len(ends) <= best:
            continue
        moves = [Move(v, int(of.vms.host[v]), h) for v, h in zip(placed, at, strict=True) if of.vms.host[v] != h]
        after = start.finish(moves)
        found = (v for rule in rules.judges for v in rule.check(after) if v.hardness is not Hardness.SHOULD)
        if all(v.excess <= had.get(v.instance, 0) for v in found):
            best = len(used) - len(ends)
    return best


@pytest.mark.parametrize("chunk", [0, *(pytest.param(c, marks=pytest.mark.rotating) for c in range(1, 26))])
def test_no_placement_empties_more_than_the_bound(chunk: int) -> None:
    exact = tried = 0
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        case = tiny_problem(number)
        answer = emptied(case.fleet, case.policy)
        if answer.used ** int((case.fleet.vms.host != ABSENT).sum()) > MOST_WAYS:
            continue
        true = most(case.fleet, case.policy)
        assert len(answer.hosts) <= true <= answer.bound, f"problem {number}"
        exact, tried = exact + (true == len(answer.hosts)), tried + 1
    assert exact >= tried * 0.7


def test_the_least_used_are_emptied_within_the_limits() -> None:
    of = fleet(
        [host(f"h{i}", memory=8) for i in range(5)],
        [vm("a", "h0", memory=1), vm("b", "h1", memory=1), vm("c", "h1", memory=1), vm("d", "h2", memory=5)],
    )
    rules = policy({"rule": "capacity"})
    answer = emptied(of, rules)
    assert (len(answer.hosts), answer.bound, answer.used, answer.unused) == (2, 2, 3, 2)
    assert (emptied(of, rules, moves=1).hosts, emptied(of, rules, hosts=1).hosts) == ((0,), (0,))
    assert emptied(of, rules, moves=0).hosts == ()
