"""Columns: each can be done as far as two resources say, what is chosen of them moves less, and it is never unsafe."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cache
from itertools import product
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from constraints import CATALOGUE, SHIPPED
from optimizer.bounds.bounds import Bounds
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.bounds.room_prices import PricedRooms
from optimizer.clock import SystemClock
from optimizer.limits import Deadline, Limits
from optimizer.parameters import Exhaustive, Parameters, Phased, Refutation, Whole
from optimizer.pipeline import Request, make_plan
from optimizer.problem.problem import Problem, Stage, build
from optimizer.problem.working_placement import WorkingPlacement, sizes
from optimizer.repair.column_master import ColumnMaster, _instead
from optimizer.repair.column_search import ColumnSearch
from optimizer.repair.host_columns import HostColumns
from optimizer.sources.fleet_json import read_fleet
from optimizer.sources.policy_yaml import read_policy
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm
from tests.scoped import plan_under

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

LARGE = replace(
    Parameters(),
    whole=Whole(literals=0),
    exhaustive=Exhaustive(enabled=False),
    refutation=Refutation(enabled=False),
    phased=Phased(enabled=False),
)
"""As if the fleet were too large for the complete model; and without annealing, which would hide what columns do."""

RULES = (
    {"rule": "capacity", "resources": ["memory_mib", "cpu_millicores"]},
    {"rule": "anti_affinity"},
    {"rule": "balance", "name": "cpu", "resource": "cpu_millicores", "tolerance": "10%"},
    {"rule": "balance", "name": "memory", "resource": "memory_mib", "tolerance": "15%"},
)


@cache
def uneven(seed: int, hosts: int = 24) -> tuple[Fleet, Policy]:
    """Return hosts a quarter of which are busy, with replicas that may not share one."""
    rng = Random(f"columns {seed}")
    inventory = [host(f"h{i}", cpu=rng.choice((40, 60)), memory=rng.choice((64, 96))) for i in range(hosts)]
    vms = []
    for i, at in enumerate(inventory):
        busy = i % 4 == 0
        for k in range(rng.randint(6, 8) if busy else rng.randint(3, 5)):
            cpu = rng.randint(3, 9) if busy else rng.randint(1, 4)
            groups = [f"g{rng.randint(0, 30)}"] if rng.random() < 0.3 else []
            vms.append(vm(f"v{i}-{k}", at["id"], cpu=cpu, memory=rng.choice((2, 4, 8)), groups=groups))
    return fleet(inventory, vms), policy(*RULES)


def problem_of(seed: int) -> Problem:
    snapshot, asked = uneven(seed)
    return build(snapshot, asked.demands, asked.least)


def deadline(seconds: float = 60.0) -> Deadline:
    return Deadline.of(Limits(seconds), SystemClock(), threading.Event())


def rooms_of(problem: Problem) -> PricedRooms:
    bounds = Bounds(EvictionRelaxation(problem), sizes(problem), lambda: False)
    rooms = PricedRooms(problem, bounds.departures.components, bounds.evictions, 0, LARGE.room_prices)
    assert rooms.axes is not None
    return rooms


def hosts_of(rooms: PricedRooms) -> HostColumns:
    assert rooms.axes is not None
    return HostColumns(rooms.problem, rooms.axes, rooms.least, rooms.rows, rooms.harmful)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_column_says_fits_and_repairs_its_host(seed: int) -> None:
    problem = problem_of(seed)
    hosts, groups = hosts_of(rooms_of(problem)), [set(g.members.tolist()) for g in uneven(seed)[0].groups]
    rng = np.random.default_rng(seed)
    taken = 0
    for _ in range(5):
        for column in hosts.best(rng.random(len(hosts.size)) * 2).columns:
            for axis in range(2):
                steps = sum(n * int(hosts.size[s, axis]) for s, n in column.coming)
                amount = hosts.axes[axis].amount[hosts.order]
                freed = int(amount[list(column.leaving)].sum())
                assert steps * hosts.axes[axis].step <= int(hosts.left[axis][column.host]) + freed
            assert all(hosts.host[at] == column.host for at in column.leaving)
            gone = set(hosts.order[list(column.leaving)].tolist())
            stay = set(np.flatnonzero(problem.start == column.host).tolist()) - gone
            assert all(len(stay & group) <= 1 for group in groups), f"replicas stay together on host {column.host}"
            taken += len(column.coming)
    assert taken > 0


def test_the_linear_program_is_no_more_than_any_choice_and_no_less_than_the_bound() -> None:
    rooms = rooms_of(problem_of(1))
    hosts = hosts_of(rooms)
    search = ColumnSearch(rooms, Limits(60.0, parameters=LARGE), deadline())
    master = ColumnMaster(hosts, LARGE.columns)
    search._settle(master, deadline())
    search._generate(master, deadline())
    value = master.solve(deadline())
    chosen = master.choose(master.columns, deadline(), seed=0, workers=1)
    assert value is not None
    assert chosen is not None
    assert {c.host for c in chosen} == set(range(hosts.problem.hosts))
    assert value <= sum(len(c.leaving) for c in chosen) + 1e-6
    rooms.offer(search.prices[hosts.size_of])
    assert 0 < rooms.bound(0) <= value + 1e-6


def test_nothing_is_found_where_no_time_is_left() -> None:
    rooms = rooms_of(problem_of(1))
    master = ColumnMaster(hosts_of(rooms), LARGE.columns)
    master.add(hosts_of(rooms).best(np.zeros(len(master.hosts.size))).columns)
    assert ColumnSearch(rooms, Limits(60.0, parameters=LARGE), deadline(0.0)).find() is None
    assert master.choose(master.columns, deadline(0.0), seed=0, workers=1) is None


@pytest.mark.parametrize("seed", range(3))
def test_what_is_found_breaks_no_must_that_held(seed: int) -> None:
    rooms = rooms_of(problem_of(seed))
    found = ColumnSearch(rooms, Limits(60.0, parameters=LARGE), deadline()).find()
    assert found is not None
    before = WorkingPlacement(rooms.problem)
    assert found.is_no_worse()
    assert found.values()[Stage.SHOULD_HARM] < before.values()[Stage.SHOULD_HARM]


def test_where_moves_are_limited_the_limit_holds() -> None:
    for seed in range(3):
        snapshot, asked = uneven(seed)
        plan = plan_under(snapshot, asked, Request(seconds=8, deterministic=True, parameters=LARGE), max_moves=4)
        assert 0 < len(plan.moves) <= 4


def test_places_that_stand_for_smaller_ones_are_the_next_larger() -> None:
    sizes = np.unique(np.random.default_rng(3).integers(0, 9, (40, 2)), axis=0)
    pairs = set(_instead(sizes))
    for s, t in product(range(len(sizes)), repeat=2):
        larger = s != t and bool((sizes[t] >= sizes[s]).all())
        others = [sizes[m] for m in range(len(sizes)) if m not in (s, t)]
        between = any(bool((sizes[s] <= m).all() and (m <= sizes[t]).all()) for m in others)
        assert ((s, t) in pairs) == (larger and not between), (sizes[s], sizes[t])


@pytest.mark.slow
def test_a_given_fleet_is_evened_out_with_fewer_moves(data_dir: Path) -> None:
    snapshot, asked = read_fleet(data_dir / "fleets" / "fleet-100.json.xz"), read_policy("balance", CATALOGUE, SHIPPED)
    moves = []
    for parameters in (LARGE, replace(LARGE, columns=replace(LARGE.columns, enabled=False))):
        plan = make_plan(snapshot, asked, Request(seconds=15, deterministic=True, parameters=parameters))
        assert verify(snapshot, asked, plan).findings == ()
        value = {s.stage: s.value for s in plan.objective}
        assert (value["harm"], value["should_harm"]) == (0, 0)
        moves.append(value["moving"])
    assert moves[0] <= 58
    assert moves[0] < moves[1]
