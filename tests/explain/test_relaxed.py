"""The smaller models of large fleets, tried on tiny ones: whatever they exclude is excluded by those elements."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from optimizer.explain.stops import Proven, Width
from tests.explain.asking import answer, key_of, questions, small_problems
from tests.explain.brute import everything, is_excluded

CHUNKS, CHUNK = 16, 14


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_proof_of_the_smaller_model_is_a_proof(chunk: int) -> None:
    count = Counter[str]()
    narrow = replace(Width(), literals=0, few=1, helps=0, others=1)
    for number, problem in small_problems(range(chunk * CHUNK, (chunk + 1) * CHUNK)):
        for goal, wish in list(questions(problem))[number % 2 :: 2][:5]:
            stops = answer(problem, goal, narrow)
            seen = everything(problem, wish)
            count[stops.verdict.value] += 1
            count["in truth"] += all(one.broken for one in seen)
            if stops.verdict is Proven.STOPPED:
                for found in (stops.found, *stops.others):
                    assert found is not None
                    assert is_excluded(seen, map(key_of, found.elements)), (number, goal)
    assert count["stopped"] >= count["in truth"] / 2 > 0, count
