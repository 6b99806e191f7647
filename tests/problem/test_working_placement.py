"""A placement under change: its values against the reference evaluator, and what its two tallies count."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import AtMost, Flow, Leave
from optimizer.problem.evaluate import evaluate
from optimizer.problem.instance import Instance
from optimizer.problem.problem import Stage
from optimizer.problem.rule import Hardness
from optimizer.problem.working_placement import WorkingPlacement, sizes, staying
from tests.problem.random_problems import random_problem
from tests.problem.tiny import GUARD, MUST, SHOULD, problem, room, sets

if TYPE_CHECKING:
    from optimizer.problem.tally import Tally

ALL = (Stage.HARM, Stage.SHOULD_HARM, Stage.PRICED, Stage.MOVING, Stage.PLACEMENT)


def test_values_are_the_reference_evaluators_whatever_happened_before() -> None:
    for seed in range(150):
        rng = Random(seed)
        asked = replace(random_problem(rng), stages=ALL)
        work = WorkingPlacement(asked)
        movable = np.flatnonzero(asked.movable).tolist()
        for _ in range(6 if movable else 0):
            work.put(rng.choice(movable), rng.randrange(asked.hosts))
        found = evaluate(asked, work.placement.tolist())
        assert work.values() == {
            Stage.HARM: found.harm,
            Stage.SHOULD_HARM: found.should_harm,
            Stage.PRICED: found.priced + 1000 * found.moving,
            Stage.MOVING: found.moving,
        }, seed
        assert work.measure() == tuple(work.values().values())


def test_it_is_no_worse_where_no_must_or_guard_exceeds_what_it_did_at_the_start() -> None:
    worse = 0
    for seed in range(100):
        rng = Random(seed)
        work = WorkingPlacement(random_problem(rng))
        placed = np.flatnonzero(work.problem.start != ABSENT).tolist()
        for _ in range(20 if placed else 0):
            work.put(rng.choice(placed), rng.randrange(work.problem.hosts))
            if rng.random() < 0.7:  # now and then after several moves
                binding = [e for e in work.tally.excesses() if e[0].atom.asked.hardness is not Hardness.SHOULD]
                expected = all(excess <= tally.allowed(domain) for tally, domain, excess in binding)
                assert work.is_no_worse() is expected, seed
                worse += not expected
    assert worse > 100


def test_going_back_leaves_no_trace() -> None:
    for seed in range(40):
        rng = Random(seed)
        asked = random_problem(rng)
        work, fresh = WorkingPlacement(asked), WorkingPlacement(asked)
        for _ in range(5):
            vms = np.flatnonzero(asked.movable).tolist()
            if vms:
                work.put(rng.choice(vms), rng.randrange(asked.hosts))
        work.become(asked.start)
        for ours, theirs in ((work.tally, fresh.tally), (work.union, fresh.union)):
            _assert_equal(ours, theirs)


def _assert_equal(ours: Tally, theirs: Tally) -> None:
    assert [sorted(e) for e in ours.ends] == [sorted(e) for e in theirs.ends]
    assert list(ours.flow_used) == list(theirs.flow_used)
    for a, b in zip(ours.linears, theirs.linears, strict=True):
        assert (a.load == b.load).all()
    for s, t in zip(ours.sets, theirs.sets, strict=True):
        assert (s.count, s.floating) == (t.count, t.floating)


def test_the_union_counts_those_that_left_at_home_as_well() -> None:
    work = WorkingPlacement(problem([0, 1], [room([5, 4], [9, 9, 9])]))
    work.put(0, 1)
    assert work.tally.linears[0].load.tolist() == [0, 9, 0]
    assert work.union.linears[0].load.tolist() == [5, 9, 0]
    work.put(0, 2)
    assert work.tally.linears[0].load.tolist() == [0, 4, 5]
    assert work.union.linears[0].load.tolist() == [5, 4, 5]
    work.put(0, 0)
    assert work.union.linears[0].load.tolist() == [5, 4, 0]


def test_a_vm_that_moves_on_is_paid_for_once() -> None:
    flow = Flow("budget", "into h2", None, None, np.array([False, False, True]), np.array([3, 1], np.int64), 9)
    work = WorkingPlacement(problem([0, 1], [flow]))
    work.put(0, 1)
    assert list(work.tally.flow_used) == [0]
    work.put(0, 2)
    assert list(work.tally.flow_used) == [3]
    work.put(0, 0)
    assert list(work.tally.flow_used) == [0]


def test_instances_can_be_left_out_of_the_values() -> None:
    crowd = AtMost(MUST, 0, sets([0, 1], [2, 3]), np.array([1, 1], np.int64))
    work = WorkingPlacement(problem([0, 0, 1, 1], [crowd]))
    assert work.values()[Stage.HARM] == 2000
    assert work.values(but_not={Instance(0, 0, 0)})[Stage.HARM] == 1000


def test_guards_are_not_among_the_violated() -> None:
    crowd = [AtMost(asked, 0, sets([0, 1]), np.array([1], np.int64)) for asked in (GUARD, SHOULD)]
    leave = Leave(GUARD, np.array([0], np.int32), np.array([True, False, False]))
    (found,) = WorkingPlacement(problem([0, 0], [*crowd, leave])).violated()
    assert found[:4] == (Instance(1, 0, 0), crowd[1], 1, 1)


def test_who_must_leave_stays_while_either_end_is_there() -> None:
    leave = Leave(MUST, np.arange(4, dtype=np.int32), np.array([False, False, True]))
    asked = problem([2, 0, 0, ABSENT], [leave], also_at={1: 2})
    assert staying(asked, leave, asked.start) == [0, 1]


def test_the_scarce_resource_says_who_is_hard_to_place() -> None:
    """v0 wants half a host of what there is plenty of, v1 half a host of what is nearly gone."""
    plenty, scarce = room([5, 0, 0], [10, 10, 10]), room([0, 5, 22], [10, 10, 10])
    size = sizes(problem([0, 1, 2], [plenty, scarce]))
    assert size[1] > 10 * size[0] > 0
    assert (sizes(problem([0, 1, 2], [room([5, 0, 0], [10, 10, 10], asked=SHOULD)])) == 0).all()


def test_who_is_displaced_and_who_is_where_is_followed_move_by_move() -> None:
    for seed in range(20):
        rng = Random(seed)
        made = random_problem(rng)
        work = WorkingPlacement(made)
        for _ in range(30):
            vm, host = rng.choice(np.flatnonzero(made.movable).tolist() or [-1]), rng.randrange(made.hosts)
            if vm < 0:
                break
            asked = rng.randrange(made.hosts)
            assert work.on(asked).tolist() == np.flatnonzero(work.placement == asked).tolist()
            before = work.changes
            elsewhere = host != work.placement[vm]
            work.put(vm, host)
            assert work.changes == before + elsewhere
            assert work.displaced == set(np.flatnonzero(work.placement != made.start).tolist())
        assert all(work.on(h).tolist() == np.flatnonzero(work.placement == h).tolist() for h in range(made.hosts))
