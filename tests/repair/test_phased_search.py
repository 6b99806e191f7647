"""Plans in phases: every sum as if counted anew, each plan safe phase by phase, and better than without."""

from __future__ import annotations

import importlib
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pytest

from optimizer.clock import SimulatedClock, SystemClock
from optimizer.compiled import is_cached
from optimizer.left_behind import any_left_behind
from optimizer.limits import Deadline, Limits, WorkClock
from optimizer.parameters import Exhaustive, Parameters, Phased, Whole
from optimizer.pipeline import Request, make_plan
from optimizer.problem.atoms import Apart, AtMost, Enter, Flow, Leave, Sets
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.rule import Hardness
from optimizer.problem.tally import Tally
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.phased_arrays import PhasedState, phased_arrays, phased_state
from optimizer.repair.phased_search import MOVE, PhasedSearch, can_be_phased, has_time
from optimizer.repair.solver import Solver
from optimizer.verify.verify import verify
from tests.bounds.test_room_prices import tiny
from tests.build import fleet, host, policy, vm
from tests.problem.tiny import GUARD, MUST, SHOULD, problem, room
from tests.repair.test_column_search import LARGE, problem_of

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGES = (Stage.HARM, Stage.SHOULD_HARM, Stage.MOVING, Stage.PLACEMENT)
KERNELS = (
    "optimizer.compiled_random",
    "optimizer.repair.kernel_phases",
    "optimizer.repair.kernel_phased_search",
)
GIVEN = Phased(phases=4)


@pytest.fixture
def plain() -> Iterator[Any]:
    """The search as plain Python, which is its oracle."""
    kept = {name: sys.modules.pop(name, None) for name in KERNELS}
    numba.config.DISABLE_JIT = 1  # type: ignore[attr-defined]
    yield importlib.import_module(KERNELS[-1])
    numba.config.DISABLE_JIT = 0  # type: ignore[attr-defined]
    for name, module in kept.items():
        sys.modules.pop(name)
        if module is not None:
            sys.modules[name] = module


def made(seed: int) -> Problem:
    """Return six hosts in three racks, some too full, with groups, a closed host, and VMs that have to leave."""
    rng = Random(f"phases {seed}")
    vms = rng.randint(9, 14)
    start = [rng.randrange(6) for _ in range(vms)]
    memory, cpu = ([rng.randint(1, 9) for _ in range(vms)] for _ in range(2))
    limit = [rng.randint(12, 24) for _ in range(6)]
    atoms: list[Any] = [
        room(memory, limit),
        room(cpu, [rng.randint(8, 16) for _ in range(6)], asked=SHOULD, base=[rng.randint(0, 2) for _ in range(6)]),
        room(memory, [n - 3 for n in limit], asked=rng.choice((GUARD, SHOULD))),
        Leave(rng.choice((MUST, SHOULD)), np.array([0], np.int32), np.eye(6, dtype=bool)[start[0]]),
        Enter("r", np.array(rng.sample(range(vms), 3), np.int32), np.arange(6) != rng.randrange(6)),
    ]
    for level in (0, 1):
        named = [(f"g{level}{i}", rng.sample(range(vms), 3)) for i in range(2)]
        atoms.append(AtMost(rng.choice((MUST, SHOULD)), level, Sets.of(named), np.array([1, 2])))
    if seed % 3 == 0:
        atoms.append(Apart(MUST, 0, Sets.of([("a", [1, 2])]), Sets.of([("b", [3])])))
    moving = {vms - 1: rng.randrange(6)} if seed % 2 else {}
    racks = [0, 0, 1, 1, 2, 2]
    return problem(start, atoms, hosts=6, racks=racks, stages=STAGES, also_at={v: h for v, h in moving.items()})


