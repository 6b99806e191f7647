"""Targets of equal cost: no host ends hotter than it must, by enumeration if tiny, beside a model if large."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import prod
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from ortools.sat.python import cp_model

from constraints import CATALOGUE
from optimizer.parameters import EvenOut, Ordering, Parameters
from optimizer.pipeline import Request, make_plan
from optimizer.planning.even_out import even_out
from optimizer.planning.solve_and_order import solve_and_order
from optimizer.problem.atoms import UNLIMITED, Linear
from optimizer.problem.evaluate import evaluate
from optimizer.problem.problem import Stage
from optimizer.problem.rule import Hardness
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.solver import Method
from optimizer.sequence.order import order
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import policy_from_document
from tests import build
from tests.problem.random_problems import random_problem
from tests.repair.solving import solver_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from optimizer.planning.solve_and_order import Answer
    from optimizer.problem.problem import Problem
    from optimizer.repair.solver import Values

STAGES = (Stage.HARM, Stage.SHOULD_HARM, Stage.PRICED, Stage.MOVING, Stage.PLACEMENT)
CHUNKS, CHUNK = 4, 60
NOTHING_COPIED = np.zeros(100, np.int64)
KINDS = ("at_most", "apart", "at_least", "leave")
MOST = 1500
"""Placements that are enumerated for one problem, at most."""


def heat(problem: Problem, placement: Sequence[int], hosts: Iterable[int]) -> float:
    """Return the highest share of a must's limit that is used on any of the hosts, by plain sums."""
    hottest = 0.0
    for atom in problem.atoms:
        if not isinstance(atom, Linear) or atom.level or atom.asked.hardness is not Hardness.MUST:
            continue
        for h in hosts:
            if atom.limit[h] < UNLIMITED:
                load = int(atom.base[h]) + sum(int(atom.amount[v]) for v, at in enumerate(placement) if at == h)
                hottest = max(hottest, load / max(1, int(atom.limit[h])))
    return hottest


def arcs(answer: Answer) -> int:
    return sum(len(m.after) for m in answer.ordered.moves)


def values(problem: Problem, placement: np.ndarray) -> Values:
    work = WorkingPlacement(replace(problem, stages=STAGES))
    work.become(placement)
    return work.values()


def others(problem: Problem, answer: Answer) -> Iterator[list[int]]:
    """Yield every placement that comes to the same in all stages, with room for all moves at once."""
    hosts = [range(problem.hosts) if m else [int(h)] for m, h in zip(problem.movable, problem.start, strict=True)]
    if prod(map(len, hosts)) > MOST:
        return
    for placement in product(*hosts):
        if evaluate(problem, placement).worse or values(problem, np.array(placement, np.int32)) != answer.values:
            continue
        found = order(problem, np.array(placement, np.int32), given=Ordering(hops=False))
        if found.complete and not any(m.after for m in found.moves):
            yield list(placement)


def hottest(problem: Problem, placement: Sequence[int]) -> float:
    return heat(problem, placement, range(problem.hosts))


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.rotating
def test_no_host_is_hotter_than_it_must(chunk: int) -> None:
    compared = 0
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        problem = random_problem(Random(number), kinds=["linear", "linear", Random(number).choice(KINDS)])
        solver = solver_of(replace(problem, stages=STAGES))
        before = solve_and_order(solver, Method.REPAIR)
        after = even_out(solver, before, NOTHING_COPIED[: problem.vms])
        assert after.values == before.values
        assert arcs(after) <= arcs(before)
        mine = hottest(problem, after.placement.tolist())
        assert mine <= hottest(problem, before.placement.tolist())
        if arcs(after) or not before.ordered.moves:
            continue
        for placement in others(problem, before):
            compared += 1
            assert mine <= hottest(problem, placement) + 1e-4, number
    assert compared > 20


CORES = [{"name": "memory_mib", "copied": True}, {"name": "cpu_millicores", "copied": False}]
DRAINED = {"state": "draining"}


