"""When a bound is first asked must not change the answer: the same, in whatever order the questions come."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from optimizer.bounds.bounds import Bounds
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.problem.problem import Stage
from optimizer.problem.working_placement import WorkingPlacement, sizes
from tests.problem.random_problems import random_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.problem.problem import Problem


STAGES = (
    (Stage.HARM, Stage.SHOULD_HARM, Stage.MOVING, Stage.PLACEMENT),
    (Stage.HARM, Stage.SHOULD_HARM, Stage.PRICED, Stage.MOVING, Stage.PLACEMENT),
)


def questions(asked: Problem) -> dict[str, Callable[[Bounds], Any]]:
    """Everything that bounds are asked, of a plan that does nothing and of better ones."""
    stays = WorkingPlacement(asked).values()
    clean = {**dict.fromkeys(stays, 0), Stage.MOVING: asked.vms}
    half = {s: v // 2 for s, v in stays.items()} | {Stage.MOVING: 1}
    out: dict[str, Callable[[Bounds], Any]] = {
        "evictions": lambda b: b.evictions,
        "short of": lambda b: None if b.overdrawn is None else b.overdrawn.tolist(),
        "affordable": lambda b: b.affordable,
        "thrifty": lambda b: b.thrifty,
        "floor": lambda b: b.floor,
    }
    for name, values in (("stays", stays), ("clean", clean), ("half", half)):
        out[f"proof, {name}"] = partial(_proof, values=values)
        out[f"met, {name}"] = partial(_met, values=values)
        out[f"floor, {name}"] = partial(_at_floor, values=values)
    return out


def _proof(bounds: Bounds, values: dict[Stage, int]) -> object:
    return bounds.prove(values)


def _met(bounds: Bounds, values: dict[Stage, int]) -> object:
    return bounds.met(values)


def _at_floor(bounds: Bounds, values: dict[Stage, int]) -> object:
    return bounds.at_floor(values)


@pytest.mark.parametrize("seed", range(40))
def test_answers_do_not_depend_on_the_order_of_questions(seed: int) -> None:
    rng = Random(seed)
    asked = random_problem(rng)
    priced = any(a.price is not None for a in asked.demands.asked)
    asked = replace(asked, stages=STAGES[priced])
    size = sizes(asked)
    of = questions(asked)

    def ask(names: list[str]) -> dict[str, Any]:
        bounds = Bounds(EvictionRelaxation(asked), size, lambda: False, seed)
        answers = {name: of[name](bounds) for name in names}
        again = {name: of[name](bounds) for name in reversed(names)}
        assert all(_same(answers[name], again[name]) for name in names)
        return answers

    first = ask(list(of))
    for _ in range(4):
        names = list(of)
        rng.shuffle(names)
        answers = ask(names)
        for name in names:
            assert _same(answers[name], first[name]), (name, names)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    return bool(one == other)
