"""One call of CP-SAT: what fails on a hint is tried without, and an error of it claims nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from optimizer import cp_sat
from optimizer.cautions import solver_failed
from optimizer.clock import SystemClock
from optimizer.cp.solving import make_solver, solve_by, solve_within, telling_failures
from optimizer.left_behind import ends_within
from optimizer.limits import Deadline, WorkClock
from optimizer.parameters import EvenOut, Exhaustive, Parameters
from optimizer.pipeline import Request, make_plan
from optimizer.plan import Status
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm
from tests.repair.test_column_search import uneven
from tests.scoped import plan_under

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.fleet import Fleet

ONE_OF = (range(7), range(7, 13), range(13, 20), range(20, 27), range(41, 47))
COPIED, HEAT = 48, 49
SUMS: tuple[tuple[str, int, dict[int, int]], ...] = (
    ("<=", 1, {32: 1, 45: 1, 47: -1}),
    ("<=", 0, {47: 1000}),
    ("==", 54, {0: 5, 10: 12, 14: 6, 20: 12, 32: 5, 39: 2, 45: 12, COPIED: 1}),
    ("<=", 25, {COPIED: 1}),
    (">=", 0, {0: -1, 7: -2, 13: -16, 27: -1, 34: -12, 41: -3, HEAT: 22}),
    (">=", 0, {1: -1, 8: -2, 14: -16, 28: -1, 35: -12, 42: -3, HEAT: 24}),
    (">=", 0, {2: -1, 9: -2, 15: -16, 29: -1, 36: -12, 43: -3, HEAT: 24}),
    (">=", 0, {3: -1, 10: -2, 16: -16, 30: -1, 37: -12, HEAT: 36}),
    (">=", 0, {4: -1, 17: -16, 31: -1, 38: -12, 44: -3, HEAT: 24}),
    (">=", 0, {5: -1, 11: -2, 18: -16, 32: -1, 39: -12, 45: -3, HEAT: 24}),
    (">=", 0, {6: -1, 12: -2, 19: -16, 33: -1, 40: -12, 46: -3, HEAT: 24}),
    (">=", 0, {3: -5, 10: -7, 16: -4, 23: -8, 37: -1, HEAT: 20}),
    (">=", 0, {5: -5, 11: -7, 18: -4, 25: -8, 39: -1, 45: -7, HEAT: 30}),
    (">=", 0, {6: -5, 12: -7, 19: -4, 26: -8, 40: -1, 46: -7, HEAT: 30}),
    ("<=", 5000, {HEAT: 1}),
)
"""Of a plan's tie-break: relation, limit, and the coefficient of each variable; of `SCALED` ones in ten thousands."""

SCALED = range(48)


def model_that_fails() -> cp_sat.CpModel:
    """Return a model on whose hint, of one variable of fifty, presolve of OR-Tools 9.15 fails."""
    model = cp_sat.CpModel()
    x = [model.new_bool_var("") for _ in range(48)]
    x += [model.new_int_var(0, 54, "copied"), model.new_int_var(0, 15910, "heat")]
    for some in ONE_OF:
        model.add_exactly_one(x[v] for v in some)
    for relation, limit, terms in SUMS:
        scale = 10_000 if HEAT in terms else 1
        coefficients = [c * scale if v in SCALED else c for v, c in terms.items()]
        total = cp_sat.LinearExpr.weighted_sum([x[v] for v in terms], coefficients)
        model.add({"<=": total <= limit, ">=": total >= limit, "==": total == limit}[relation])
    model.add_hint(x[40], 0)
    return model


def test_what_fails_on_its_hint_is_solved_without() -> None:
    with pytest.raises(IndexError):  # once a release of OR-Tools does not, `solving._solved` is not needed any more
        solver().solve(model_that_fails())
    one = solver()
    assert solve_within(one, model_that_fails(), lambda: False) == cp_sat.OPTIMAL
    assert not one.failure