def check(of: Problem, fixed: Any, state: PhasedState) -> None:
    """Every sum as if counted anew, and nothing worse than at the start in any phase, whatever its order."""
    placement, anew = state.place[:, 0].astype(np.int32), counted_anew(of, fixed, state)
    tally, left = Tally(of), set(range(of.vms))
    for phase in range(state.union.shape[1]):
        gone = [v for v in sorted(left) if state.place[v, 1] == phase]
        for v in gone:
            assert placement[v] != of.start[v] and of.may_enter(v)[placement[v]]
            tally.add(v, int(placement[v]))
        assert_no_worse(tally)
        for v in gone:
            tally.remove(v, int(of.start[v]))
        left -= set(gone)
    assert (placement[sorted(left)] == of.start[sorted(left)]).all()
    assert np.array_equal(anew.union, state.union) and np.array_equal(anew.load, state.load)
    over = np.maximum(state.load[:, fixed.of] - fixed.limit, 0)
    cost = (fixed.price * -(-1000 * over // fixed.unit)).sum(axis=1)
    away = np.flatnonzero(placement != of.start)
    assert state.cost.tolist() == cost.tolist()
    assert state.total.tolist() == [cost.sum() + fixed.moving[away].sum(), away.size, (cost > 0).sum()]
    assert sorted(state.away[: away.size].tolist()) == away.tolist()
    assert sorted(state.hot[: state.total[2]].tolist()) == np.flatnonzero(cost > 0).tolist()
    assert listed(state) == dict(enumerate(placement.tolist()))


def counted_anew(of: Problem, fixed: Any, state: PhasedState) -> PhasedState:
    """Return the sums of the start with each move counted, one by one."""
    anew = phased_state(of, fixed, state.union.shape[1])
    for v, (target, phase) in enumerate(state.place[:, :2].tolist()):
        home, amount = int(fixed.home[v]), fixed.amount[v]
        if target != home:
            anew.union[home, phase + 1 :] -= amount
            anew.union[target, phase:] += amount
            anew.load[home] -= amount
            anew.load[target] += amount
    return anew


def assert_no_worse(tally: Tally) -> None:
    for counted, domain, excess in tally.excesses():
        if counted.atom.asked.hardness is not Hardness.SHOULD:
            assert excess <= counted.allowed(domain)


def listed(state: PhasedState) -> dict[int, int]:
    out = {}
    for h, first in enumerate(state.head.tolist()):
        v = first
        while v >= 0:
            out[v] = h
            v = int(state.place[v, 2])
    return out


class Walk:
    """A search that is followed chunk by chunk."""

    def __init__(self, of: Problem, seed: int, kernel: Any) -> None:
        self.of, self.kernel = of, kernel
        self.fixed = phased_arrays(of, MOVE, GIVEN)
        self.state = phased_state(of, self.fixed, GIVEN.phases)
        self.state.random[:] = np.random.default_rng(seed).integers(1, 2**32 - 1, 2)

    def go(self, steps: int, temperature: float) -> None:
        self.kernel.phased_search(steps, temperature, np.array(GIVEN.mix, np.int64), self.fixed, self.state)

    @property
    def at(self) -> list[int]:
        return self.state.place[:, 0].tolist()


def test_every_plan_on_the_way_is_counted_right_and_safe(plain: Any) -> None:
    moved = cheaper = 0
    for seed in range(30):
        walk = Walk(made(seed), seed, plain)
        first = int(walk.state.total[0])
        check(walk.of, walk.fixed, walk.state)
        for temperature in (3e5, 1e5, 3e4, 0.0):
            before = walk.at
            walk.go(400, temperature)
            moved += before != walk.at
            check(walk.of, walk.fixed, walk.state)
        cheaper += int(walk.state.total[0]) < first
    assert moved > 60 and cheaper > 20


def test_a_placement_is_gone_to_in_phases_as_far_as_it_can_be(plain: Any) -> None:
    """v1 makes room for v0, v2 for v1; v3 and v4 would have to pass one another, with no room to do so."""
    rooms = [room([9] * 5, [9] * 6, asked=asked) for asked in (MUST, SHOULD)]
    of = problem([0, 1, 2, 4, 5], rooms, hosts=6, stages=STAGES)
    walk = Walk(of, 0, plain)
    assert plain.settled(np.arange(5), np.array([1, 2, 3, 5, 4]), walk.fixed, walk.state) == 2
    assert walk.state.place[:, :2].tolist() == [[1, 2], [2, 1], [3, 0], [4, 4], [5, 4]]
    check(of, walk.fixed, walk.state)


@pytest.mark.parametrize(
    ("atoms", "may"),
    [
        ([room([1, 1], [9, 9, 9])], True),
        ([room([1, 1], [9], level=1)], False),
        ([room([1, 1], [9, 9, 9]), Flow("r", "s", None, None, None, np.ones(2, np.int64), 1)], False),
    ],
)
def test_sums_over_racks_and_budgets_are_left_to_others(atoms: list[Any], may: bool) -> None:
    assert can_be_phased(problem([0, 1], atoms, stages=STAGES)) is may
    assert not can_be_phased(problem([0, 1], atoms, stages=(*STAGES, Stage.PRICED)))


@pytest.mark.slow
def test_compiled_and_plain_make_the_same_moves(plain: Any) -> None:
    oracles = [Walk(made(seed), seed, plain) for seed in range(4)]
    for oracle in oracles:
        oracle.go(1500, 5e4)
    assert is_cached(plain.phased_search)  # it needs no compiling
    numba.config.DISABLE_JIT = 0  # type: ignore[attr-defined]
    for name in KERNELS:
        sys.modules.pop(name)
    kernel = importlib.import_module(KERNELS[-1])
    for seed, oracle in enumerate(oracles):
        walk = Walk(made(seed), seed, kernel)
        walk.go(1500, 5e4)
        assert walk.at == oracle.at and walk.state.total.tolist() == oracle.state.total.tolist()
    assert is_cached(kernel.phased_search)


def test_it_does_not_begin_where_there_is_no_time_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    stop.set()
    of = problem([0, 0], [room([5, 5], [6, 9, 9], asked=SHOULD)], stages=STAGES)
    begun: list[int] = []
    monkeypatch.setattr(PhasedSearch, "prepare", lambda _: begun.append(1))
    monkeypatch.setattr("optimizer.compiled.is_cached", lambda _: True)
    assert not PhasedSearch(of, Deadline(SystemClock(), 600.0, stop), 0, GIVEN).ready()
    monkeypatch.setattr("optimizer.compiled.is_cached", lambda _: False)
    assert not PhasedSearch(of, Deadline(SystemClock(), 7.0), 0, GIVEN).ready()
    assert not begun
    assert has_time(Deadline(WorkClock(), 0.1), GIVEN)  # what the cache has changes no plan where work is what counts


def test_a_compiler_that_takes_too_long_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, of = threading.Event(), problem([0, 0], [room([5, 5], [6, 9, 9], asked=SHOULD)], stages=STAGES)
    monkeypatch.setattr(PhasedSearch, "prepare", lambda _: go_on.wait(60))
    monkeypatch.setattr("optimizer.compiled.is_cached", lambda _: True)
    assert not PhasedSearch(of, Deadline(SystemClock(), 0.1), 0, GIVEN).ready()
    assert any_left_behind()
    go_on.set()
    assert PhasedSearch(of, Deadline(SystemClock(), 60.0), 0, GIVEN).ready()


def test_a_search_that_was_given_up_while_it_was_compiled_counts_as_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was begun, as there seemed to be time for it."""
    monkeypatch.setattr(PhasedSearch, "ready", lambda _: False)
    for known in (False, True):
        monkeypatch.setattr("optimizer.compiled.is_cached", lambda _, known=known: known)
        of = problem_of(1)
        limits = Limits(parameters=replace(LARGE, phased=Phased(compiling=0.0)))
        solver = Solver(of, limits, Deadline(SystemClock(), 60.0))
        solver._anneal(WorkingPlacement(of), solver.deadline)
        assert solver.uncompiled is not known


def test_where_proposals_are_slow_the_clock_is_looked_at_all_the_same() -> None:
    of = problem([0, 0], [room([5, 5], [6, 9, 9], asked=SHOULD)], stages=STAGES)
    clock = SimulatedClock(datetime(2026, 11, 30, tzinfo=UTC))
    search = PhasedSearch(of, Deadline(clock, 10.0), 0, GIVEN)
    search._search = lambda steps, *_: clock.sleep(steps * 1e-4)
    search.anneal(phased_state(of, search.fixed, 4))
    assert 10.0 <= clock.monotonic() < 10.1


@pytest.mark.slow
def test_tiny_fleets_are_no_better_than_they_can_be() -> None:
    """With the complete model for an oracle; and nearly always as good."""
    same = 0
    for seed in range(8):
        values = {}
        for whole in (True, False):
            parameters = (
                Parameters() if whole else Parameters(whole=Whole(literals=0), exhaustive=Exhaustive(enabled=False))
            )
            plan = make_plan(*tiny(seed), Request(seconds=5, deterministic=True, parameters=parameters))
            assert verify(*tiny(seed), plan).findings == ()
            values[whole] = [(s.value, s.bound) for s in plan.objective if s.stage != "placement"]
        best, found = ([v for v, _ in values[w]] for w in (True, False))
        assert best <= found
        same += best == found
    assert same >= 6


@pytest.mark.slow
def test_where_large_vms_share_few_hosts_less_is_left_with_no_more_moves() -> None:
    rng, sizes = np.random.default_rng(3), (1000, 1600, 2400)
    hosts = [host(f"h{i}", memory=sizes[i % 3]) for i in range(60)]
    vms = [vm(f"v{i}", f"h{i % 60}", memory=int(rng.integers(20, 120) * sizes[i % 3] / 1000)) for i in range(360)]
    vms += [vm(f"b{i}", f"h{i}", memory=int(rng.integers(300, 560) * sizes[i % 3] / 1000)) for i in range(36)]
    snapshot = fleet(hosts, vms)
    asked = policy("capacity", {"rule": "balance", "resource": "memory_mib", "tolerance": 0.05})
    found = {}
    for enabled in (True, False):
        request = Request(seconds=2, deterministic=True, parameters=Parameters(phased=Phased(enabled=enabled)))
        plan = make_plan(snapshot, asked, request)
        assert verify(snapshot, asked, plan).findings == ()
        found[enabled] = [s.value for s in plan.objective if s.stage != "placement"]
    assert found[True] < found[False]
