"""The compiled search counts as the reference evaluator does, along random walks, and as plain Python does."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pytest

from optimizer.clock import SystemClock
from optimizer.limits import Deadline
from optimizer.parameters import HARD, SOFT, Annealing
from optimizer.problem.atoms import Hinge, Linear
from optimizer.problem.evaluate import evaluate, placement_cost
from optimizer.reassignment.annealing import Schedule, _legs, anneal_together
from optimizer.reassignment.cost_arrays import SearchState, lowered, room_for, state_at
from tests.reassignment.roadef_instances import instance, random_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.problem.problem import Problem
    from optimizer.reassignment.cost_arrays import CostArrays

KERNELS = (
    "optimizer.compiled_random",
    *(f"optimizer.reassignment.{name}" for name in ("kernel_parts", "kernel_big", "kernel_ruin", "kernel")),
)

ALL_KINDS = (800, 1000, 1600, 2000, 2500, 3000, 3600)
"""A mix in which large moves are as frequent as all others."""


class Walk:
    """A random walk of the kernel over a problem."""

    def __init__(self, problem: Problem, seed: int, *, hard: bool, mix: tuple[int, ...], anneal: Any = None) -> None:
        self.problem, self.hard, self.mix = problem, hard, np.array(mix, np.int64)
        self.fixed, start = lowered(problem)
        self.state = state_at(self.fixed, start, start.place[:, 0], seed)
        self.state.weight[:, : len(self.fixed.union)] = 0 if hard else 3
        self.room = room_for(self.fixed, 63)
        self.anneal = anneal or importlib.import_module("optimizer.reassignment.kernel").anneal

    def go(self, steps: int, temperature: float) -> None:
        self.anneal(steps, temperature, temperature, self.hard, 0, self.mix, self.room, self.fixed, self.state)

    @property
    def at(self) -> list[int]:
        return self.state.place[:, 0].tolist()


def check(walk: Walk) -> None:
    """Every sum as if counted anew, the cost as the evaluator says, nothing worse than it may be."""
    state, problem = walk.state, walk.problem
    assert int(state.total[0]) == placement_cost(problem, walk.at)
    assert int(state.total[4]) == placement_cost(problem, state.best.tolist())
    anew = state_at(walk.fixed, state, state.place[:, 0], 0)
    for name in ("level", "cost", "there", "counts"):
        assert np.array_equal(getattr(state, name), getattr(anew, name)), name
    assert state.total[:3].tolist() == anew.total[:3].tolist()
    assert listed(state) == {v: h for v, h in enumerate(walk.at)}
    worse = evaluate(problem, walk.at).worse
    assert evaluate(problem, state.best.tolist()).worse == ()
    assert not worse or (not walk.hard and all(isinstance(problem.atoms[i.atom], Linear) for i in worse))


def listed(state: SearchState) -> dict[int, int]:
    """Which host each VM is listed on."""
    out = {}
    for host, first in enumerate(state.head.tolist()):
        vm = first
        while vm >= 0:
            out[vm] = host
            vm = int(state.place[vm, 1])
    return out


@pytest.mark.compiles
@pytest.mark.parametrize("hard", [True, False])
def test_random_walks_over_tiny_instances_are_counted_right(tmp_path: Path, hard: bool) -> None:
    moved = broken = 0
    for seed in range(25):
        problem = random_instance(tmp_path, seed, machines=4 + seed % 3, processes=5 + seed % 7)
        broken += bool(evaluate(problem, problem.start.tolist()).excess)
        walk = Walk(problem, seed, hard=hard, mix=ALL_KINDS if hard else SOFT.mix)
        for _ in range(8):
            before = walk.at
            walk.go(150, 50.0)
            moved += before != walk.at
            check(walk)
    assert moved > 60
    assert broken > 5


@pytest.mark.slow
@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("name", ["a1_2", "a2_1", "a2_2", "a2_3"])
def test_random_walks_of_a_million_proposals_are_counted_right(data_dir: Path, name: str, hard: bool) -> None:
    walk = Walk(instance(data_dir, name), 1, hard=hard, mix=HARD.mix if hard else SOFT.mix)
    first = int(walk.state.total[0])
    for temperature in (1e6, 1e5, 0.0):
        walk.go(350_000, temperature)
        check(walk)
    assert int(walk.state.total[0]) < first


@pytest.fixture
def plain() -> Iterator[Any]:
    """The kernel as plain Python, which is its oracle."""
    kept = {name: sys.modules.pop(name, None) for name in KERNELS}
    numba.config.DISABLE_JIT = 1  # type: ignore[attr-defined]
    yield importlib.import_module("optimizer.reassignment.kernel").anneal
    numba.config.DISABLE_JIT = 0  # type: ignore[attr-defined]
    for name, module in kept.items():
        sys.modules.pop(name)
        if module is not None:
            sys.modules[name] = module


@pytest.mark.parametrize("hard", [True, False])
def test_compiled_and_plain_make_the_same_moves(tmp_path: Path, plain: Any, hard: bool) -> None:
    oracles = []
    for seed in range(6):
        problem = random_instance(tmp_path, seed, machines=5, processes=9)
        oracle = Walk(problem, seed, hard=hard, mix=ALL_KINDS, anneal=plain)
        oracle.go(600, 40.0)
        check(oracle)
        oracles.append((problem, oracle))
    assert not hasattr(plain, "py_func")
    from_cache = compiled_kernel()
    for seed, (problem, oracle) in enumerate(oracles):
        walk = Walk(problem, seed, hard=hard, mix=ALL_KINDS, anneal=from_cache)
        walk.go(600, 40.0)
        assert walk.at == oracle.at
        assert walk.state.total.tolist() == oracle.state.total.tolist()


def compiled_kernel() -> Any:
    """Import the kernel once more, compiled."""
    numba.config.DISABLE_JIT = 0  # type: ignore[attr-defined]
    for name in KERNELS:
        sys.modules.pop(name, None)
    anneal = importlib.import_module("optimizer.reassignment.kernel").anneal
    assert hasattr(anneal, "py_func")
    return anneal


def searched(problem: Problem, threads: int, stop: threading.Event | None = None) -> tuple[list[int], list[int]]:
    """Let both searches run for a fixed number of proposals; the last placement, and the values on the way."""
    fixed, start = lowered(problem)
    told: list[tuple[list[int], int]] = []
    schedule = Schedule(Deadline(SystemClock(), 600.0, stop), 0.0, 0.0, 400_000)

    def tell(placement: Any, value: int) -> bool:
        told.append((placement.tolist(), value))
        return True

    anneal_together(fixed, start, schedule, bound=0, seed=5, threads=threads, tell=tell)
    assert all(placement_cost(problem, at) == value for at, value in told)
    return (told[-1][0] if told else []), [value for _, value in told]


@pytest.mark.slow
def test_the_number_of_threads_never_changes_the_answer(data_dir: Path) -> None:
    problem = instance(data_dir, "a2_4")
    alone, together = searched(problem, 1), searched(problem, 2)
    assert alone == together
    assert alone[1] == sorted(alone[1], reverse=True)
    assert len(set(alone[1])) > 1


@pytest.mark.compiles
def test_a_search_that_may_not_run_says_nothing(data_dir: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert len(set(searched(instance(data_dir, "a1_2"), 1, stop)[1])) <= 1


@pytest.mark.slow
def test_small_jobs_never_load_the_compiler(data_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from optimizer.limits import Limits;"
        "from optimizer.reassignment.search import solve_cost;"
        "from tests.reassignment.roadef_instances import instance;"
        "assert solve_cost(instance(Path(sys.argv[1]), 'a1_1'), Limits(seconds=30)).value == 44306501;"
        "assert 'numba' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(data_dir)], cwd=root, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def adapted(walk: Walk, times: int, ease: int) -> None:
    """Look at the penalties so often."""
    kernel, fixed, state = importlib.import_module("optimizer.reassignment.kernel"), walk.fixed, walk.state
    for _ in range(times):
        kernel.adapt(ease, fixed, state)


def test_a_penalty_that_nothing_lowers_stops_where_sums_are_still_exact(tmp_path: Path) -> None:
    walk = Walk(random_instance(tmp_path, 3), 1, hard=False, mix=SOFT.mix)
    fixed, state = walk.fixed, walk.state
    state.level[:, : len(fixed.union)] = np.maximum(state.level[:, : len(fixed.union)], 1)
    adapted(walk, 5000, 0)
    held = slice(len(fixed.union))
    assert (state.weight[:, held] == fixed.scalars[3]).all()
    most = np.abs(state.level[:, held]).sum() + fixed.amount[::2, held].sum()
    assert most * int(fixed.scalars[3]) < 2**53
    assert state.cost[:, 1].tolist() == (state.level[:, held] * state.weight[:, held]).sum(axis=1).tolist()


def test_each_host_has_penalties_of_its_own(tmp_path: Path) -> None:
    walk = Walk(random_instance(tmp_path, 3), 1, hard=False, mix=SOFT.mix)
    held, weight, level = slice(len(walk.fixed.union)), walk.state.weight, walk.state.level
    costs = weight[:, len(walk.fixed.union) :].copy()
    level[:, held], weight[:, held] = -1, 200
    level[1, 0] = 1
    adapted(walk, 50, 0)
    assert (weight[1, 0] > 300, (weight[:, held] == 200).sum()) == (True, weight[:, held].size - 1)  # none falls
    adapted(walk, 50, 65536)
    assert weight[0, 0] < 130 < 400 < weight[1, 0]  # kept to, it falls at every look
    level[0, 0], weight[0, 0] = 1, 1
    adapted(walk, 1, 0)
    assert weight[0, 0] > weight[1, 0] / (2 * len(level)) > 10  # passed once more, it begins near what others pay
    assert np.array_equal(weight[:, len(walk.fixed.union) :], costs)


def race(steps: int | None, seconds: float = 0.0) -> Schedule:
    return Schedule(Deadline(SystemClock(), seconds), seconds, 0.0, steps)


def test_a_race_has_as_many_searches_as_there_is_time_for() -> None:
    assert [race(None, 57.0).rivals(vms, 2) for vms in (1_000, 5_000, 50_000)] == [11, 5, 1]
    assert race(None, 4 * 57.0).rivals(1_000, 2) == 23
    assert [race(None, 20.0).rivals(1_000, threads) for threads in (1, 8)] == [3, 13]
    assert race(10**10).rivals(1_000, 1) == race(10**10).rivals(1_000, 8) == 31
    assert race(None, 1.5).rivals(1_000, 2) == 1


def test_the_legs_of_a_race_share_what_there_is() -> None:
    for searches in (2, 4, 12):
        legs = _legs(searches, Annealing())
        assert [leg.end for leg in legs] == sorted({leg.end for leg in legs})
        assert (legs[0].searches, legs[-1].searches, legs[-1].end) == (searches, 2, 1.0)
        begins = [0.0, *(leg.end for leg in legs[:-1])]
        made = sum(leg.searches * race(10**6).share(legs, at, 2)[1] for leg, at in zip(legs, begins, strict=True))
        assert 0.999 < made / (2 * 10**6) <= 1.0
        seconds = race(None, 100.0).share(legs, 0.0, 1)[0]
        whole = seconds / legs[0].end * sum(leg.searches * (leg.end - a) for leg, a in zip(legs, begins, strict=True))
        assert 99.0 < whole < 100.1  # in one thread each search waits for the others


def test_costs_too_large_for_exact_sums_are_refused(tmp_path: Path) -> None:
    problem = random_instance(tmp_path, 3)
    large = [replace(a, weight=2**50) if isinstance(a, Hinge) else a for a in problem.atoms]
    assert any(isinstance(a, Hinge) for a in large)
    with pytest.raises(ValueError, match="costs below"):
        lowered(replace(problem, atoms=tuple(large)))


def test_lowering_keeps_what_rules_ask_apart(tmp_path: Path) -> None:
    fixed: CostArrays = lowered(random_instance(tmp_path, 3))[0]
    assert fixed.service[:, 3].tolist() == sorted(fixed.service[:, 3].tolist(), reverse=True)
    assert fixed.union.tolist() == [1, 0]