class Tie(NamedTuple):
    """Hosts and VMs as (id or host, memory, CPU, more), and the least heat of the hottest host at equal cost."""

    hosts: list[tuple[str, int, int, build.Document]]
    vms: list[tuple[str, int, int, bool]]
    least: float


TIES = {
    "targets of a spread group and of another VM": Tie(
        [("r0", 50, 1000, DRAINED), ("r1", 100, 1000, {}), ("r0", 100, 1000, {})],
        [
            ("h2", 27, 0, False),
            ("h0", 18, 300, True),
            ("h2", 30, 0, False),
            ("h0", 23, 500, False),
            ("h0", 16, 500, True),
            ("h1", 24, 0, False),
        ],
        0.8,
    ),
    "another VM of the same host": Tie(
        [("r0", 64, 1000, {}), ("r1", 64, 2000, {})],
        [("h0", 20, 500, False), ("h0", 20, 100, False), ("h0", 20, 500, False)],
        0.625,
    ),
    "no VM of which more is copied": Tie(
        [("r0", 64, 1000, {}), ("r1", 64, 2000, {})],
        [("h0", 23, 500, False), ("h0", 22, 100, False), ("h0", 5, 500, False)],
        45 / 64,
    ),
    "another VM of the same group": Tie(
        [("r0", 100, 1000, {}), ("r0", 100, 1000, {}), ("r1", 100, 1000, {})],
        [("h0", 10, 100, True), ("h1", 10, 500, True), ("h1", 10, 400, False)],
        0.5,
    ),
}


def tie(name: str) -> build.Document:
    given = TIES[name]
    hosts = [
        build.host(f"h{i}", memory=memory, rack=rack)
        | more
        | {"capacity": {"memory_mib": memory, "cpu_millicores": cpu}}
        for i, (rack, memory, cpu, more) in enumerate(given.hosts)
    ]
    vms = [
        build.vm(f"v{i}", host, memory=memory, groups=["g"] if grouped else [])
        | {"demand": {"memory_mib": memory, "cpu_millicores": cpu}}
        for i, (host, memory, cpu, grouped) in enumerate(given.vms)
    ]
    groups = [{"id": "g", "rules": [{"rule": "spread", "level": "rack", "at_least": 2}]}]
    return build.document(hosts, vms, groups=groups) | {"resources": CORES}


@pytest.mark.parametrize("whole", [EvenOut().whole_literals, 0], ids=["the complete model", "local search"])
@pytest.mark.parametrize("name", TIES)
def test_what_costs_the_same_goes_where_it_is_coolest(name: str, whole: int) -> None:
    document = tie(name)
    rules = policy_from_document(
        {"format": "remora-policy/1", "rules": [{"rule": r} for r in ("capacity", "spread", "maintenance")]},
        "policy",
        CATALOGUE,
    )
    parameters = replace(Parameters(), even_out=EvenOut(whole_literals=whole))
    request = Request(seconds=10.0, deterministic=True, parameters=parameters)
    plan = make_plan(fleet_from_document(document, "tie"), rules, request)
    at = {v["id"]: v["host"] for v in document["vms"]} | {m.vm: m.target for m in plan.moves}
    shares = [
        sum(v["demand"][r["name"]] for v in document["vms"] if at[v["id"]] == h["id"]) / h["capacity"][r["name"]]
        for h in document["hosts"]
        for r in CORES
    ]
    assert not plan.remaining
    assert max(shares) == TIES[name].least


POLICY = policy_from_document(
    {"format": "remora-policy/1", "rules": [{"rule": "capacity"}, {"rule": "spread"}, {"rule": "anti_affinity"}]},
    "policy",
    CATALOGUE,
)


