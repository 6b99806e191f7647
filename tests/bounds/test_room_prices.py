"""Prices for receiving VMs against every placement there is, on random tiny fleets, and the judge beside them."""

from __future__ import annotations

import threading
from itertools import product
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.bounds.bounds import Bounds
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.bounds.hosts_exchange import MOVE
from optimizer.bounds.room_prices import PricedRooms
from optimizer.clock import SystemClock
from optimizer.limits import Deadline, Limits
from optimizer.parameters import RoomPrices
from optimizer.problem.problem import Stage, build
from optimizer.problem.rounding import harm
from optimizer.problem.rule import Hardness
from optimizer.problem.working_placement import sizes
from optimizer.verify.proof_receivers import bound_by_receivers
from optimizer.verify.proof_rows import Relaxed
from tests.build import fleet, host, policy, vm

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem
    from tests.build import Document

NEVER = 10**9


def tiny(seed: int) -> tuple[Fleet, Policy]:
    """Return hosts with memory that has to suffice, and CPU and memory that should be even."""
    rng = Random(f"rooms {seed}")
    hosts = [host(f"h{i}", cpu=rng.choice((20, 30, 40)), memory=rng.choice((16, 24, 32))) for i in range(3)]
    vms, left = [], {h["id"]: h["capacity"]["memory_mib"] for h in hosts}
    for i in range(rng.randint(5, 7)):
        at = rng.choice(hosts)
        size = rng.choice((2, 4, 8, 12))
        if left[at["id"]] >= size:
            left[at["id"]] -= size
            vms.append(vm(f"v{i}", at["id"], cpu=rng.randint(1, 14), memory=size))
    tolerance = rng.choice(("5%", "10%", "20%"))
    rules: list[Document] = [
        {"rule": "capacity", "resources": ["memory_mib", "cpu_millicores"]},
        {"rule": "balance", "name": "cpu", "resource": "cpu_millicores", "tolerance": tolerance},
        *([{"rule": "balance", "name": "memory", "resource": "memory_mib", "tolerance": "15%"}] * rng.randint(0, 1)),
    ]
    return fleet(hosts, vms), policy(*rules)


def tiny_problem(seed: int) -> Problem:
    snapshot, asked = tiny(seed)
    return build(snapshot, asked.demands, asked.least)


def fewest_moves(problem: Problem) -> dict[int, int]:
    """Return the fewest moves for each harm of shoulds that some placement without harm of musts leaves."""
    placements = np.array(list(product(range(problem.hosts), repeat=problem.vms)))
    moves = (placements != problem.start).sum(axis=1)
    kept, left = np.ones(len(placements), np.bool_), np.zeros(len(placements), np.int64)
    for atom in problem.demands.sums.values():
        for h in range(problem.hosts):
            load = (placements == h) @ atom.amount + int(atom.base[h])
            if atom.asked.hardness is Hardness.SHOULD:
                over = np.maximum(load - int(atom.limit[h]), 0).tolist()
                left += [harm(o, int(atom.unit[h]), atom.asked.weight) for o in over]
            else:
                kept &= load <= int(atom.limit[h])
    out: dict[int, int] = {}
    for h, m in zip(left[kept].tolist(), moves[kept].tolist(), strict=True):
        out[h] = min(m, out.get(h, NEVER))
    return out


def priced(problem: Problem, left: int, steps: int = 40) -> PricedRooms:
    deadline = Deadline.of(Limits(60.0), SystemClock(), threading.Event())
    bounds = Bounds(EvictionRelaxation(problem), sizes(problem), lambda: False)
    given = RoomPrices(steps=steps, first_step=0.2, cells=64)
    rooms = PricedRooms(problem, bounds.departures.components, bounds.evictions, left, given)
    rooms.raise_bound(0, NEVER, deadline)
    return rooms


