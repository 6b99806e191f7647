"""Which database a ledger is in: the path of a file, or the address of a PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.errors import InputError
from optimizer.execute.ledger.ledger import Ledger
from optimizer.execute.ledger.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from optimizer.execute.ledger.database import Database

__all__ = ["is_address", "open_ledger", "peek_ledger"]


def is_address(place: str) -> bool:
    """Whether a ledger's place is a PostgreSQL rather than a file."""
    return place.startswith(("postgresql://", "postgres://"))


def open_ledger(place: str) -> Ledger:
    """Open a ledger to read and write; it is made where there is none, and brought up to date where it is older.

    Raises
    ------
    InputError
        It cannot be opened, or is something else than a ledger, or is damaged.
    """
    return Ledger(_database(place, write=True))


def peek_ledger(place: str) -> Ledger | None:
    """Open a ledger to read it; writes nothing. None where there is nothing yet.

    Raises
    ------
    InputError
        As for `open_ledger`.
    """
    if not is_address(place) and not Path(place).exists():
        return None
    return Ledger(_database(place, write=False))


def _database(place: str, *, write: bool) -> Database:
    if is_address(place):
        from optimizer.execute.ledger.postgres import PostgresDatabase

        return PostgresDatabase(place, write=write)
    if "://" in place:
        raise InputError("--ledger", "", place, "the path of a file, or postgresql://...")
    return SqliteDatabase(place, write=write)
