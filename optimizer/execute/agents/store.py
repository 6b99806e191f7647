"""What the gateway needs of a database: transactions, and a clock that all gateways share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from optimizer.execute.ledger.database import Connection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

__all__ = ["Store", "Transaction"]


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
