"""Columns: each can be done as far as two resources say, what is chosen of them moves less, and it is never unsafe."""

from __future__ import annotations

import threading
from dataclasses import asdict, replace
from functools import cache
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from constraints import CATALOGUE, SHIPPED
from optimizer import compiled
from optimizer.bounds.bounds import Bounds
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.bounds.host_choices import HostChoices
from optimizer.bounds.hosts_exchange import MOVE
from optimizer.bounds.room_prices import PricedRooms
from optimizer.cautions import NOT_COMPILED
from optimizer.clock import SystemClock
from optimizer.limits import Deadline, Limits
from optimizer.parameters import Exhaustive, Parameters, Phased, Refutation, Whole
from optimizer.pipeline import Request, make_plan
from optimizer.problem.problem import Problem, Stage, build
from optimizer.problem.working_placement import WorkingPlacement, sizes
from optimizer.repair.column_master import ColumnMaster
from optimizer.repair.column_prices import ColumnPrices
from optimizer.repair.column_search import ColumnSearch
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


def hosts_of(rooms: PricedRooms) -> HostChoices:
    return HostChoices(rooms, LARGE.choices)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_column_says_fits_and_repairs_its_host(seed: int) -> None:
    problem = problem_of(seed)
    hosts, groups = hosts_of(rooms_of(problem)), [set(g.members.tolist()) for g in uneven(seed)[0].groups]
    rng = np.random.default_rng(seed)
    taken = 0
    for _ in range(5):
        look = hosts.look(hosts.priced(rng.random(len(hosts.order))), deadline())
        assert look is not None
        for column in (*look.columns, *(hosts.simple(h) for h in range(problem.hosts))):
            room = hosts.left[column.host] + hosts.amount[list(column.leaving)].sum(axis=0)
            assert (hosts.amount[list(column.coming)].sum(axis=0) <= room).all()
            assert all(hosts.host[at] == column.host for at in column.leaving)
            assert all(hosts.host[at] != column.host for at in column.coming)
            gone = set(hosts.order[list(column.leaving)].tolist())
            stay = set(np.flatnonzero(problem.start == column.host).tolist()) - gone
            assert all(len(stay & group) <= 1 for group in groups), f"replicas stay together on host {column.host}"
            taken += len(column.coming)
    assert taken > 0


def generated(rooms: PricedRooms) -> tuple[ColumnPrices, ColumnMaster]:
    prices = ColumnPrices(hosts_of(rooms), LARGE.columns)
    master = prices.begin(deadline())
    assert master is not None
    prices.generate(master, deadline())
    return prices, master


@pytest.mark.parametrize("seed", range(3))
def test_the_linear_program_is_no_more_than_any_choice_and_no_less_than_the_bound(seed: int) -> None:
    rooms = rooms_of(problem_of(seed))
    prices, master = generated(rooms)
    program = master.solve(deadline())
    chosen = master.choose(deadline())
    assert program is not None
    assert chosen is not None
    assert {c.host for c in chosen} == set(range(rooms.problem.hosts))
    assert program.moves <= sum(len(c.leaving) for c in chosen) + 1e-6
    assert program.moves - prices.value / MOVE < LARGE.columns.close + 1e-6, "prices prove what the program says"
    rooms.offer(prices.price, prices.value)
    assert (prices.price > 0).any() == (rooms.bound(0) > 0)
    assert rooms.bound(0) <= program.moves + 1e-6


def test_no_larger_vm_has_a_lower_price() -> None:
    prices, master = generated(rooms_of(problem_of(1)))
    program, hosts = master.solve(deadline()), prices.hosts
    assert program is not None
    for at, price in enumerate(program.prices.tolist()):
        larger = (hosts.amount[:, :2] >= hosts.amount[at, :2]).all(axis=1) & (hosts.fixed.kind == hosts.fixed.kind[at])
        assert (program.prices[larger] >= price - 1e-6).all()


