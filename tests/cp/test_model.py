"""The model of CP-SAT: whole and neighbourhood, stage by stage, and how it ends."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import numpy as np
import pytest

from optimizer.clock import SimulatedClock
from optimizer.cp.model import Ended, Model, StageEnd, complete_candidates
from optimizer.fleet import ABSENT
from optimizer.limits import Deadline, WorkClock
from optimizer.problem.atoms import AtMost, Enter, Fixed, Flow
from optimizer.problem.problem import Problem, Stage, stage_of
from optimizer.problem.working_placement import WorkingPlacement
from tests.problem.tiny import MUST, PRICED, SHOULD, problem, room, sets
from tests.repair.solving import deadline

STAGES = (Stage.HARM, Stage.MOVING)


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.int64)


def whole(asked: Problem) -> Model:
    return Model(asked, asked.start, complete_candidates(asked))


def run(model: Model, stages: tuple[Stage, ...] = STAGES) -> tuple[list[int] | None, list[StageEnd]]:
    placement, ends = model.run(stages, work=10.0, deadline=deadline(), seed=0)
    return None if placement is None else [int(h) for h in placement], ends


def swap() -> Problem:
    """Only with v0 and v1 in each other's places nothing is over."""
    return problem([0, 1], [room([5, 4], [4, 5, 0])])


def test_candidates_are_everybody_who_may_move_where_they_may_go_and_home() -> None:
    home = np.array([True, False, False])
    atoms = [Enter("e", None, np.array([True, False, True])), Fixed("f", np.array([1], np.int32), "it stays")]
    atoms.append(Enter("e", np.array([3], np.int32), home))
    found = complete_candidates(problem([0, 1, ABSENT, 1], atoms))
    assert {v: hosts.tolist() for v, hosts in found.items()} == {0: [0, 2], 3: [0, 1]}


def test_stages_are_minimized_one_after_the_other() -> None:
    placement, ends = run(whole(swap()))
    assert placement == [1, 0]
    assert ends == [StageEnd(Stage.HARM, Ended.OPTIMAL, 0, 0), StageEnd(Stage.MOVING, Ended.OPTIMAL, 2, 2)]


def test_a_stage_without_terms_is_what_it_is() -> None:
    _, ends = run(whole(problem([0, 1], [])), (Stage.SHOULD_HARM, Stage.MOVING))
    assert ends[0] == StageEnd(Stage.SHOULD_HARM, Ended.OPTIMAL, 0, 0)


def test_where_nobody_is_free_the_placement_stays() -> None:
    asked = problem([0], [Fixed("f", np.array([0], np.int32), "it stays")])
    assert run(whole(asked)) == ([0], [StageEnd(s, Ended.OPTIMAL, 0, 0) for s in STAGES])


def test_caps_bind_and_may_leave_nothing() -> None:
    model = whole(swap())
    model.cap(Stage.MOVING, 1)
    placement, ends = run(model)
    assert (placement, ends[0].value) == ([0, 1], 100)
    model.cap(Stage.HARM, 99)
    assert run(model) == (None, [StageEnd(Stage.HARM, Ended.INFEASIBLE, 0, 0)])


def test_forbidden_placements_do_not_come_again() -> None:
    seen: list[int | None] = []
    for _ in range(4):
        model = whole(problem([0], []))
        for host in seen:
            model.forbid(np.array([host], np.int32))
        placement, _ = run(model)
        seen.append(placement[0] if placement else None)
    assert seen[0] == 0
    assert set(seen[1:3]) == {1, 2}
    assert seen[3] is None


def test_a_must_that_holds_is_never_broken_for_another() -> None:
    """v0 has to leave h0; h1 would be over by it, which is less, but was not so."""
    asked = problem([0, 1], [room([9, 9], [1, 10, 1], unit=10)])
    assert run(whole(asked))[0] == [0, 1]


