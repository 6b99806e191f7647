"""The databases that a ledger can be in, each with a way to begin afresh; and a judge who finds nothing."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import pytest

from optimizer.execute import admission
from optimizer.execute.ledger import open_ledger
from optimizer.verify.verdict import Verdict
from tests.execute import postgres_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from optimizer.execute.ledger import Ledger

DATABASES = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def new_schema() -> Iterator[Callable[[], str]]:
    """Make a new place in a real PostgreSQL; skipped where there is none; CI fails unless its set-up said so."""
    why = postgres_server.missing()
    if why and os.environ.get("CI") == "true" and "postgres" not in os.environ.get("REMORA_WITHOUT", ""):
        pytest.fail(why)
    if why:
        pytest.skip(why)
    with postgres_server.running() as home:
        numbers = count(1)
        yield lambda: postgres_server.schema_address(home, f"ledger_{next(numbers)}")


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new ledger can be: each database in turn."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.sqlite")
    return str(request.getfixturevalue("new_schema")())


@pytest.fixture
def book(place: str) -> Iterator[Ledger]:
    """A new ledger in each database in turn."""
    with open_ledger(place) as opened:
        yield opened


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger in a file."""
    with open_ledger(str(tmp_path / "ledger.sqlite")) as opened:
        yield opened


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `apply` take plans written by hand, of which `verify` would say that proof and objective are missing."""
    monkeypatch.setattr(admission, "verify", lambda *_, **__: Verdict(()))
