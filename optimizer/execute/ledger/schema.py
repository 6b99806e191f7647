"""The tables, version by version. A ledger of an older version is brought up to date when it is opened to write.

Version 1 is that of release 0.1: rebalances, moves, events, without epochs, reasons or a chain. Version 2 has runs with
who ordered them and why, moves with attempt, job and epoch, events in a hash chain for each fleet, leaders, controls
(the button, lower limits) and approvals. Version 3 adds what the periodic run remembers between its cycles: imbalances,
the cycles themselves, the evidence of interference, where each VM was seen last, and moves that others made.
Version 4 adds room that is kept for VMs to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.execute.ledger.chain import append

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.ledger.database import Connection

__all__ = ["ADDED_IN_3", "EXPECTED", "MIGRATIONS", "SCHEMA", "VERSION"]

VERSION = 4

_OF_1 = frozenset({"rebalances", "moves", "events", "one_running_rebalance", "one_flight_per_vm"})
_OF_2 = frozenset({"runs", "moves", "events", "leaders", "controls", "approvals"}) | {
    "one_running_run",
    "one_flight_per_vm",
    "moves_by_time",
}
_OF_3 = _OF_2 | {"imbalances", "one_live_imbalance", "cycles", "evidence", "placements", "travels", "events_by_time"}
_OF_4 = _OF_3 | {"reservations"}
EXPECTED = {1: _OF_1, 2: _OF_2, 3: _OF_3, 4: _OF_4}
"""The tables and indexes of each version."""

_OPEN = "('intended', 'accepted', 'preparing', 'copying', 'switching', 'unknown')"

_SCHEMA_2 = (
    """
    CREATE TABLE runs (
        fleet TEXT NOT NULL, plan TEXT NOT NULL, state TEXT NOT NULL,
        fleet_digest TEXT NOT NULL, policy_digest TEXT NOT NULL, driver TEXT NOT NULL, moves INTEGER NOT NULL,
        ordered_by TEXT NOT NULL, reason TEXT NOT NULL, approved_by TEXT NOT NULL, epoch INTEGER NOT NULL,
        started_at TEXT NOT NULL, ended_at TEXT,
        PRIMARY KEY (fleet, plan)
    )""",
    "CREATE UNIQUE INDEX one_running_run ON runs (fleet) WHERE state = 'running'",
    """
    CREATE TABLE moves (
        fleet TEXT NOT NULL, plan TEXT NOT NULL, move TEXT NOT NULL,
        vm TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, copied_mib INTEGER NOT NULL,
        state TEXT NOT NULL, failure TEXT NOT NULL, detail TEXT NOT NULL, attempt INTEGER NOT NULL,
        epoch INTEGER NOT NULL, job TEXT NOT NULL, intended_at TEXT NOT NULL, changed_at TEXT NOT NULL,
        PRIMARY KEY (fleet, plan, move), FOREIGN KEY (fleet, plan) REFERENCES runs (fleet, plan)
    )""",
    f"CREATE UNIQUE INDEX one_flight_per_vm ON moves (fleet, vm) WHERE state IN {_OPEN}",
    "CREATE INDEX moves_by_time ON moves (fleet, intended_at)",
    """
    CREATE TABLE events (
        fleet TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL, plan TEXT, move TEXT,
        state TEXT NOT NULL, detail TEXT NOT NULL, by TEXT NOT NULL, epoch INTEGER NOT NULL, hash TEXT NOT NULL,
        PRIMARY KEY (fleet, number)
    )""",
    "CREATE TABLE leaders (fleet TEXT PRIMARY KEY, epoch INTEGER NOT NULL, holder TEXT NOT NULL, until TEXT)",
    """
    CREATE TABLE controls (
        fleet TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
        at TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (fleet, name)
    )""",
    """
    CREATE TABLE approvals (
        fleet TEXT NOT NULL, plan TEXT NOT NULL, digest TEXT NOT NULL,
        at TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (fleet, plan)
    )""",
)

ADDED_IN_3 = (
    """
    CREATE TABLE imbalances (
        fleet TEXT NOT NULL, id TEXT NOT NULL, monitor TEXT NOT NULL, subject TEXT NOT NULL, place TEXT NOT NULL,
        state TEXT NOT NULL, since TEXT NOT NULL, opened_at TEXT, closed_at TEXT, changed_at TEXT NOT NULL,
        seen_at TEXT NOT NULL, evidence TEXT NOT NULL, machine TEXT NOT NULL, epoch INTEGER NOT NULL,
        PRIMARY KEY (fleet, id)
    )""",
    "CREATE UNIQUE INDEX one_live_imbalance ON imbalances (fleet, monitor, subject) WHERE state <> 'closed'",
    """
    CREATE TABLE cycles (
        fleet TEXT NOT NULL, number INTEGER NOT NULL, cause TEXT NOT NULL, by TEXT NOT NULL,
        started_at TEXT NOT NULL, ended_at TEXT, outcome TEXT NOT NULL, plan TEXT, counts TEXT NOT NULL,
        detail TEXT NOT NULL, epoch INTEGER NOT NULL,
        PRIMARY KEY (fleet, number)
    )""",
    """
    CREATE TABLE evidence (
        fleet TEXT NOT NULL, noisy TEXT NOT NULL, suffers TEXT NOT NULL, kind TEXT NOT NULL,
        state TEXT NOT NULL, record TEXT NOT NULL, changed_at TEXT NOT NULL, epoch INTEGER NOT NULL,
        PRIMARY KEY (fleet, noisy, suffers, kind)
    )""",
    """
    CREATE TABLE placements (
        fleet TEXT NOT NULL, vm TEXT NOT NULL, host TEXT NOT NULL, seen_at TEXT NOT NULL, gone_at TEXT,
        PRIMARY KEY (fleet, vm)
    )""",
    """
    CREATE TABLE travels (
        fleet TEXT NOT NULL, vm TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
        started_at TEXT NOT NULL, ended_at TEXT NOT NULL,
        PRIMARY KEY (fleet, vm, ended_at, source, target)
    )""",
    "CREATE INDEX events_by_time ON events (fleet, at)",
)

ADDED_IN_4 = (
    """
    CREATE TABLE reservations (
        fleet TEXT NOT NULL, id TEXT NOT NULL, room TEXT NOT NULL,
        made_at TEXT NOT NULL, until TEXT NOT NULL, by TEXT NOT NULL,
        PRIMARY KEY (fleet, id)
    )""",
)

SCHEMA = (*_SCHEMA_2, *ADDED_IN_3, *ADDED_IN_4)

_V1_RUNS = "SELECT fleet, plan, fleet_digest, policy_digest, state, started_at, ended_at FROM old_rebalances"
_V1_MOVES = "SELECT fleet, plan, move, vm, source, target, state FROM old_moves"
_V1_EVENTS = "SELECT at, fleet, plan, move, state, detail FROM old_events ORDER BY number"


def _from_1(db: Connection) -> None:
    """Bring a ledger of version 1 to version 2, within an open transaction.

    What version 1 called submitted is accepted now. Its events begin the chain; times of moves are those of their
    first and last events.
    """
    db.execute("DROP INDEX one_running_rebalance")
    db.execute("DROP INDEX one_flight_per_vm")
    for table in ("rebalances", "moves", "events"):
        db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in _SCHEMA_2:
        db.execute(statement)
    count = {(f, p): n for f, p, n in db.execute("SELECT fleet, plan, count(*) FROM old_moves GROUP BY fleet, plan")}
    for fleet, plan, fleet_digest, policy_digest, state, started, ended in db.execute(_V1_RUNS).fetchall():
        run = (fleet, plan, state, fleet_digest, policy_digest, "", count.get((fleet, plan), 0))
        values = (*run, "", "", "", 0, started, ended)
        db.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(values))})", values)
    first: dict[tuple[str, str, str], str] = {}
    last: dict[tuple[str, str, str], tuple[str, str]] = {}
    for at, fleet, plan, move, state, detail in db.execute(_V1_EVENTS).fetchall():
        first.setdefault((fleet, plan, move), at)
        last[fleet, plan, move] = at, detail
        append(db, fleet, at=at, plan=plan, move=move, state=_renamed(state), detail=detail)
    for fleet, plan, move, vm, source, target, state in db.execute(_V1_MOVES).fetchall():
        at, detail = last[fleet, plan, move]
        failure = "permanent" if state == "failed" else ""
        ends = (fleet, plan, move, vm, source, target, 0)
        moved = (*ends, _renamed(state), failure, detail, 1, 0, "", first[fleet, plan, move], at)
        db.execute(f"INSERT INTO moves VALUES ({', '.join('?' * len(moved))})", moved)
    for table in ("events", "moves", "rebalances"):
        db.execute(f"DROP TABLE old_{table}")


def _renamed(state: str) -> str:
    return "accepted" if state == "submitted" else state


def _from_2(db: Connection) -> None:
    """Bring a ledger of version 2 to version 3: what is there stays, and the new tables are empty."""
    for statement in ADDED_IN_3:
        db.execute(statement)


def _from_3(db: Connection) -> None:
    """Bring a ledger of version 3 to version 4: the new table is empty."""
    for statement in ADDED_IN_4:
        db.execute(statement)


MIGRATIONS: dict[int, Callable[[Connection], None]] = {1: _from_1, 2: _from_2, 3: _from_3}
"""What brings a ledger of a version to the next one, within an open transaction."""
