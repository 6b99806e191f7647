"""The ledger in a PostgreSQL: for several machines; psycopg 3 and its pool (the extra `postgres`).

Who leads a fleet has a lease, a row on the database's own clock, renewed with every write and every poll. All writes of
a fleet lock that row first, so they come one after the other, and a stop or another leader waits for a submit that is
being made. No session locks and nothing else that lives as long as a connection: poolers would break it.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

from optimizer.errors import InputError, SafetyStop
from optimizer.execute.ledger.schema import MIGRATIONS, SCHEMA, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import psycopg
    from psycopg_pool import ConnectionPool

    from optimizer.execute.ledger.database import Connection

__all__ = ["LEASE_S", "PostgresDatabase", "Statements", "load_psycopg", "open_pool", "without_secrets"]

LEASE_S = 30
"""How long a lease lasts that is not renewed: a leader that died is followed after this."""

BUSY_S = 60
"""How long a writer waits for another: as long as a driver may take to answer a submit."""

CONNECT_S = 10
MARK = "remora_ledger"
OLDEST = 2
"""The first version that could be in a PostgreSQL."""

APPEND_ONLY = (
    """
    CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$""",
    "CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events"
    " FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only()",
)

TAKE = f"""
    UPDATE leaders SET epoch = epoch + 1, holder = ?,
        until = (clock_timestamp() + interval '{LEASE_S} s')::text
    WHERE fleet = ? AND (until IS NULL OR until::timestamptz < clock_timestamp())"""
KEEP = f"UPDATE leaders SET until = (clock_timestamp() + interval '{LEASE_S} s')::text WHERE fleet = ?"


class Statements:
    """A connection that takes ``?`` for values, as the ledger writes it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Any:
        """Run one statement."""
        return self._connection.execute(sql.replace("?", "%s").encode(), values or None)

    def executemany(self, sql: str, values: Iterable[Sequence[object]], /) -> None:
        """Run one statement for each row of values, without waiting for each."""
        self._connection.cursor().executemany(sql.replace("?", "%s").encode(), values)


class OlderStatements(Statements):
    """A connection to a ledger of an older version that only reads: the tables that were added later are empty."""

    _ADDED_IN_3: ClassVar[dict[str, str]] = {
        "imbalances": "fleet, id, monitor, subject, place, state, since, opened_at, closed_at, changed_at, seen_at,"
        " evidence, machine, epoch",
        "cycles": "fleet, number, cause, by, started_at, ended_at, outcome, plan, counts, detail, epoch",
        "evidence": "fleet, noisy, suffers, kind, state, record, changed_at, epoch",
        "placements": "fleet, vm, host, seen_at, gone_at",
        "travels": "fleet, vm, source, target, started_at, ended_at",
    }
    _ADDED_IN_4: ClassVar[dict[str, str]] = {"reservations": "fleet, id, room, made_at, until, by"}

    def __init__(self, connection: psycopg.Connection[Any], version: int) -> None:
        super().__init__(connection)
        self._lacking = {**(self._ADDED_IN_3 if version < 3 else {}), **self._ADDED_IN_4}

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Any:
        """Run one query."""
        added = [_nothing(name, columns) for name, columns in self._lacking.items() if f" {name}" in sql]
        return super().execute(f"WITH {', '.join(added)} {sql}" if added else sql, values)


def _nothing(table: str, columns: str) -> str:
    row = ", ".join(f"NULL::text AS {name.strip()}" for name in columns.split(","))
    return f"{table} AS (SELECT {row} WHERE false)"