def with_large(seed: int) -> Problem:
    """Return hosts and one VM or two that are too large for the limit of each of them."""
    rng = Random(f"large {seed}")
    hosts = [host(f"h{i}", cpu=rng.choice((20, 30, 40)), memory=32) for i in range(3)]
    vms = [vm(f"v{i}", f"h{rng.randint(0, 2)}", cpu=rng.randint(1, 8), memory=2) for i in range(rng.randint(3, 5))]
    large = range(rng.randint(1, 2))
    vms += [vm(f"large{i}", f"h{rng.randint(0, 2)}", cpu=rng.randint(24, 34), memory=4) for i in large]
    rules: list[Document] = [
        {"rule": "capacity", "resources": ["memory_mib"]},
        {"rule": "balance", "name": "cpu", "resource": "cpu_millicores", "tolerance": "10%"},
        {"rule": "balance", "name": "memory", "resource": "memory_mib", "tolerance": "40%"},
    ]
    asked = policy(*rules)
    return build(fleet(hosts, vms), asked.demands, asked.least)


def judged(seed: int) -> tuple[int, int]:
    """Judge one problem, with prices that were looked for and with any; return how high, and the eviction bound."""
    return judge(tiny_problem(seed), seed)


def judge(problem: Problem, seed: int) -> tuple[int, int]:
    """Judge one problem."""
    known = fewest_moves(problem)
    raised = evictions = 0
    for left in sorted(known)[:3]:
        truth = min(m for h, m in known.items() if h <= left)
        rooms = priced(problem, left)
        if rooms.exchange is None:
            continue
        rng = Random(f"prices {seed} {left}")
        found = rooms.bound(left)
        for attempt in range(4):
            values = {Stage.HARM: 0, Stage.SHOULD_HARM: left}
            proof = rooms.proof(values)
            if proof.bound > 0:
                assert proof.bound <= truth, f"problem {seed}, {left} left, attempt {attempt}"
                _, _, words = proof.parts[0].by.partition(": ")
                number = {name: v for v, name in enumerate(problem.vm_ids)}
                prices = dict(zip((number[v] for v in proof.parts[0].vms), proof.parts[0].prices, strict=True))
                said = {stage.value: value for stage, value in values.items()}
                again = bound_by_receivers(problem, Relaxed(problem), words, prices, said)
                assert isinstance(again, int)
                what = f"problem {seed}, {left} left, attempt {attempt}"
                assert proof.bound <= again <= truth if rooms.clean else again == proof.bound, what
            of_size = np.array([rng.choice((0, rng.randint(0, 3 * MOVE))) for _ in rooms.exchange.size], np.int64)
            rooms.prices = of_size[rooms.exchange.size_of]
            rooms.of_harm = 0 if rooms.clean else rng.randint(1, MOVE // 5)
            rooms.value = rooms.exchange.at(of_size, rooms.of_harm).value
        if not left:
            evictions = int(rooms.exchange.least.sum())
            raised = found
    return raised, evictions


def test_prices_never_prove_more_than_there_is() -> None:
    found = [judged(seed) for seed in range(25)]
    assert any(raised > evictions for raised, evictions in found)


def test_what_is_too_large_everywhere_counts_as_if_it_did_no_harm() -> None:
    proven = 0
    for seed in range(60):
        problem = with_large(seed)
        known = fewest_moves(problem)
        if not known:
            continue
        least = min(known)
        rooms = priced(problem, least)
        if least and rooms.clean and rooms.exchange is not None:
            assert rooms.bound(least) <= known[least], f"problem {seed}"
            assert rooms.bound(least + 1) == 0, f"problem {seed}: nothing is known of plans that leave more"
            proven += rooms.bound(least) > 0
        judge(problem, seed)
    assert proven > 5


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(16))
def test_prices_never_prove_more_than_there_is_in_many_fleets(chunk: int) -> None:
    for seed in range(100 + 25 * chunk, 125 + 25 * chunk):
        judged(seed)
