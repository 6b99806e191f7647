"""The cases of `benchmarks.explain`, on fleets that are small: each is one, and is proven."""

from __future__ import annotations

import pytest

from benchmarks.explain.__main__ import ask, row
from benchmarks.explain.fleets import KINDS


@pytest.mark.rotating
@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_is_proven(kind, tmp_path):
    asked = ask(kind, 0, 100, 10.0, tmp_path)
    assert asked.proven, asked.answer
    assert 1 <= len(asked.answer["items"]) <= 6
    assert asked.answer["items_minimal"]
    assert f"| {kind} | 1 | 1 |" in row(kind, [asked])