class PostgresDatabase:
    """A ledger in the schema that the address leads to."""

    def __init__(self, address: str, *, write: bool) -> None:
        """Connect; with `write` the tables are made where there are none.

        Raises
        ------
        InputError
            It cannot be reached, or holds no ledger of this version.
        """
        self._pool: ConnectionPool[psycopg.Connection[Any]] | None = None
        self._write = write
        self._version = VERSION
        psycopg = load_psycopg(address)
        try:
            self.where = without_secrets(address)
            self._pool = open_pool(address, write=write)
            with self._pool.connection() as connection:
                self._version, fault = _prepare(connection, write=write)
        except psycopg.Error as error:
            self.close()
            raise InputError(without_secrets(address), "", str(error), "a PostgreSQL that can be reached") from error
        if fault:
            self.close()
            raise InputError(
                self.where, "", fault, "a Remora ledger", "`remora apply --act` makes one where there is none"
            )

    def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            self._pool.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read; what cannot be read stops the run."""
        import psycopg

        assert self._pool is not None
        try:
            with self._pool.connection() as connection:
                older = self._version < VERSION
                yield OlderStatements(connection, self._version) if older else Statements(connection)
        except psycopg.Error as error:
            raise SafetyStop(f"{self.where}: the ledger cannot be read: {error}") from error

    @contextmanager
    def writing(self, fleet: str) -> Iterator[Connection]:
        """One transaction, alone on the fleet: all of it durable at the end, or nothing."""
        import psycopg

        if not self._write:
            raise SafetyStop(f"{self.where}: the ledger cannot be written: it was opened to read")
        assert self._pool is not None
        try:
            with self._pool.connection() as connection:
                connection.execute("SET LOCAL synchronous_commit = on")
                connection.execute(f"SET LOCAL lock_timeout = '{BUSY_S}s'")
                db = Statements(connection)
                db.execute("INSERT INTO leaders VALUES (?, 0, '', NULL) ON CONFLICT DO NOTHING", (fleet,))
                db.execute("SELECT epoch FROM leaders WHERE fleet = ? FOR UPDATE", (fleet,))
                yield db
        except psycopg.Error as error:
            raise SafetyStop(f"{self.where}: the ledger cannot be written: {error}") from error

    def claim(self, connection: Connection, fleet: str, holder: str) -> str | None:
        """Take the lease, if it is free or has run out, and raise the epoch."""
        if connection.execute(TAKE, (holder, fleet)).rowcount:
            return None
        other, until = connection.execute("SELECT holder, until FROM leaders WHERE fleet = ?", (fleet,)).fetchone()
        return f"{other or 'another process'}, whose lease lasts until {until}"

    def keep(self, connection: Connection, fleet: str) -> None:
        """Renew the lease."""
        connection.execute(KEEP, (fleet,))

    def release(self, fleet: str, epoch: int) -> None:
        """Let the lease run out now, if it is still of this epoch."""
        with suppress(SafetyStop), self.writing(fleet) as db:
            db.execute("UPDATE leaders SET until = NULL WHERE fleet = ? AND epoch = ?", (fleet, epoch))


def load_psycopg(address: str) -> Any:
    """Return the module, or say what to install."""
    try:
        import psycopg
        import psycopg_pool  # noqa: F401
    except ImportError as error:
        raise InputError("--ledger", "", address.partition("@")[2] or address, "a file", _INSTALL) from error
    return psycopg


_INSTALL = "a ledger in PostgreSQL needs the extra `postgres`: pip install -e '.[postgres]' in the checkout"


def open_pool(address: str, connections: int = 2, *, write: bool = True) -> ConnectionPool[psycopg.Connection[Any]]:
    """Open a pool of at most `connections`; without `write` the database itself refuses to."""
    from psycopg_pool import ConnectionPool

    logging.getLogger("psycopg").addHandler(logging.NullHandler())  # who calls says it, on one line
    pool = ConnectionPool(
        address,
        min_size=1,
        max_size=connections,
        timeout=CONNECT_S,
        kwargs={"connect_timeout": CONNECT_S, "prepare_threshold": None},  # poolers do not know prepared statements
        configure=None if write else _read_only,
        check=ConnectionPool.check_connection,
        open=False,
    )
    try:
        pool.open(wait=True, timeout=CONNECT_S)
    except BaseException:
        pool.close()
        raise
    return pool


def _read_only(connection: psycopg.Connection[Any]) -> None:
    connection.read_only = True


def without_secrets(address: str) -> str:
    """Return an address as messages may show it."""
    from psycopg.conninfo import conninfo_to_dict

    said = conninfo_to_dict(address)
    host = said.get("host") or "localhost"
    return f"postgresql://{host}/{said.get('dbname') or ''}"


def _prepare(connection: psycopg.Connection[Any], *, write: bool) -> tuple[int, str]:
    """Make the tables where there are none, and bring older ones up to date; a reader leaves both as they are.

    Returns
    -------
    int
        The version of the ledger.
    str
        What is wrong with it; empty if nothing is.
    """
    db = Statements(connection)
    if write:
        db.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema() || ?))", (MARK,))
    (there,) = db.execute("SELECT to_regclass(?) IS NOT NULL", (MARK,)).fetchone()
    if not there:
        if not write:
            return 0, "a database without a ledger"
        db.execute(f"CREATE TABLE {MARK} (version INTEGER NOT NULL)")
        for statement in (*SCHEMA, *APPEND_ONLY):
            db.execute(statement)
        db.execute(f"INSERT INTO {MARK} VALUES (?)", (VERSION,))
        return VERSION, ""
    (version,) = db.execute(f"SELECT version FROM {MARK}").fetchone()
    if not OLDEST <= version <= VERSION:
        return version, f"a ledger of version {version}, this program knows versions {OLDEST} to {VERSION}"
    if write and version < VERSION:
        for number in range(version, VERSION):
            MIGRATIONS[number](db)
        db.execute(f"UPDATE {MARK} SET version = ?", (VERSION,))
        return VERSION, ""
    return version, ""
