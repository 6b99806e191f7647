"""What the gateway needs of a database: transactions, and a clock that all gateways share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from optimizer.errors import InputError
from optimizer.execute.ledger.opening import is_address

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from optimizer.clock import Clock
    from optimizer.execute.ledger.database import Connection

__all__ = ["Store", "open_store"]


class Store(Protocol):
    """Where the gateway's tables are.

    Attributes
    ----------
    connections
        How many there are at most: transactions at once.
    locked, unlocked
        What ends a SELECT that locks its rows, and one that skips rows that others have locked.
    """

    where: str
    connections: int
    locked: str
    unlocked: str

    def transaction(self) -> AbstractContextManager[Connection]:
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
