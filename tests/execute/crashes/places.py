"""Where a ledger can be, for many runs after one another: new files, or new schemas in a real PostgreSQL."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from tests.execute import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KINDS", "Places", "places"]

KINDS = ("sqlite", "postgres")


class Places(Protocol):
    """Gives out places of one kind."""

    def new(self) -> str:
        """Return a place where no ledger is yet."""

    def run_out(self, place: str) -> None:
        """Let so much time pass that a lease of a process that is silent runs out."""


@contextmanager
def places(kind: str) -> Iterator[Places]:
    """Give out places until the end; what is in them is gone then."""
    if kind == "sqlite":
        with TemporaryDirectory(prefix="remora-crashes-") as directory:
            yield _Files(Path(directory))
    else:
        with postgres_server.running() as home:
            yield _Schemas(home)


class _Files:
    def __init__(self, directory: Path) -> None:
        self._directory, self._numbers = directory, count(1)

    def new(self) -> str:
        return str(self._directory / f"ledger-{next(self._numbers)}.sqlite")

    def run_out(self, place: str) -> None:
        """Nothing: the lock of a file is gone with its process, and not before."""


class _Schemas:
    def __init__(self, home: Path) -> None:
        self._home, self._numbers = home, count(1)

    def new(self) -> str:
        return postgres_server.schema_address(self._home, f"crash_{next(self._numbers)}")

    def run_out(self, place: str) -> None:
        import psycopg

        with psycopg.connect(place) as connection:
            connection.execute("UPDATE leaders SET until = (clock_timestamp() - interval '1 s')::text")
