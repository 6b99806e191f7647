"""Bugs that executors of other systems had, planted one at a time: the simulation finds each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.execute.simulation.mutants import BEGINS, ENDS, MUTANTS, SEEDS, find, table

PAGE = Path(__file__).parents[3] / "docs" / "executor-bugs.md"
NAMED = 26


@pytest.mark.rotating(shares=16)
@pytest.mark.parametrize("chunk", range(len(MUTANTS)), ids=[m.name for m in MUTANTS])
def test_a_planted_bug_is_found(chunk: int) -> None:
    assert find(MUTANTS[chunk]) is not None, f"{MUTANTS[chunk].name} was not found in {SEEDS} seeds"


def test_the_page_has_every_bug() -> None:
    inside = PAGE.read_text("utf-8").split(BEGINS)[1].split(ENDS)[0].strip().splitlines()
    assert inside == table(), "python -m tests.execute.simulation.mutants docs/executor-bugs.md"


def test_enough_of_them_were_real() -> None:
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)
    assert [bool(m.whose) for m in MUTANTS] == [number < NAMED for number in range(len(MUTANTS))]
    assert f"The first {NAMED} are modelled" in PAGE.read_text("utf-8")
    assert f"(executor-bugs.md), {NAMED} of them" in (PAGE.parent / "execute.md").read_text("utf-8")
