"""The gateway's tables in a PostgreSQL, in the ledger's schema: any number of gateways, each with a bounded pool."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError, SafetyStop
from optimizer.execute.agents.schema import MIGRATIONS, VERSION
from optimizer.execute.ledger.postgres import Statements, load_psycopg, open_pool, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg
    from psycopg_pool import ConnectionPool

    from optimizer.execute.agents.store import Transaction
    from optimizer.execute.ledger.database import Connection

__all__ = ["PostgresStore"]

MARK = "remora_agents"


class PostgresStore:
    """A bounded pool; transactions beyond it wait."""

    unlocked = " FOR UPDATE SKIP LOCKED"

    def __init__(self, address: str, connections: int) -> None:
        """Connect, and make the tables or bring them up to date.

        Raises
        ------
        InputError
            It cannot be reached, or holds tables of a later version.
        """
        self.connections = connections
        self._pool: ConnectionPool[psycopg.Connection[Any]] | None = None
        psycopg = load_psycopg(address)
        try:
            self.where = without_secrets(address)
            self._pool = open_pool(address, connections)
            with self._pool.connection() as connection:
                fault = _prepare(Statements(connection))
        except psycopg.Error as error:
            self.close()
            raise InputError(without_secrets(address), "", str(error), "a PostgreSQL that can be reached") from error
        if fault:
            self.close()
            raise InputError(self.where, "", fault, "the tables of a gateway", "use the release that wrote them")

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open one transaction."""
        import psycopg

        assert self._pool is not None
        try:
            with self._pool.connection() as connection:
                connection.execute("SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '20s'")
                yield Statements(connection)
        except psycopg.Error as error:
            raise SafetyStop(f"{self.where}: {error}") from error

    def now(self, connection: Connection) -> float:
        """Return the database's seconds."""
        (seconds,) = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
        return float(seconds)

    def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            self._pool.close()


def _prepare(db: Connection) -> str:
    db.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema() || ?))", (MARK,))
    db.execute(f"CREATE TABLE IF NOT EXISTS {MARK} (version INTEGER NOT NULL)")
    row = db.execute(f"SELECT version FROM {MARK}").fetchone()
    version = 0 if row is None else int(row[0])
    if version > VERSION:
        return f"version {version}, this program knows versions 1 to {VERSION}"
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            db.execute(statement)
    if version < VERSION:
        db.execute(f"DELETE FROM {MARK}")
        db.execute(f"INSERT INTO {MARK} VALUES (?)", (VERSION,))
    return ""
