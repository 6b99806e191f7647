"""The gateway's tables, version by version: `MIGRATIONS[n]` leads from version n to n + 1.

Times are seconds since 1970 on one clock: the database's own in PostgreSQL, the machine's beside a file.
"""

from __future__ import annotations

__all__ = ["MIGRATIONS", "TABLES", "VERSION"]

TABLES = frozenset({"agent_orders", "agent_hosts", "agent_vms", "agent_epochs"})

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE agent_orders (
            fleet TEXT NOT NULL, token TEXT NOT NULL,
            vm TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, body TEXT NOT NULL, epoch INTEGER NOT NULL,
            state TEXT NOT NULL, agent TEXT NOT NULL, failure TEXT NOT NULL, detail TEXT NOT NULL,
            aborting INTEGER NOT NULL, remaining_mib DOUBLE PRECISION,
            enqueued_s DOUBLE PRECISION NOT NULL, begin_by_s DOUBLE PRECISION NOT NULL,
            leased_until_s DOUBLE PRECISION NOT NULL, changed_s DOUBLE PRECISION NOT NULL, ended_s DOUBLE PRECISION,
            PRIMARY KEY (fleet, token)
        )""",
        "CREATE UNIQUE INDEX agent_one_order_per_vm ON agent_orders (fleet, vm) WHERE ended_s IS NULL",
        "CREATE INDEX agent_open_orders ON agent_orders (fleet, source) WHERE ended_s IS NULL",
        "CREATE INDEX agent_orders_of_vm ON agent_orders (fleet, vm, ended_s)",
        "CREATE INDEX agent_orders_from ON agent_orders (fleet, source, ended_s)",
        "CREATE INDEX agent_orders_to ON agent_orders (fleet, target, ended_s)",
        """
        CREATE TABLE agent_hosts (
            fleet TEXT NOT NULL, host TEXT NOT NULL, agent TEXT NOT NULL, simulated INTEGER NOT NULL,
            reading TEXT NOT NULL, digest TEXT NOT NULL, seen_s DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (fleet, host)
        )""",
        """
        CREATE TABLE agent_vms (
            fleet TEXT NOT NULL, vm TEXT NOT NULL, host TEXT NOT NULL, moving_to TEXT NOT NULL, reading TEXT NOT NULL,
            PRIMARY KEY (fleet, vm, host)
        )""",
        "CREATE INDEX agent_vms_of_host ON agent_vms (fleet, host)",
        "CREATE INDEX agent_vms_moving ON agent_vms (fleet) WHERE moving_to <> ''",
        "CREATE TABLE agent_epochs (fleet TEXT PRIMARY KEY, epoch INTEGER NOT NULL)",
    ),
    ("ALTER TABLE agent_hosts ADD COLUMN look BIGINT NOT NULL DEFAULT 0",),
)

VERSION = len(MIGRATIONS)