def test_nothing_is_found_where_no_time_is_left() -> None:
    rooms = rooms_of(problem_of(1))
    hosts = hosts_of(rooms)
    master = ColumnMaster(hosts, np.zeros(len(hosts.order)), LARGE.columns)
    master.add(hosts.simple(h) for h in range(rooms.problem.hosts))
    assert ColumnSearch(rooms, Limits(60.0, parameters=LARGE), deadline(0.0)).find() is None
    assert master.choose(deadline(0.0)) is None


@pytest.mark.parametrize("seed", range(3))
def test_what_is_found_breaks_no_must_that_held(seed: int) -> None:
    rooms = rooms_of(problem_of(seed))
    found = ColumnSearch(rooms, Limits(60.0, parameters=LARGE), deadline()).find()
    assert found is not None
    before = WorkingPlacement(rooms.problem)
    assert found.is_no_worse()
    assert found.values()[Stage.SHOULD_HARM] < before.values()[Stage.SHOULD_HARM]


@pytest.mark.parametrize("seed", range(3))
def test_in_parts_the_same_is_proven_and_what_is_found_can_be_done_in_its_order(seed: int) -> None:
    proven = []
    for part in (10_000, 8, 1):
        given = replace(LARGE, columns=replace(LARGE.columns, part=part))
        rooms = rooms_of(problem_of(seed))
        search = ColumnSearch(rooms, Limits(60.0, parameters=given), deadline())
        found = search.find()
        assert found is not None
        proven.append(-(-search.prices.value // MOVE))
        steps = WorkingPlacement(rooms.problem)
        assert len(search.order) >= len(found.displaced) > 0
        for mover in search.order:
            target = int(found.placement[mover])
            if steps.placement[mover] != target:
                assert steps.tally.fits(mover, target)
                steps.put(mover, target)
    assert proven[0] == proven[1] == proven[2] > 0


def test_few_columns_are_nearly_chosen(capfd: pytest.CaptureFixture[str]) -> None:
    _, master = generated(rooms_of(problem_of(1)))
    master.centre(np.zeros(len(master.hosts.order)), 1.0)
    near = master.near(deadline())
    assert {c.host for c in near} == set(range(len(master.hosts.left)))
    assert len(near) < len(master.columns)
    assert capfd.readouterr() == ("", "")


def test_a_column_that_was_in_the_way_is_chosen_less() -> None:
    prices, master = generated(rooms_of(problem_of(2)))
    chosen = master.choose(deadline())
    assert chosen is not None
    coming = [c for c in chosen if c.coming]
    assert coming
    for _ in range(int(1 / LARGE.columns.blamed) + 1):
        master.blame(coming[:1])
    other = master.choose(deadline())
    assert other is not None
    assert coming[0] not in other
    assert master.columns.keys() >= set(other)
    assert prices.value > 0


def test_where_moves_are_limited_the_limit_holds() -> None:
    for seed in range(3):
        snapshot, asked = uneven(seed)
        plan = plan_under(snapshot, asked, Request(seconds=8, deterministic=True, parameters=LARGE), max_moves=4)
        assert 0 < len(plan.moves) <= 4


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
    assert moves[0] == 55 < moves[1], "proven: no plan has fewer"


def test_a_plan_says_that_there_was_no_time_to_compile_what_finds_better_ones(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot, asked = read_fleet(data_dir / "fleets" / "fleet-100.json.xz"), read_policy("balance", CATALOGUE, SHIPPED)
    given = replace(LARGE, columns=replace(LARGE.columns, compiling=1000.0))
    monkeypatch.setattr(compiled, "is_cached", lambda _: False)
    plan = make_plan(snapshot, asked, Request(seconds=8.0, parameters=given))
    assert plan.stats["warnings"] == [asdict(NOT_COMPILED)]
    assert verify(snapshot, asked, plan).findings == ()
    unhurried = make_plan(snapshot, asked, Request(seconds=8.0, deterministic=True, parameters=given))
    assert "warnings" not in unhurried.stats, "where work is what counts there is time"