def uneven(seed: int, hosts: int, groups: int) -> build.Document:
    """Hosts from empty to nearly full; groups that want two racks, all their VMs in one."""
    rng = Random(seed)
    racks = max(2, hosts // 10)
    rows = [build.host(f"h{i}", memory=1000, rack=f"r{i % racks}") for i in range(hosts)]
    vms = [build.vm(f"f{i}", f"h{i}", memory=rng.choice((0, 200, 500, 800, 900))) for i in range(hosts)]
    rule = {"rule": "spread", "level": "rack", "at_least": 2}
    for g in range(groups):
        home = rng.randrange(hosts)
        for n in range(2):
            at = (home + n * racks) % hosts
            vms.append(build.vm(f"g{g}-{n}", f"h{at}", memory=rng.randint(10, 60), groups=[f"g{g}"]))
    return build.document(rows, vms, groups=[{"id": f"g{g}", "rules": [rule]} for g in range(groups)])


def coolest(document: build.Document, moved: dict[str, str], racks: dict[str, str]) -> int:
    """Return the least heat found, in thousandths, for the VMs that moved, by a model of its own with much time."""
    model = cp_model.CpModel()
    names = [h["id"] for h in document["hosts"]]
    at = {v["id"]: v["host"] for v in document["vms"]}
    size = {v["id"]: v["demand"].get("memory_mib", 0) for v in document["vms"]}
    group = {v["id"]: v["groups"][0] for v in document["vms"] if v.get("groups")}
    peak = model.new_int_var(0, 2000, "")
    put = {(v, h): model.new_bool_var("") for v in moved for h in names}
    for v in moved:
        other = next(o for o, g in group.items() if g == group[v] and o != v)
        model.add_exactly_one(put[v, h] for h in names)
        for h in names:
            if racks[h] == racks[at[other]] or h == at[v]:
                model.add(put[v, h] == 0)
    for h in names:
        union = sum(size[v] for v, where in at.items() if where == h)  # those that leave are still there
        rest = sum(size[v] for v, where in at.items() if where == h and v not in moved)
        come = sum(size[v] * put[v, h] for v in moved)
        model.add(union + come <= max(1000, union))
        got = model.new_bool_var("")
        model.add_max_equality(got, [put[v, h] for v in moved])
        model.add(rest + come <= peak).only_enforce_if(got)
    model.minimize(peak)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False
    solver.parameters.max_deterministic_time = 5
    assert solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return round(solver.objective_value)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_larger_fleets_beside_a_model(seed: int) -> None:
    hosts, groups = (40, 10) if seed % 2 else (60, 15)
    document = uneven(seed, hosts, groups)
    fleet = fleet_from_document(document, "uneven")
    plan = make_plan(fleet, POLICY, Request(seconds=20.0, deterministic=True))
    moved = {m.vm: m.target for m in plan.moves}
    assert len(moved) >= 5
    at = {v["id"]: v["host"] for v in document["vms"]} | moved
    load = {h["id"]: 0 for h in document["hosts"]}
    for v in document["vms"]:
        load[at[v["id"]]] += v["demand"].get("memory_mib", 0)
    mine = max(load[h] for h in moved.values())
    best = coolest(document, moved, {h["id"]: h["domains"]["rack"] for h in document["hosts"]})
    assert mine <= best + 1


def test_the_empty_host_is_chosen_and_not_the_one_that_is_nearly_full() -> None:
    hosts = [build.host("a", memory=1000, rack="r0")] + [build.host(h, memory=1000, rack="r1") for h in "bc"]
    vms = [build.vm(f"s{n}", "a", memory=50, groups=["s"]) for n in (1, 2)] + [build.vm("big", "b", memory=900)]
    groups = [{"id": "s", "rules": [{"rule": "spread", "level": "rack", "at_least": 2}]}]
    fleet = fleet_from_document(build.document(hosts, vms, groups=groups), "tie")
    plan = make_plan(fleet, POLICY, Request(seconds=5.0, deterministic=True))
    assert [m.target for m in plan.moves] == ["c"]
