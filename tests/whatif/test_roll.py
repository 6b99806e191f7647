"""`whatif roll` against every way to roll, on random tiny fleets with every rule; each wave judged by `check`."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.clock import SystemClock
from optimizer.fleet import ABSENT, Move, State
from optimizer.problem.rule import Hardness
from optimizer.whatif.effort import Effort
from optimizer.whatif.roll import Rolled, roll
from tests.build import fleet, host, policy, vm
from tests.oracle.problems import tiny_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

CHUNK = 20
MOST_VMS = 4

Where = tuple[int, ...]


def rolled(of: Fleet, rules: Policy) -> Rolled:
    clock = SystemClock()
    return roll(of, rules, np.arange(len(of.hosts)), Effort(clock, clock.monotonic() + 20, workers=1))


def standing(of: Fleet, at: Where) -> Fleet:
    """Return the fleet with its VMs elsewhere; what hosts report beyond their VMs stays with them."""
    measured = of.hosts.measured.copy()
    for h, r in zip(*np.nonzero(measured != ABSENT), strict=True):
        for v, (was, now) in enumerate(zip(of.vms.host.tolist(), at, strict=True)):
            measured[h, r] += of.vms.demand[v, r] * (int(now == h) - int(was == h))
    return replace(of, hosts=replace(of.hosts, measured=measured), vms=replace(of.vms, host=np.array(at, np.int32)))


def allowed(of: Fleet, rules: Policy, at: Where, moves: list[Move]) -> bool:
    """Whether nothing is made worse by moves, in flight all at once and done."""
    start = State.start(standing(of, at))
    for rule in rules.judges:
        had = {v.instance: v.excess for v in rule.check(start)}
        for after in (start.begin(moves), start.finish(moves)):
            found = (v for v in rule.check(after) if v.hardness is not Hardness.SHOULD)
            if any(v.excess > had.get(v.instance, 0) for v in found):
                return False
    return True


def waves_from(
    of: Fleet, rules: Policy, at: Where, serviced: frozenset[int], wanted: frozenset[int]
) -> Iterator[tuple[Where, frozenset[int]]]:
    """Yield where VMs may be after one wave, and what is serviced then."""
    waiting = sorted(wanted - serviced)
    for size in range(1, len(waiting) + 1):
        for wave in combinations(waiting, size):
            vms = [v for v, h in enumerate(at) if h in wave]
            if any(of.also_at[v] in wave for v in range(len(at))):
                continue
            others = [h for h in range(len(of.hosts)) if h not in wave]
            for to in product(others, repeat=len(vms)):
                moves = [Move(v, at[v], h) for v, h in zip(vms, to, strict=True)]
                if allowed(of, rules, at, moves):
                    after = list(at)
                    for move in moves:
                        after[move.vm] = move.target
                    yield tuple(after), serviced | set(wave)


def fewest(of: Fleet, rules: Policy, wanted: frozenset[int], most: int) -> int:
    """Return in how few waves all can be serviced, `most` at most, by trying everything."""
    states: set[tuple[Where, frozenset[int]]] = {(tuple(of.vms.host.tolist()), frozenset())}
    for waves in range(most):
        if any(serviced == wanted for _, serviced in states):
            return waves
        states = {after for at, done in states for after in waves_from(of, rules, at, done, wanted)}
    return most


@pytest.mark.parametrize("chunk", [0, *(pytest.param(c, marks=pytest.mark.rotating) for c in range(1, 26))])
def test_no_bound_is_above_the_fewest_waves_and_each_wave_is_safe(chunk: int) -> None:
    exact = tried = 0
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        case = tiny_problem(number)
        answer = rolled(case.fleet, case.policy)
        at = tuple(case.fleet.vms.host.tolist())
        for wave in answer.waves:
            moves = list(wave.moves)
            assert allowed(case.fleet, case.policy, at, moves), f"problem {number}"
            at = tuple(next((m.target for m in moves if m.vm == v), h) for v, h in enumerate(at))
            assert not set(at) & set(wave.units), f"problem {number}"
        wanted = frozenset(u for wave in answer.waves for u in wave.units)
        if len(case.fleet.hosts) > 3 or int((case.fleet.vms.host != ABSENT).sum()) > MOST_VMS:
            continue
        true = fewest(case.fleet, case.policy, wanted, len(answer.waves))
        assert answer.bound <= true <= len(answer.waves), f"problem {number}"
        exact, tried = exact + (true == len(answer.waves)), tried + 1
    assert exact >= tried * 0.7


def test_two_waves_where_half_is_free() -> None:
    of = fleet([host(f"h{i}", memory=8) for i in range(6)], [vm(f"v{i}", f"h{i}", memory=4) for i in range(6)])
    answer = rolled(of, policy({"rule": "capacity"}))
    assert (len(answer.waves), answer.bound, answer.stuck) == (2, 2, ())


def test_a_host_that_cannot_be_emptied_is_named() -> None:
    of = fleet([host("h0", memory=8), host("h1", memory=4)], [vm("big", "h0", memory=6), vm("a", "h1", memory=2)])
    answer = rolled(of, policy({"rule": "capacity"}))
    assert [u for wave in answer.waves for u in wave.units] == [1]
    assert answer.stuck == ((0, 0),)


def test_what_hosts_report_follows_their_vms() -> None:
    hosts = [host(f"h{i}", memory=8, measured={"memory_mib": 5}) for i in range(4)]
    of = fleet(hosts, [vm(f"v{i}", f"h{i}", memory=3) for i in range(4)])
    answer = rolled(of, policy({"rule": "capacity"}))
    assert (len(answer.waves), answer.bound, answer.stuck) == (2, 2, ())
