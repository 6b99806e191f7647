"""Numbers with their nouns, and lists."""

from __future__ import annotations

import pytest

from optimizer.grammar import count, listed


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 moves"), (1, "1 move"), (2, "2 moves"), (12_000, "12,000 moves"), (-1, "-1 moves")]
)
def test_a_noun_agrees_with_its_number(number: int, said: str) -> None:
    assert count(number, "move") == said


def test_an_odd_plural_is_given() -> None:
    assert (count(1, "batch", "batches"), count(2, "batch", "batches")) == ("1 batch", "2 batches")


@pytest.mark.parametrize(
    ("parts", "said"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c"), (iter("ab"), "a and b")]
)
def test_a_list_has_one_and(parts: list[str], said: str) -> None:
    assert listed(parts) == said


def test_alternatives() -> None:
    assert listed(["h1", "h2", "h3"], "or") == "h1, h2 or h3"
