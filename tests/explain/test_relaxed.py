"""The smaller models of large fleets, tried on tiny ones: whatever they exclude is excluded by those elements."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest

from optimizer.clock import SystemClock
from optimizer.explain.stops import Proven, Width, what_stops
from optimizer.limits import Deadline, Limits
from optimizer.problem.problem import build
from tests.explain.asking import PLACEMENTS, key_of, questions
from tests.explain.brute import everything, is_excluded
from tests.oracle.problems import tiny_problem

CHUNKS, CHUNK = 16, 14


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_proof_of_the_smaller_model_is_a_proof(chunk: int) -> None:
    limits, count = Limits(seconds=20, deterministic=True), Counter[str]()
    narrow = replace(Width(), literals=0, few=1, helps=0, others=1)
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        tiny = tiny_problem(number)
        problem = build(tiny.fleet, tiny.policy.rules, tiny.policy.least)
        if problem.hosts**problem.vms > PLACEMENTS:
            continue
        for goal, wish in list(questions(problem))[number % 2 :: 2][:5]:
            deadline = Deadline.of(limits, SystemClock())
            stops = what_stops(problem, goal, limits, deadline, time.monotonic, narrow)
            seen = everything(problem, wish)
            count[stops.verdict.value] += 1
            count["in truth"] += all(one.broken for one in seen)
            if stops.verdict is Proven.STOPPED:
                for found in (stops.found, *stops.others):
                    assert found is not None
                    assert is_excluded(seen, map(key_of, found.elements)), (number, goal)
    assert count["stopped"] >= count["in truth"] / 2 > 0, count
