"""What hosts do at best at given prices, against every set of VMs that could leave or come, and the judge beside it."""

from __future__ import annotations

import threading
from itertools import combinations
from math import ceil
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.bounds.host_choices import HostChoices
from optimizer.bounds.host_sample import alike
from optimizer.bounds.hosts_exchange import MOVE
from optimizer.clock import SystemClock
from optimizer.limits import Deadline, Limits
from optimizer.parameters import Choices
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.verify.proof_receivers import bound_by_receivers
from optimizer.verify.proof_rows import Relaxed
from tests.bounds.test_room_prices import fewest_moves, priced, tiny_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from optimizer.bounds.host_choices import Column
    from optimizer.problem.problem import Problem

    Ints = NDArray[np.int64]

FEW = Choices(quick=(1, 1, 1), thorough=(2, 1, 2), finer=(1,), fine_cells=4)
"""Limits that nearly every search meets."""


def deadline() -> Deadline:
    return Deadline.of(Limits(60.0), SystemClock(), threading.Event())


def subsets(of: list[int]) -> Iterator[tuple[int, ...]]:
    for k in range(len(of) + 1):
        yield from combinations(of, k)


def choices_of(problem: Problem, given: Choices | None = None) -> HostChoices | None:
    rooms = priced(problem, 0, steps=0)
    return None if rooms.exchange is None else HostChoices(rooms, given or Choices())


def exactly(hosts: HostChoices, price: Ints) -> int | None:
    """Return the least that all hosts come to, by trying everything; None where one cannot keep to its limits."""
    total = 0
    for h in range(len(hosts.left)):
        here = np.flatnonzero(hosts.host == h).tolist()
        there = [v for v in np.flatnonzero(hosts.host != h).tolist() if price[v] > 0]
        best: int | None = None
        for gone in subsets(here):
            room = hosts.left[h] + hosts.amount[list(gone)].sum(axis=0)
            cost = MOVE * len(gone) + int(price[list(gone)].sum())
            for come in subsets(there):
                if (hosts.amount[list(come)].sum(axis=0) <= room).all():
                    found = cost - int(price[list(come)].sum())
                    best = found if best is None else min(best, found)
        if best is None:
            return None
        total += best
    return total


def able(hosts: HostChoices, column: Column) -> bool:
    """Whether the host of a column keeps to its limits."""
    room = hosts.left[column.host] + hosts.amount[list(column.leaving)].sum(axis=0)
    return bool((hosts.amount[list(column.coming)].sum(axis=0) <= room).all())


def at_random(hosts: HostChoices, rng: Random) -> Ints:
    return hosts.priced(np.array([rng.choice((0.0, rng.random(), 2 * rng.random())) for _ in hosts.order]))


def judged(seed: int) -> int:
    """Judge the hosts of one problem at a few prices; return how often there was something to judge."""
    problem, rng, done = tiny_problem(seed), Random(f"choices {seed}"), 0
    hosts, few = choices_of(problem), choices_of(problem, FEW)
    if hosts is None or few is None:
        return 0
    truth = fewest_moves(problem).get(0)
    for attempt in range(4):
        price = at_random(hosts, rng)
        known, value = exactly(hosts, price), hosts.value(price, deadline(), bound=True)
        assert value == known, f"problem {seed}, attempt {attempt}"
        if known is None:
            continue
        done += 1
        assert truth is None or ceil(known / MOVE) <= truth, f"problem {seed}, attempt {attempt}"
        limited = few.value(price, deadline(), bound=True)
        assert limited is not None
        assert limited <= known, f"problem {seed}, attempt {attempt}: a limit makes it no higher"
        axes = hosts.axes[:2]
        words = " ".join(f"{axis.resource} {step}" for axis, step in zip(axes, steps_of(hosts), strict=True)) + " 0"
        prices = dict(zip(hosts.order.tolist(), price.tolist(), strict=True))
        assert bound_by_receivers(problem, Relaxed(problem), words, prices, {}) == ceil(known / MOVE), f"problem {seed}"
        look = hosts.look(price, deadline())
        assert look is not None
        assert all(able(hosts, column) for column in look.columns)
        best = {column.host: cost_of(column, price) for column in look.columns}
        assert sum(best.values()) >= known
    return done


