"""What a placement breaks, as the explainer's examples say it and as the brute force does; and what it is good for."""

from __future__ import annotations

from collections import Counter

import pytest

from optimizer.explain.examples import Examples
from optimizer.explain.stops import Proven, Width, allowed_at_start
from tests.explain.asking import answer, key_of, questions, small_problems
from tests.explain.brute import Key, everything, is_excluded
from tests.shares import first_and_rotating

CHUNK = 12


@pytest.mark.slow
@pytest.mark.parametrize("chunk", first_and_rotating(range(20), 1))
def test_a_placement_breaks_what_the_reference_says(chunk: int) -> None:
    count = Counter[str]()
    for number, problem in small_problems(range(chunk * CHUNK, (chunk + 1) * CHUNK)):
        for goal, wish in list(questions(problem))[number % 3 :: 3]:
            examples = Examples(problem, goal, allowed_at_start(problem), lambda e: e)
            for seen in everything(problem, wish):
                examples.add(dict(enumerate(seen.placement)))
                broken = examples.known[-1].broken
                assert examples.placement(examples.known[-1]).tolist() == list(seen.placement), (number, goal)
                assert {key_of(e) for e in broken} == seen.broken.keys(), (number, goal, seen.placement)
                amounts = Counter[Key]()
                for element, gives in broken.items():  # several elements may be called the same
                    key = key_of(element)
                    amounts[key] = max(amounts[key], *(1 if g.allowed is None else g.amount for g in gives), 1)
                assert amounts == seen.broken, (number, goal, seen.placement)
                count.update(k.kind for k in seen.broken)
    assert count["room"] > 50, count
    assert count["group"] > 10, count
    assert count["refused"] > 10, count


@pytest.mark.slow
@pytest.mark.parametrize("chunk", first_and_rotating(range(20), 1))
def test_what_a_smaller_model_and_an_example_call_minimal_is(chunk: int) -> None:
    """Of what an example shows to be needed, the proof is none without it."""
    shown = 0
    for number, problem in small_problems(range(chunk * CHUNK, (chunk + 1) * CHUNK)):
        for goal, wish in list(questions(problem))[number % 2 :: 2][:5]:
            stops = answer(problem, goal, Width(literals=0, few=1, helps=1, others=0))
            if stops.verdict is not Proven.STOPPED or stops.found is None:
                continue
            seen, keys = everything(problem, wish), [key_of(e) for e in stops.found.elements]
            examples = Examples(problem, goal, allowed_at_start(problem), lambda e: e)
            examples.look()
            for element in examples.needed(stops.found.elements):
                assert not is_excluded(seen, [k for k in keys if k != key_of(element)]), (number, goal, element)
                shown += 1
    assert shown > 3
