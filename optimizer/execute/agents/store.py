"""What the gateway needs of a database: transactions, and a clock that all gateways share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from optimizer.errors import InputError
from optimizer.execute.ledger.database import Connection
from optimizer.execute.ledger.opening import is_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from optimizer.clock import Clock

__all__ = ["Store", "Transaction", "open_store"]


class Transaction(Connection, Protocol):
    """An open transaction that also takes many rows at once."""

    def executemany(self, sql: str, values: Iterable[Sequence[object]], /) -> Any:
        """Run one statement for each row of values."""


class Store(Protocol):
    """Where the gateway's tables are.

    Attributes
    ----------
    connections
        How many there are at most: transactions at once.
    unlocked
        What ends a SELECT that locks its rows and skips those that others have locked.
    """

    where: str
    connections: int
    unlocked: str

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open one transaction: all of it durable at the end, or nothing.

        Raises
        ------
        SafetyStop
            The database cannot be read or written.
        """

    def now(self, connection: Connection) -> float:
        """Return the seconds since 1970."""

    def close(self) -> None:
        """Close all connections."""


def open_store(ledger: str, clock: Clock, connections: int) -> Store:
    """Open the gateway's tables: in the ledger's schema of a PostgreSQL, or in a file beside the ledger's.

    A file of its own, since who submits holds the ledger's file locked until the gateway has answered.

    Raises
    ------
    InputError
        They cannot be opened, or are of another version.
    """
    if is_address(ledger):
        from optimizer.execute.agents.store_postgres import PostgresStore

        return PostgresStore(ledger, connections)
    if "://" in ledger:
        raise InputError("--ledger", "", ledger, "the path of a file, or postgresql://...")
    from optimizer.execute.agents.store_sqlite import SqliteStore

    return SqliteStore(f"{ledger}-agents", clock)