def cost_of(column: Column, price: Ints) -> int:
    paid = int(price[list(column.leaving)].sum()) - int(price[list(column.coming)].sum())
    return MOVE * len(column.leaving) + paid


def steps_of(hosts: HostChoices) -> list[int]:
    return [int(share) << int(shift) for share, shift in zip(hosts.shares[:2], hosts.fixed.shift[-1], strict=True)]


def test_what_hosts_come_to_is_what_trying_everything_says() -> None:
    assert sum(judged(seed) for seed in range(12)) > 20


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(16))
def test_what_hosts_come_to_is_what_trying_everything_says_in_many_fleets(chunk: int) -> None:
    assert sum(judged(seed) for seed in range(100 + 20 * chunk, 120 + 20 * chunk)) > 20


def test_a_known_column_is_found_again_or_beaten() -> None:
    for seed in range(6):
        hosts = choices_of(tiny_problem(seed))
        if hosts is None:
            continue
        price = at_random(hosts, Random(f"known {seed}"))
        value = hosts.value(price, deadline())
        if value is None:
            continue
        least = hosts.state.value.copy()
        assert hosts.value(price, deadline(), least + 1) == value
        assert hosts.value(price, deadline(), least) == value, "what is known is no less than what there is"


def test_the_simple_column_is_enough() -> None:
    for seed in range(12):
        hosts = choices_of(tiny_problem(seed))
        if hosts is not None and hosts.value(np.zeros(len(hosts.order), np.int64), deadline()) is not None:
            assert all(able(hosts, hosts.simple(h)) for h in range(len(hosts.left)))


@pytest.mark.parametrize("seed", range(6))
def test_hosts_of_a_part_come_to_what_they_do_beside_others_whose_vms_nobody_is_paid_for(seed: int) -> None:
    hosts = choices_of(tiny_problem(seed))
    assert hosts is not None
    assert len(hosts.left) > 1
    rng, covered = Random(f"part {seed}"), []
    hosts.narrowed(WorkingPlacement(hosts.problem).tally, deadline())
    for some in alike(hosts.left, 2):
        part, at = hosts.sample(some)
        price = np.zeros(len(hosts.order), np.int64)
        price[at] = at_random(part, rng)
        here, whole = part.look(price[at], deadline()), hosts.look(price, deadline())
        assert (here is None) == (whole is None)
        if here is not None and whole is not None:
            assert part.state.value.tolist() == hosts.state.value[some].tolist()
            mine = [c for c in whole.columns if c.host in set(some.tolist())]
            assert [cost_of(c.renumbered(some, at), price) for c in here.columns] == [cost_of(c, price) for c in mine]
        covered += some.tolist()
    assert sorted(covered) == list(range(len(hosts.left)))


def test_prices_that_add_up_to_more_than_tables_hold_are_made_smaller() -> None:
    hosts = choices_of(tiny_problem(3))
    assert hosts is not None
    price = hosts.priced(np.full(len(hosts.order), 1e9))
    assert (price > 0).any()
    assert hosts.value(price, deadline()) == exactly(hosts, price)
    assert int(hosts.state.table.max()) > 0


def test_nothing_is_said_where_no_time_is_left() -> None:
    hosts = choices_of(tiny_problem(3))
    assert hosts is not None
    over = Deadline.of(Limits(0.0), SystemClock(), threading.Event())
    assert hosts.value(np.zeros(len(hosts.order), np.int64), over) is None
    assert hosts.look(np.zeros(len(hosts.order), np.int64), over) is None


def test_a_look_of_many_nodes_is_not_one_that_the_judge_can_follow() -> None:
    problem = tiny_problem(3)
    hosts, few = choices_of(problem), choices_of(problem, Choices(provable=0))
    assert hosts is not None
    assert few is not None
    for each in (hosts, few):
        assert each.value(at_random(each, Random("provable")), deadline(), bound=True) is not None
    assert hosts.provable
    assert not few.provable


def test_narrowed_hosts_take_nobody_who_may_not_come() -> None:
    problem = tiny_problem(3)
    hosts = choices_of(problem)
    assert hosts is not None
    tally = WorkingPlacement(problem).tally
    hosts.narrowed(tally, deadline())
    for at, vm in enumerate(hosts.order.tolist()):
        assert (hosts.narrow.allowed[hosts.narrow.kind[at]] == tally.admits(vm)).all()
