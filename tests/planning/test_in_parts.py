"""Repair in parts: the same answer whoever does it, as good as the whole, and nothing broken where parts meet."""

from __future__ import annotations

import pickle
from dataclasses import asdict, replace
from functools import cache, partial
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.cautions import NOT_COMPILED, solver_failed
from optimizer.engine import LocalEngine
from optimizer.engine.processes import Processes
from optimizer.limits import Limits
from optimizer.pipeline import Request, make_plan
from optimizer.plan import Status
from optimizer.planning import in_parts
from optimizer.planning.in_parts import Found, solve_piece
from optimizer.problem.problem import build
from optimizer.repair.solver import Solver
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.synthetic import Spec, generate
from optimizer.verify.verify import verify
from tests.build import policy
from tests.engine.tasks import solve_but_die_once
from tests.oracle.problems import tiny_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from optimizer.engine import Done, Engine, Stop
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

IN_FOUR = Request(deterministic=True, parts=4)


@cache
def generated(fill: float = 0.9) -> Fleet:
    return fleet_from_document(generate(Spec(hosts=60, vms=600, memory_fill=fill, seed=3)), "test")


def planned(engine: Engine, request: Request = IN_FOUR) -> Plan:
    return make_plan(generated(), policy(), request, engine=engine)


def said(plan: Plan) -> Any:
    return plan.stats["partition"]


@pytest.mark.slow
def test_one_worker_or_two_or_none_give_the_same_plan() -> None:
    plans = [planned(engine) for engine in (LocalEngine(), Processes(1), Processes(2))]
    assert len({p.id for p in plans}) == 1
    assert plans[0].moves == plans[1].moves == plans[2].moves != ()
    assert [said(p)["engine"] for p in plans] == ["local", "process", "process"]
    assert [said(p)["workers"] for p in plans] == [1, 1, 2]


@pytest.mark.slow
def test_the_parts_together_are_as_good_as_the_whole() -> None:
    whole, parts = planned(LocalEngine(), Request(deterministic=True, parts=1)), planned(LocalEngine())
    assert whole.status is parts.status is Status.OPTIMAL
    assert len(parts.moves) == len(whole.moves)
    assert said(whole) == {"engine": "local", "parts": 1}
    assert said(parts)["parts"] == len(said(parts)["done"]) == 4
    assert sum(part["hosts"] for part in said(parts)["done"]) == 60
    harm, moving = (next(s.value for s in parts.objective if s.stage == stage) for stage in ("harm", "moving"))
    assert harm == 0 <= said(parts)["joined"]["harm"]
    assert moving == len(parts.moves)


class Deadly(Processes):
    """Two processes, the first of which to be in the midst of a part is killed."""

    def __init__(self, marker: Path) -> None:
        super().__init__(2)
        self.marker = marker

    def map(self, function: Callable[..., Any], tasks: Sequence[bytes], stop: Stop) -> list[Done[Any] | None]:
        return super().map(partial(solve_but_die_once, str(self.marker)), tasks, stop)


@pytest.mark.slow
def test_the_part_of_a_worker_that_is_killed_is_solved_again(tmp_path: Path) -> None:
    marker = tmp_path / "killed"
    plan = planned(Deadly(marker))
    assert marker.exists()
    assert sorted(part["tries"] for part in said(plan)["done"]) == [1, 1, 1, 2]
    assert plan.id == planned(LocalEngine()).id


def test_an_interrupt_leaves_a_plan_that_stands_still() -> None:
    stopped = Event()
    stopped.set()
    plan = make_plan(generated(), policy(), IN_FOUR, interrupt=stopped, engine=Processes(2))
    assert plan.status is Status.NO_PLAN_IN_TIME
    assert not plan.moves


@pytest.mark.slow
def test_with_every_rule_a_plan_in_parts_is_safe_and_what_it_claims() -> None:
    split = 0
    for number in range(10):
        tiny = tiny_problem(number)
        plan = make_plan(tiny.fleet, tiny.policy, Request(deterministic=True, parts=2, path="repair"))
        assert verify(tiny.fleet, tiny.policy, plan).findings == (), number
        split += plan.stats.get("partition", {}).get("parts") == 2  # type: ignore[attr-defined]
    assert split > 5


def test_what_a_part_did_without_is_said_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole asks for no such search itself: what it warns of comes from a part."""

    def hurried(task: bytes, stop: Stop) -> Found:
        return Found(pickle.loads(task)[0].start, 0.0, 0.0, 1, uncompiled=True, failed=(("stage harm", "X: it broke"),))

    monkeypatch.setattr(in_parts, "solve_piece", hurried)
    monkeypatch.setattr(Solver, "repair_boundaries", lambda _, work, __: work.placement)
    plan = planned(LocalEngine(), replace(IN_FOUR, path="repair"))
    assert plan.stats["warnings"] == [asdict(NOT_COMPILED), asdict(solver_failed("stage harm", "X: it broke"))]


def test_a_part_says_that_it_had_no_time_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    def hurried(solver: Solver, _: object) -> Any:
        solver.uncompiled = True
        return solver.problem.start.copy()

    monkeypatch.setattr(Solver, "repair", hurried)
    problem = build(generated(), policy().demands)
    assert solve_piece(pickle.dumps((problem, Limits(seconds=1.0))), Event()).uncompiled
