"""What the ledger needs of a database: to read, to write alone, and to say who leads.

Two have it: `sqlite` (a file; the default) and `postgres`. Statements are written once, with ``?`` for values, in the
SQL that both understand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

__all__ = ["Connection", "Database"]


class Connection(Protocol):
    """An open transaction, or a connection that only reads."""

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Any:
        """Run one statement; what comes back has `fetchone`, `fetchall`, `rowcount`, and yields rows."""


class Database(Protocol):
    """Where the tables are; `where` names it in messages, without passwords."""

    where: str

    def reading(self) -> AbstractContextManager[Connection]:
        """Read what is committed.

        Raises
        ------
        SafetyStop
            It cannot be read.
        """

    def writing(self, fleet: str) -> AbstractContextManager[Connection]:
        """One transaction, alone on the fleet: all of it durable at the end, or nothing.

        Raises
        ------
        SafetyStop
            It cannot be written.
        """

    def claim(self, connection: Connection, fleet: str, holder: str) -> str | None:
        """Take the lead in an open transaction; None where it was taken, otherwise who has it."""

    def keep(self, connection: Connection, fleet: str) -> None:
        """Keep the lead for another while; the epoch was looked at."""

    def release(self, fleet: str, epoch: int) -> None:
        """Let somebody else have the lead, unless it was taken already."""

    def close(self) -> None:
        """Close it; the lead goes with it."""
