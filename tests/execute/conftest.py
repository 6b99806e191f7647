"""The databases that a ledger can be in, each with a way to begin afresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optimizer.execute.ledger import open_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optimizer.execute.ledger import Ledger

DATABASES = ("sqlite",)


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new ledger can be: each database in turn."""
    return str(tmp_path / "ledger.sqlite")


@pytest.fixture
def book(place: str) -> Iterator[Ledger]:
    """A new ledger in each database in turn."""
    with open_ledger(place) as opened:
        yield opened
