"""A snapshot from a database: queries whose columns are named, mapped and checked as those of CSV files are.

Queries begin with SELECT, WITH or VALUES. They run in one transaction, in which SQLite and PostgreSQL refuse writes,
and which is rolled back. SQLAlchemy is the extra `sql`.
"""

from __future__ import annotations

import importlib.util
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.sources.csv_table import Rows
from optimizer.sources.fleet_csv import import_csv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["SqlInventory", "read_sql"]

ROW_LIMIT = 5_000_000
READS = re.compile(r"\s*(select|with|values)\b", re.IGNORECASE)
READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET TRANSACTION READ ONLY",
}
"""What makes the transaction one that reads only, by kind of database."""


@dataclass(frozen=True, slots=True)
class SqlInventory:
    """Where the database is and what it is asked.

    Attributes
    ----------
    url
        As SQLAlchemy has them, such as ``postgresql+psycopg://inventory@db/cmdb``; never shown.
    queries
        ``hosts``, ``vms``, and ``groups`` where there is one.
    where, path
        The file that says so and the field in it, for messages.
    """

    url: str
    queries: Mapping[str, str]
    mapping: Path | None
    deadline_s: float
    where: str
    path: str


def read_sql(asked: SqlInventory, fleet_id: str, taken_at: datetime) -> dict[str, Any]:
    """Return the snapshot that the database has.

    Raises
    ------
    InputError
        The extra is not installed, the database does not answer in time or refuses a query, or a cell is wrong.
    """
    if importlib.util.find_spec("sqlalchemy") is None:
        hint = "pip install -e '.[sql]' in the checkout"
        raise InputError(asked.where, asked.path, "not installed", "the package sqlalchemy", hint)
    for name, query in asked.queries.items():
        if not READS.match(query):
            expected = "a query that reads: SELECT, WITH or VALUES"
            raise InputError(asked.where, f"{asked.path}.{name}", query, expected)
    said: SimpleQueue[dict[str, Rows] | InputError] = SimpleQueue()
    threading.Thread(target=lambda: said.put(_tables(asked)), name="sql", daemon=True).start()
    try:
        found = said.get(timeout=asked.deadline_s)
    except Empty:
        raise InputError(asked.where, asked.path, "no answer", f"an answer within {asked.deadline_s:g} s") from None
    if isinstance(found, InputError):
        raise found
    return import_csv(
        found["hosts"], found["vms"], found.get("groups"), asked.mapping, fleet_id=fleet_id, taken_at=taken_at
    )


def _tables(asked: SqlInventory) -> dict[str, Rows] | InputError:
    """Ask every query; what goes wrong is returned, since this runs in a thread."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    name = ""
    try:
        engine = create_engine(asked.url)
        try:
            with engine.connect() as connection:
                if connection.dialect.name in READ_ONLY:
                    connection.exec_driver_sql(READ_ONLY[connection.dialect.name])
                tables = {}
                for name, query in asked.queries.items():
                    result = connection.execute(text(query))
                    where = f"{asked.where}: {asked.path}.{name}"
                    tables[name] = Rows(
                        where, tuple(result.keys()), [_cells(row) for row in result.fetchmany(ROW_LIMIT)]
                    )
                connection.rollback()
                return tables
        finally:
            engine.dispose()
    except SQLAlchemyError as error:
        problem = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        return _refused(asked, name, problem)
    except Exception as error:  # drivers of databases raise what they like
        return _refused(asked, name, type(error).__name__)


def _refused(asked: SqlInventory, name: str, problem: str) -> InputError:
    path = f"{asked.path}.{name}" if name else f"{asked.path}.url"
    expected = "a query that the database answers" if name else "a database that can be reached"
    return InputError(asked.where, path, problem.replace(asked.url, "***"), expected)


def _cells(row: Any) -> tuple[str, ...]:
    return tuple(_cell(value) for value in row)


def _cell(value: Any) -> str:
    """Return a value as a CSV file would have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes | bytearray) else str(value).strip()
