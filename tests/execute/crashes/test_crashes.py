"""Crash points by SIGKILL, and pairs of them in process: a share each day, all of them in the table of `__main__`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from optimizer.execute.ledger import queries
from optimizer.execute.probes import INSTANTS, PROBES, STEPS
from optimizer.execution import Execution, WindowBudget
from tests.execute import postgres_server
from tests.execute.crashes.hypervisors import BUDGET
from tests.execute.crashes.matrix import die
from tests.execute.crashes.pairs import Life
from tests.execute.crashes.places import KINDS, places
from tests.execute.simulation.simulate import without_admission

if TYPE_CHECKING:
    from collections.abc import Iterator

HITS, CHUNKS = 10, 24
PAIR_CHUNKS = 36


@pytest.fixture(autouse=True)
def _let_in() -> Iterator[None]:
    with without_admission():
        yield


def test_there_are_36_points() -> None:
    assert len(PROBES) == len(set(PROBES)) == len(STEPS) * len(INSTANTS) == 36


def test_a_run_passes_all_of_them() -> None:
    for seed in range(HITS):
        life = Life(seed, ())
        assert life.run() == []
        assert set(life.passed) == set(PROBES)


@pytest.mark.rotating(shares=16)
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_each_point(kind: str, chunk: int) -> None:
    """A chunk is one step, on one kind of ledger: killed at its three instants, half as often as asked for."""
    if kind == "postgres" and (why := postgres_server.missing()):
        if os.environ.get("CI") == "true" and "postgres" not in os.environ.get("REMORA_WITHOUT", ""):
            pytest.fail(why)
        pytest.skip(why)
    killed: Counter[str] = Counter()
    with places(kind) as new:
        for point in (f"{when} {STEPS[chunk // 2]}" for when in INSTANTS):
            for seed in range(chunk % 2, HITS, 2):
                death = die(point, seed, new)
                assert death.broken == [], f"{point}, seed {seed}"
                killed[point] += death.killed
    assert set(killed.values()) == {HITS // 2}
    assert len(killed) == len(INSTANTS)


@pytest.mark.rotating(shares=16)
@pytest.mark.parametrize("chunk", range(PAIR_CHUNKS))
def test_a_crash_and_another_in_the_recovery(chunk: int) -> None:
    for j, second in enumerate(PROBES):
        life = Life(36 * chunk + j, (PROBES[chunk], second))
        assert life.run() == [], f"{PROBES[chunk]}, then {second}"
        assert life.points == [], f"{second} was not reached"


def broken_somewhere() -> bool:
    return any(Life(n, (first, "within submit")).run() for n, first in enumerate(PROBES * 16))


@pytest.mark.slow
def test_attempts_that_are_not_counted_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window's budget: a move that is tried twice counts twice."""
    true = queries.since
    monkeypatch.setattr(queries, "since", lambda *args: tuple(dict.fromkeys(true(*args))))
    assert broken_somewhere()


def test_a_window_that_is_a_little_too_short_would_be_found() -> None:
    """By less than what may pass between the intent of a move and its beginning."""
    short = Execution(budgets=(WindowBudget(BUDGET.window_s - 8, moves=BUDGET.moves),))
    lives = [Life(seed, ()) for seed in range(HITS)]
    for life in lives:
        life.hypervisors.policy = replace(life.hypervisors.policy, execution=short)
    assert any("were intended within" in fault for life in lives for fault in life.run())


def test_a_skip_that_a_crash_cut_off_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["optimizer.execute.core.begin"], "_without_successors", lambda state: state)
    assert any(Life(n, ("before skip", second)).run() for n, second in enumerate(PROBES))
