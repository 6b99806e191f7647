"""Parts: every host in one, about as large as the others, and what must not be torn in one subproblem."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.decompose.partition import _dealt_evenly, partition, parts_for
from optimizer.decompose.subproblem import Cut
from optimizer.fleet import ABSENT
from optimizer.parameters import Parts
from optimizer.problem.atoms import AtLeast, AtMost, Enter, Hinge
from tests.problem.random_problems import random_problem
from tests.problem.tiny import MUST, problem, room, sets


def quiet(hosts: int) -> np.ndarray:
    return np.zeros(hosts, np.int64)


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_each_host_and_each_vm_that_may_move_is_in_just_one_part(seed: int, parts: int) -> None:
    asked = random_problem(Random(seed))
    parts = parts_for(asked, parts, Parts())
    part = partition(asked, parts, np.arange(asked.hosts))
    assert part.shape == (asked.hosts,)
    assert set(part.tolist()) <= set(range(parts))
    cut = Cut(asked, part, asked.movable)
    subproblems = [cut.subproblem(p) for p in range(cut.parts)]
    assert sorted(h for subproblem in subproblems for h in subproblem.hosts.tolist()) == list(range(asked.hosts))
    held = [v for subproblem in subproblems for v in subproblem.vms.tolist()]
    assert len(held) == len(set(held))
    assert set(np.flatnonzero(asked.movable).tolist()) <= set(held)
    for subproblem in subproblems:
        own = np.arange(subproblem.problem.vms) < subproblem.vms.size
        assert not subproblem.problem.movable[~own].any()
        assert (subproblem.problem.movable[own] <= asked.movable[subproblem.vms]).all()
    under_way = np.flatnonzero((asked.also_at != ABSENT) & (asked.start != ABSENT))
    assert (part[asked.start[under_way]] == part[asked.also_at[under_way]]).all()


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_hosts_that_nothing_couples_are_dealt_out_evenly_and_trouble_too(parts: int) -> None:
    hosts = 42
    asked = problem([*range(hosts)], [room([1] * hosts, [1] * hosts)], hosts=hosts)
    trouble = quiet(hosts)
    trouble[:12] = 3
    part = partition(asked, parts, trouble)
    assert np.bincount(part, minlength=parts).tolist() == [hosts // parts] * parts
    share = np.bincount(part, trouble, parts)
    assert share.max() - share.min() <= 3


@pytest.mark.parametrize("seed", range(30))
def test_blocks_that_no_group_draws_go_to_the_emptiest_part(seed: int) -> None:
    rng = Random(seed)
    blocks, at = [], 0
    while at < 60:
        size = rng.randint(1, 5)
        blocks.append((rng.randint(0, 9), [*range(at, at + size)]))
        at += size
    parts = rng.randint(1, 6)
    held, troubled, slow = [0] * parts, [0] * parts, np.zeros(at, np.int32)
    for trouble, block in blocks:
        chosen = min(range(parts), key=lambda p: (held[p], troubled[p], p))
        slow[block], held[chosen], troubled[chosen] = chosen, held[chosen] + len(block), troubled[chosen] + trouble
    assert _dealt_evenly(at, parts, blocks).tolist() == slow.tolist()


def test_racks_stay_whole_where_a_rule_counts_in_them_and_they_fit() -> None:
    racks = [0, 1, 2, 3] * 3
    by_rack = AtMost(MUST, 1, sets([0, 1]), np.array([1], np.int64))
    part = partition(problem([0, 4], [by_rack], hosts=12, racks=racks), 2, quiet(12))
    assert all(len({int(part[h]) for h in range(12) if racks[h] == r}) == 1 for r in range(4))
    assert np.bincount(part).tolist() == [6, 6]


def test_a_rack_that_is_larger_than_a_part_is_torn() -> None:
    by_rack = AtMost(MUST, 1, sets([0, 1]), np.array([1], np.int64))
    part = partition(problem([0, 1], [by_rack], hosts=6, racks=[0] * 6), 3, quiet(6))
    assert np.bincount(part).tolist() == [2, 2, 2]


def test_few_hosts_at_which_some_vms_may_arrive_stay_with_these_vms() -> None:
    only = Enter("e", np.array([0], np.int32), np.isin(np.arange(8), [3, 6]))
    part = partition(problem([1, 2], [only], hosts=8), 2, quiet(8))
    assert part[1] == part[3] == part[6]


def test_the_vms_of_a_group_that_wants_company_go_together() -> None:
    asked = problem([0, 3, 6, 7], [AtLeast(MUST, 0, sets([0, 1, 2]), np.array([3], np.int64))], hosts=8)
    part = partition(asked, 2, quiet(8))
    assert part[0] == part[3] == part[6]


def test_the_size_says_how_many_parts_where_nobody_does() -> None:
    small = problem([0], hosts=3)
    assert [parts_for(small, wanted, Parts()) for wanted in (None, 1, 2, 9)] == [1, 1, 2, 3]
    hosts = Parts().whole_up_to + 1
    assert parts_for(problem([0], hosts=hosts), None, Parts()) == -(-hosts // Parts().hosts_each)


def test_costs_couple_everything() -> None:
    load = Hinge("load", np.ones(1, np.int64), np.zeros(3, np.int64), 1)
    assert parts_for(problem([0], [load]), 3, Parts()) == 1
