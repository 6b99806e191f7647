"""Placements that cannot be reached as they stand: what comes of one is counted right, and safe phase by phase."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pytest

from optimizer.clock import SystemClock
from optimizer.limits import Deadline, WorkClock
from optimizer.parameters import Phased
from optimizer.pipeline import Request, make_plan
from optimizer.repair.forced_plans import _ForcedPlan, reach
from optimizer.repair.phased_search import MOVE, PhasedSearch, in_phases
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm
from tests.problem.tiny import MUST, SHOULD, problem, room
from tests.repair.test_column_search import LARGE
from tests.repair.test_phased_search import KERNELS, STAGES, check, counted_anew, made, plain

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem
    from optimizer.repair.phased_arrays import PhasedState

__all__ = ["plain"]

GIVEN = Phased(phases=4, most_phases=6, least_steps=2_000, steps=200)


def forever() -> Deadline:
    return Deadline(WorkClock(), 1e6)


def plan_of(of: Problem) -> _ForcedPlan:
    return _ForcedPlan(of, PhasedSearch(of, forever(), 0, GIVEN))


def anywhere(of: Problem, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return a target that nobody has looked at: most of the VMs go to a host that they may enter."""
    rng, target = Random(f"target {seed}"), of.start.astype(np.int64)
    for mover in np.flatnonzero(of.movable).tolist():
        hosts = np.flatnonzero(of.may_enter(mover)).tolist()
        if hosts and rng.random() < 0.7:
            target[mover] = rng.choice(hosts)
    return target


def broken(plan: _ForcedPlan, state: PhasedState) -> bool:
    return bool((state.union > plan.fixed.ceiling[:, None, :]).any())


def test_who_has_no_way_is_forced_and_pays_until_nobody_is(plain: Any) -> None:
    forced = over = home = 0
    for seed in range(40):
        of, plan = made(seed), plan_of(made(seed))
        target = anywhere(of, seed)
        state = plan._forced(target)
        go = plan.fixed.movable_at == 1
        assert np.array_equal(state.place[go, 0], target[go])
        paid = int(MOVE * GIVEN.forced)
        assert set(state.forced.tolist()) <= {0, paid}
        away = np.flatnonzero(state.place[:, 0] != of.start)
        assert state.total[0] == state.cost.sum() + plan.fixed.moving[away].sum() + state.forced.sum()
        assert np.array_equal(counted_anew(of, plan.fixed, state).union, state.union)
        forced, over = forced + bool(state.forced.any()), over + broken(plan, state)
        plan._send_home(state)
        assert not state.forced.any()
        check(of, plan.fixed, state)
        home += bool((state.place[go, 0] != target[go]).any())
    assert min(forced, over, home) > 20


def test_what_anneals_while_some_are_forced_ends_safe(plain: Any) -> None:
    better = 0
    for seed in range(8):
        of, plan = made(seed), plan_of(made(seed))
        sent = plan._forced(anywhere(of, seed))
        plan._send_home(sent)
        state = plan.to(anywhere(of, seed))
        assert state is not None
        assert not state.forced.any()
        check(of, plan.fixed, state)
        better += state.total[0] < sent.total[0]
    assert better > 5


def test_who_would_have_to_pass_each_other_stay_and_the_others_go(plain: Any) -> None:
    """v1 makes room for v0, v2 for v1; v3 and v4 want each other's place, and there is no room to pass."""
    rooms = [room([9] * 5, [9] * 6, asked=asked) for asked in (MUST, SHOULD)]
    of = problem([0, 1, 2, 4, 5], rooms, hosts=6, stages=STAGES)
    plan, target = plan_of(of), np.array([1, 2, 3, 5, 4])
    state = plan._forced(target)
    assert np.flatnonzero(state.forced).tolist() == [3], "then the other can go"
    plan._send_home(state)
    assert state.place[:, 0].tolist() == [1, 2, 3, 4, 5]
    check(of, plan.fixed, state)
    assert in_phases(state) == (2, 1, 0)


def test_who_came_to_the_home_of_one_that_is_sent_there_goes_elsewhere(plain: Any) -> None:
    """v0 fits nowhere but at home, where v1 has come."""
    rooms = [room([9, 5, 9], [9, 5, 9, 5], asked=asked) for asked in (MUST, SHOULD)]
    of = problem([0, 1, 2], rooms, hosts=4, stages=STAGES)
    plan = plan_of(of)
    state = plan._forced(np.array([2, 0, 2]))
    assert state.forced[0] > 0
    plan._send_home(state)
    assert state.place[:, 0].tolist() in ([0, 1, 2], [0, 3, 2])
    check(of, plan.fixed, state)


def test_where_there_is_no_time_nothing_is_reached() -> None:
    of = problem([0, 1], [room([5, 5], [6, 6], asked=SHOULD)], stages=STAGES)
    assert reach(of, of.start, Deadline(SystemClock(), 0.0), 0, GIVEN) is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_compiled_and_plain_come_to_the_same(seed: int, plain: Any) -> None:
    of, target = made(seed), anywhere(made(seed), seed)
    oracle = plan_of(of).to(target)
    numba.config.DISABLE_JIT = 0  # type: ignore[attr-defined]
    for name in KERNELS:
        sys.modules.pop(name)
    importlib.import_module(KERNELS[-1])
    found = plan_of(of).to(target)
    assert oracle is not None and found is not None
    assert np.array_equal(found.place[:, :2], oracle.place[:, :2])
    assert found.total.tolist() == oracle.total.tolist()


def crowded(seed: int, hosts: int = 20) -> tuple[Fleet, Policy]:
    """Return hosts every other of which is busy, with next to no memory free: VMs wait for each other."""
    rng = Random(f"crowded {seed}")
    inventory, vms = [], []
    for i in range(hosts):
        used = 0
        for k in range(rng.randint(5, 6)):
            memory = rng.choice((6, 10, 15, 24))
            used += memory
            vms.append(vm(f"v{i}-{k}", f"h{i}", cpu=rng.randint(2, 5) if i % 2 else rng.randint(5, 9), memory=memory))
        inventory.append(host(f"h{i}", cpu=60, memory=used + rng.choice((0, 3, 8))))
    capacity = {"rule": "capacity", "resources": ["memory_mib", "cpu_millicores"]}
    return fleet(inventory, vms), policy(capacity, {"rule": "balance", "resource": "cpu_millicores", "tolerance": "9%"})


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 4])
def test_where_many_wait_for_each_other_less_is_left_than_where_one_after_the_other_is_received(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[PhasedState | None] = []

    def kept(*given: Any) -> PhasedState | None:
        reached.append(reach(*given))
        return reached[-1]

    monkeypatch.setattr("optimizer.repair.column_search.reach", kept)
    snapshot, asked = crowded(seed)
    found = []
    for forced_from in (0.05, 2.0):
        phased = Phased(forced_from=forced_from, least_steps=200_000, steps=200)
        request = Request(seconds=2, deterministic=True, parameters=replace(LARGE, phased=phased))
        plan = make_plan(snapshot, asked, request)
        assert verify(snapshot, asked, plan).findings == ()
        found.append([s.value for s in plan.objective if s.stage != "placement"])
    assert len(reached) == 1
    assert reached[0] is not None
    assert found[0] < found[1]