def solver() -> cp_sat.CpSolver:
    return make_solver(10.0, Deadline(WorkClock(), 10.0), 0, 1)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread ends with a traceback."""
    ended: list[object] = []
    monkeypatch.setattr(threading, "excepthook", ended.append)
    yield
    assert not ended


def fails(monkeypatch: pytest.MonkeyPatch, after: int = 0) -> None:
    """Let CP-SAT raise an error from a call on."""
    calls, solve = [], cp_sat.CpSolver.solve

    def raising(self: cp_sat.CpSolver, model: cp_sat.CpModel) -> cp_sat.CpSolverStatus:
        calls.append(1)
        if len(calls) > after:
            raise RuntimeError("out of its depth")
        return solve(self, model)

    monkeypatch.setattr(cp_sat.CpSolver, "solve", raising)


@pytest.mark.usefixtures("quiet")
def test_an_error_of_the_solver_says_nothing_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch)
    deadline = Deadline(SystemClock(), 60.0)
    for _ in range(2):
        assert solve_by(deadline.part(0.5), solver(), cp_sat.CpModel(), "stage moving") == cp_sat.UNKNOWN
    assert deadline.failed == (("stage moving", "RuntimeError: out of its depth"),)
    assert deadline.stopped_by == "error"
    deadline.note_cut()
    assert deadline.stopped_by == "time"


@pytest.mark.usefixtures("quiet")
def test_an_error_of_who_has_no_deadline_is_told_in_its_context(monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch)
    told: list[tuple[str, str]] = []
    assert solve_within(solver(), cp_sat.CpModel(), lambda: False) is None
    with telling_failures(lambda *said: told.append(said)):
        assert solve_within(solver(), cp_sat.CpModel(), lambda: False) is None
    assert told == [("bounds", "RuntimeError: out of its depth")]


@pytest.mark.usefixtures("quiet")
def test_what_work_raises_is_raised_to_who_waits_for_it() -> None:
    with pytest.raises(ZeroDivisionError):
        ends_within(lambda: 1 // 0, lambda: False)


def four() -> Fleet:
    hosts = [host(f"h{i}", cpu=40, memory=64) for i in range(4)]
    vms = [vm(f"v{i}", "h0", cpu=6, memory=16) for i in range(6)]
    return fleet(hosts, vms)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("after", range(0, 12, 2))
def test_a_plan_says_for_which_stage_the_solver_failed_and_claims_nothing_else(
    after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot, asked = four(), policy()
    best = make_plan(snapshot, asked, Request(seconds=5, deterministic=True))
    fails(monkeypatch, after)
    given = Parameters(exhaustive=Exhaustive(enabled=False), even_out=replace(EvenOut(), whole_literals=10**6))
    plan = make_plan(snapshot, asked, Request(seconds=5, deterministic=True, parameters=given))
    assert verify(snapshot, asked, plan).findings == ()
    for ours, known in zip(plan.objective[:-1], best.objective[:-1], strict=True):
        assert ours.bound <= known.value <= ours.value
    said = plan.stats.get("warnings", [])
    assert isinstance(said, list)
    failed = solver_failed("stage placement", "RuntimeError: out of its depth")
    assert all((one["code"], one["text"]) == (failed.code, failed.text) for one in said)
    if not after:
        assert failed.where in {one["where"] for one in said}
        assert plan.objective[-1].stopped_by == "error"
    assert plan.status in (Status.OPTIMAL, Status.FEASIBLE)


@pytest.mark.usefixtures("quiet")
def test_a_plan_says_that_the_solver_failed_on_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch)
    snapshot, asked = uneven(1)
    plan = plan_under(snapshot, asked, Request(seconds=3, deterministic=True), max_moves=4)
    said = plan.stats["warnings"]
    assert isinstance(said, list)
    assert {"bounds", "stage harm"} <= {one["where"] for one in said}
    assert all(stage.bound <= stage.value for stage in plan.objective)


def test_where_the_process_is_too_large_it_is_memory_that_ended_it() -> None:
    """CP-SAT's own limit ends nothing in 9.15: it is the deadline that looks, and it says which."""
    n = 12
    model = cp_sat.CpModel()
    x = [[model.new_bool_var("") for _ in range(n)] for _ in range(n + 1)]
    for row in x:
        model.add_bool_or(row)
    for hole in zip(*x, strict=True):
        for i, one in enumerate(hole):
            for other in hole[:i]:
                model.add_bool_or([one.negated(), other.negated()])
    deadline = Deadline(SystemClock(), 60.0, memory_mib=1)
    one = make_solver(60.0, Deadline(SystemClock(), 60.0, memory_mib=1), 0, 1)
    p = one.parameters
    p.symmetry_level, p.linearization_level, p.cp_model_presolve = 0, 0, False
    assert solve_by(deadline, one, model, "stage moving") == cp_sat.UNKNOWN
    assert deadline.stopped_by == "memory"
