"""Opens the gateway's tables, in whichever database the ledger is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.errors import InputError
from optimizer.execute.beside import AGENTS
from optimizer.execute.ledger.opening import is_address

if TYPE_CHECKING:
    from optimizer.clock import Clock
    from optimizer.execute.agents.store import Store

__all__ = ["open_store"]


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

    return SqliteStore(f"{ledger}{AGENTS}", clock)
