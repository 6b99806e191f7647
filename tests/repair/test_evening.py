"""Evening out: the largest first, hosts that make way as a whole, and as much room as there can be."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from optimizer.fleet import State
from optimizer.parameters import Evening, Parameters
from optimizer.pipeline import Request, make_plan
from optimizer.problem.problem import Stage
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.evening import EveningOut, clear_hosts, limits_that_should_hold
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm
from tests.problem.tiny import MUST, SHOULD, problem, room

STAGES = (Stage.HARM, Stage.SHOULD_HARM, Stage.MOVING, Stage.PLACEMENT)
AMOUNT = [9, 6, 3, 3, 3, 3, 1]
START = [0, 0, 1, 1, 2, 2, 3]


def received(limit: list[int], leaving: list[int], given: Evening | None = None) -> WorkingPlacement:
    work = WorkingPlacement(problem(START, [room(AMOUNT, limit, asked=SHOULD)], hosts=4, stages=STAGES))
    EveningOut(work, leaving, given or Evening(), lambda: False).receive()
    return work


def test_a_host_sends_away_its_own_for_one_that_finds_no_room() -> None:
    """h0 has 15 of 9; no host has 6 free, and h1 or h2 makes room by sending one of its two to h3."""
    work = received([9, 9, 9, 5], [1])
    assert not list(work.violated())
    assert work.placement[1] in (1, 2) and len(work.displaced) == 2


def test_none_makes_way_where_there_is_room_and_the_least_room_is_used() -> None:
    work = received([9, 12, 15, 30], [1])
    assert work.placement[1] == 1 and work.displaced == {1}


def test_what_finds_no_room_stays_and_nothing_else_has_moved() -> None:
    assert not received([9, 6, 6, 1], [1]).displaced
    assert not received([9, 9, 9, 5], [1], Evening(depth=0)).displaced


def test_one_too_large_for_every_host_has_one_for_itself() -> None:
    """v0 of 9 where no host should have more than 7: what is beside it leaves, and it stays."""
    work = received([7, 7, 7, 7], [0])
    assert [v.excess for v in work.violated()] == [2]
    assert work.displaced == {1}


@pytest.mark.parametrize(("may", "left", "moved"), [(True, 20, {0, 4, 5}), (False, 40, {0})])
def test_others_leave_the_host_that_one_too_large_has_come_to(may: bool, left: int, moved: set[int]) -> None:
    """v0 of 90 where no host should have more than 70 has come to h3, beside two that fit elsewhere."""
    amount, start = [90, 60, 30, 30, 10, 10], [0, 0, 1, 1, 3, 3]
    work = WorkingPlacement(problem(start, [room(amount, [70] * 4, asked=SHOULD)], hosts=4, stages=STAGES))
    work.put(0, 3)
    clear_hosts(work, [0], Evening(), lambda: False, lambda _: may)
    assert [v.excess for v in work.violated()] == [left]
    assert work.displaced == moved
    clear_hosts(work, [0], Evening(), lambda: True, lambda _: True)
    assert work.displaced == moved


@pytest.mark.parametrize(("asked", "evens"), [(SHOULD, True), (MUST, False)])
def test_it_is_for_shoulds_that_do_not_hold(asked: object, evens: bool) -> None:
    assert limits_that_should_hold(problem([0, 0], [room([5, 5], [6, 9, 9], asked=asked)])) is evens  # type: ignore[arg-type]
    assert not limits_that_should_hold(problem([0, 1], [room([5, 5], [6, 9, 9], asked=asked)]))  # type: ignore[arg-type]


def test_an_interrupt_keeps_what_was_received_until_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three hosts that are too full two have sent a VM away when it comes; the third stays as it is."""
    hosts = [host(f"h{i}", memory=1000) for i in range(6)]
    vms = [vm(f"v{i}{j}", f"h{i}", memory=250) for i in range(6) for j in range(3 if i < 3 else 1)]
    made = fleet(hosts, vms)
    asked = policy("capacity", {"rule": "balance", "resource": "memory_mib", "tolerance": 0.05})
    interrupt, settle, settled = threading.Event(), EveningOut.settle, []

    def settled_twice(evening: EveningOut, vm: int, depth: int, *barred: frozenset[int]) -> bool:
        settled.append(vm)
        if len(settled) == 2:
            interrupt.set()
        return settle(evening, vm, depth, *barred)

    monkeypatch.setattr(EveningOut, "settle", settled_twice)
    plan = make_plan(made, asked, Request(seconds=30), interrupt=interrupt)
    assert [made.vm_index[m.vm] for m in plan.moves] == settled and len(plan.remaining) == 1
    assert verify(made, asked, plan).findings == ()


@pytest.mark.slow
def test_a_skewed_fleet_is_evened_out_better_than_without() -> None:
    rng = np.random.default_rng(3)
    hosts = [host(f"h{i}", memory=1000) for i in range(30)]
    vms = [vm(f"v{i}", f"h{i % 30}", memory=int(rng.integers(10, 60))) for i in range(180)]
    vms += [vm(f"b{i}", f"h{i}", memory=int(rng.integers(330, 430))) for i in range(12)]
    made, asked = (
        fleet(hosts, vms),
        policy("capacity", {"rule": "balance", "resource": "memory_mib", "tolerance": 0.05}),
    )
    harms = {}
    for enabled in (True, False):
        request = Request(seconds=2, deterministic=True, parameters=Parameters(evening=Evening(enabled=enabled)))
        plan = make_plan(made, asked, request)
        assert verify(made, asked, plan).findings == ()
        harms[enabled] = next(s.value for s in plan.objective if s.stage == "should_harm")
    assert harms[True] < harms[False] < sum(v.harm for v in asked.rules[1].check(State.start(made)))