def test_a_should_may_be_broken_for_a_must() -> None:
    crowd = AtMost(SHOULD, 0, sets([0, 1]), ones(1))
    asked = problem([0, 1], [room([9, 0], [1, 10, 1]), crowd])
    placement, ends = run(whole(asked), (Stage.HARM, Stage.SHOULD_HARM, Stage.MOVING))
    assert placement == [1, 2]
    assert [e.value for e in ends] == [0, 0, 2]


def test_a_price_is_paid_up_to_its_worth() -> None:
    """Price 2: one unit of excess is worth two moves; with each move of 3 it is not."""
    for weight, expected in ((1, 1000), (3, 2000)):
        asked = problem([0, 0], [AtMost(PRICED, 0, sets([0, 1]), ones(1))], moving=[weight, weight])
        _, ends = run(whole(asked), (Stage.PRICED, Stage.MOVING))
        assert ends[0].value == expected


def test_moves_of_those_that_are_not_free_count_in_budgets_and_not_in_the_value() -> None:
    run_budget = Flow("budget", "run", None, None, None, ones(3), 2)
    asked = problem([0, 0, 0], [AtMost(MUST, 0, sets([0, 1, 2]), ones(1)), run_budget], hosts=4)
    work = WorkingPlacement(asked)
    work.put(0, 1)
    neighbourhood = Model(asked, work.placement, {1: np.arange(4), 2: np.arange(4)})
    placement, ends = run(neighbourhood)
    assert placement is not None
    assert [e.value for e in ends] == [0, 1]
    run_budget = Flow("budget", "run", None, None, None, ones(3), 1)
    asked = problem([0, 0, 0], [asked.atoms[0], run_budget], hosts=4)
    placement, ends = run(Model(asked, work.placement, {1: np.arange(4), 2: np.arange(4)}))
    assert placement == [1, 0, 0]


def test_a_neighbourhood_says_only_what_its_vms_can_touch() -> None:
    crowds = AtMost(MUST, 0, sets([0, 1], [2, 3]), ones(2))
    asked = problem([0, 0, 1, 1], [crowds])
    model = Model(asked, asked.start, {0: np.arange(3), 1: np.arange(3)})
    assert {(member, domain) for _, member, domain in model.covered} == {(0, 0), (0, 1), (0, 2)}
    assert WorkingPlacement(asked).values(but_not=model.covered)[Stage.HARM] == 1000
    _, ends = run(model)
    assert ends[0].value == 0


def test_an_interrupt_ends_it_with_nothing_or_with_something_true() -> None:
    event = threading.Event()
    event.set()
    placement, ends = whole(swap()).run(STAGES, work=10.0, deadline=Deadline(WorkClock(), 9.0, event), seed=0)
    assert ends[-1].ended in (Ended.UNKNOWN, Ended.FEASIBLE, Ended.OPTIMAL)
    assert placement is None or placement.tolist() in ([0, 1], [1, 0])


@pytest.mark.parametrize(("seconds", "stopped_by"), [(0.02, "time"), (1e6, "work")])
def test_what_the_solver_ended_by_its_own_clock_was_cut_short(seconds: float, stopped_by: str) -> None:
    """The deadline's clock stands still, so that it never says itself that the time is over."""
    left = Deadline(SimulatedClock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC)), seconds)
    rng = np.random.default_rng(1)
    amounts = rng.integers(10**5, 10**6, 30)
    full = problem([0] * 30, [room(amounts.tolist(), [int(amounts.sum() / 3)] * 3)])
    _, ends = whole(full).run(STAGES, work=0.05 if stopped_by == "work" else 1e3, deadline=left, seed=0)
    assert not ends or ends[0].ended is not Ended.OPTIMAL
    assert left.stopped_by == stopped_by


def test_the_work_of_a_search_is_counted() -> None:
    left = deadline()
    whole(swap()).run(STAGES, work=10.0, deadline=left, seed=0)
    assert left.left() < deadline().left()


def test_stages_by_hardness() -> None:
    assert stage_of(MUST) == (Stage.HARM, 1)
    assert stage_of(SHOULD) == (Stage.SHOULD_HARM, 3)
    assert stage_of(PRICED) == (Stage.PRICED, 2)
