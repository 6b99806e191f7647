"""Questions about random tiny problems, each as the explainer is asked it and as every placement is asked it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.clock import SystemClock
from optimizer.explain.goals import Goal
from optimizer.explain.questions import to_empty, to_leave, to_place
from optimizer.explain.stops import Stops, Width, allowed_at_start, what_stops
from optimizer.limits import Deadline, Limits
from optimizer.problem.problem import build
from tests.explain.brute import Key, Reached, Seen, Wish, everything
from tests.oracle.problems import tiny_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.explain.elements import Element
    from optimizer.problem.problem import Problem

__all__ = ["Asked", "answer", "ask", "key_of", "questions", "small_problems"]

PLACEMENTS = 260
"""How many placements are looked at, at most."""


class Asked(NamedTuple):
    """A question, its answer, and every placement that is what was asked for."""

    number: int
    problem: Problem
    goal: Goal
    stops: Stops
    seen: list[Seen]


def key_of(e: Element) -> Key:
    """Return how an element is called."""
    level = str(e.atom) if e.item.kind == "budget" else e.item.level
    return Key(e.item.kind, e.item.rule, e.item.subject, e.item.resource, level, e.subject)


def answer(problem: Problem, goal: Goal, width: Width | None = None) -> Stops:
    """Ask, by work done instead of by the clock."""
    limits = Limits(seconds=20.0, deterministic=True)
    return what_stops(problem, goal, limits, Deadline.of(limits, SystemClock()), time.monotonic, width)


def questions(problem: Problem) -> Iterator[tuple[Goal, Wish]]:
    """Yield what may be asked of a problem, each in both forms."""
    start, also = problem.start.tolist(), problem.also_at.tolist()
    for instance in allowed_at_start(problem):
        yield Goal("repair", ended=(instance,)), Wish(lambda at, _: True, frozenset([instance]))
    for h in range(problem.hosts):
        if h in start:
            mask = np.arange(problem.hosts) == h
            yield to_empty(problem, mask), Wish(emptied(h, also))
    for v, home in enumerate(start):
        if home >= 0:
            yield to_leave(problem, v), Wish(gone(v, home, also[v]))
            other = (home + 1) % problem.hosts
            yield to_place(problem, v, other), Wish(lands(v, other))


def emptied(host: int, also: list[int]) -> Reached:
    return lambda at, _: host not in at and host not in also


def gone(vm: int, home: int, also: int) -> Reached:
    return lambda at, _: at[vm] != home and also != home


def lands(vm: int, host: int) -> Reached:
    return lambda at, _: at[vm] == host


def small_problems(numbers: Iterable[int]) -> Iterator[tuple[int, Problem]]:
    """Yield the tiny problems of which every placement can be looked at, each with its number."""
    for number in numbers:
        tiny = tiny_problem(number)
        problem = build(tiny.fleet, tiny.policy.rules, tiny.policy.least)
        if problem.hosts**problem.vms <= PLACEMENTS:
            yield number, problem


def ask(numbers: Iterable[int], each: int = 2) -> Iterator[Asked]:
    """Ask some questions of each problem that is small enough."""
    for number, problem in small_problems(numbers):
        all_of_them = list(questions(problem))
        first = number % len(all_of_them)
        for goal, wish in (all_of_them[first:] + all_of_them[:first])[:each]:
            yield Asked(number, problem, goal, answer(problem, goal), everything(problem, wish))
