"""What the agents see on their hosts, as functions of an open transaction; the second observer of every move.

A reading counts while its agent is in contact (`current_s`), and only if it is later than the end of the last order
that concerns it: what was seen before that end says nothing of what is there now. Looks of an agent are numbered, so
what comes after a later one (held back on its way, or sent twice) changes nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from optimizer.execute.agents.store import Store, Transaction
    from optimizer.execute.ledger.database import Connection

__all__ = ["Blind", "contact", "migrating", "put", "read_host", "read_vm", "summary"]


class Blind(Exception):
    """It cannot be said, since an agent is silent; the text names it."""


COLUMNS = ("agent", "simulated", "reading", "digest", "seen_s", "look")
PUT = (
    f"INSERT INTO agent_hosts (fleet, host, {', '.join(COLUMNS)}) VALUES ({', '.join('?' * (2 + len(COLUMNS)))})"
    f" ON CONFLICT (fleet, host) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS)}"
    " WHERE excluded.agent <> agent_hosts.agent OR excluded.look = 0 OR excluded.look > agent_hosts.look"
)
"""Takes in a look of another agent, one without a number, and one that is later."""


def put(db: Transaction, store: Store, fleet: str, host: str, agent: str, seen: Mapping[str, Any]) -> tuple[float, int]:
    """Replace what is known of a host by what its agent saw, unless a later look of it is known.

    Returns when the host was last looked at, and the number of that look.
    """
    looked, look = store.now(db) - seen["ago_s"], seen.get("look", 0)
    said = (agent, int(seen["simulated"]), json.dumps(seen["host"]), seen["digest"], looked, look)
    if not db.execute(PUT, (fleet, host, *said)).rowcount:
        known = "SELECT seen_s, look FROM agent_hosts WHERE fleet = ? AND host = ?"
        seen_s, look = db.execute(known, (fleet, host)).fetchone()
        return float(seen_s), int(look)
    db.execute("DELETE FROM agent_vms WHERE fleet = ? AND host = ?", (fleet, host))
    rows = [(fleet, vm["id"], host, vm.get("moving_to") or "", json.dumps(vm)) for vm in seen["vms"]]
    if rows:
        db.executemany("INSERT INTO agent_vms VALUES (?, ?, ?, ?, ?)", rows)
    return looked, look


def contact(db: Transaction, store: Store, seen: Iterable[tuple[str, str, str, str, float]]) -> None:
    """Note that agents still see what they reported: (fleet, host, agent, digest, seconds since the look) of each."""
    now = store.now(db)
    query = "UPDATE agent_hosts SET seen_s = ? WHERE fleet = ? AND host = ? AND agent = ? AND digest = ? AND seen_s < ?"
    rows = sorted((fleet, host, agent, digest, now - ago) for fleet, host, agent, digest, ago in seen)
    if rows:
        db.executemany(query, [(at, fleet, host, agent, digest, at) for fleet, host, agent, digest, at in rows])


def read_vm(db: Connection, store: Store, fleet: str, vm: str, current_s: float) -> dict[str, Any] | None:
    """Return a VM as the agents see it; None where none sees it.

    Raises
    ------
    Blind
        An agent whose word is needed is silent, or has not looked since the VM's last move ended.
    """
    now = store.now(db)
    query = (
        "SELECT v.host, v.reading, h.seen_s FROM agent_vms v"
        " JOIN agent_hosts h ON h.fleet = v.fleet AND h.host = v.host"
        " WHERE v.fleet = ? AND v.vm = ? ORDER BY v.host"
    )
    rows = db.execute(query, (fleet, vm)).fetchall()
    for host, _, seen in rows:
        if seen < now - current_s:
            raise Blind(f"{host} has not reported for {now - seen:.0f} s")
    _looked_since_the_last(db, fleet, vm)
    if not rows:
        return None
    found = _combined([json.loads(reading) for _, reading, _ in rows])
    query = "SELECT source, target FROM agent_orders WHERE fleet = ? AND vm = ? AND ended_s IS NULL"
    order = db.execute(query, (fleet, vm)).fetchone()
    if order is not None and found.get("moving_to") is None and found["host"] in order:
        found["moving_to"] = order[1] if found["host"] == order[0] else order[0]
    return found


def _looked_since_the_last(db: Connection, fleet: str, vm: str) -> None:
    query = (
        "SELECT source, target, ended_s FROM agent_orders WHERE fleet = ? AND vm = ? AND ended_s IS NOT NULL"
        " ORDER BY ended_s DESC LIMIT 1"
    )
    last = db.execute(query, (fleet, vm)).fetchone()
    for host in last[:2] if last else ():
        row = db.execute("SELECT seen_s FROM agent_hosts WHERE fleet = ? AND host = ?", (fleet, host)).fetchone()
        if row is None or row[0] < last[2]:
            raise Blind(f"{host} has not reported since the last move of {vm} ended")


def _combined(readings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one reading of what several agents see of the same VM."""
    moving = [reading for reading in readings if reading.get("moving_to") is not None]
    base = dict((moving or readings)[0])
    ends = {base["host"], base.get("moving_to")}
    others = {r["host"] for r in readings if r["host"] is not None} | {h for r in readings for h in r.get("copies", ())}
    base["copies"] = sorted(others - ends)
    return base


def read_host(db: Connection, store: Store, fleet: str, host: str, current_s: float) -> dict[str, Any] | None:
    """Return a host as its agent sees it, with the VMs of open orders at both ends, and whether it only simulates.

    None where no agent ever reported.

    Raises
    ------
    Blind
        Its agent is silent, or has not looked since the last move to or from it ended.
    """
    now = store.now(db)
    query = "SELECT reading, seen_s, simulated FROM agent_hosts WHERE fleet = ? AND host = ?"
    row = db.execute(query, (fleet, host)).fetchone()
    if row is None:
        return None
    if row[1] < now - current_s:
        raise Blind(f"{host} has not reported for {now - row[1]:.0f} s")
    ended = "SELECT max(ended_s) FROM agent_orders WHERE fleet = ? AND {} = ?"
    for end in ("source", "target"):
        (last,) = db.execute(ended.format(end), (fleet, host)).fetchone()
        if last is not None and last > row[1]:
            raise Blind(f"{host} has not reported since the last move of it ended")
    found: dict[str, Any] = json.loads(row[0])
    query = "SELECT vm FROM agent_orders WHERE fleet = ? AND ended_s IS NULL AND (source = ? OR target = ?)"
    open_ = {vm for (vm,) in db.execute(query, (fleet, host, host)).fetchall()}
    return {**found, "vms": sorted({*found["vms"], *open_}), "simulated": bool(row[2])}


def migrating(db: Connection, fleet: str) -> list[str]:
    """Return the VMs that are migrating: by what agents see, and by the orders that are open."""
    seen = db.execute("SELECT vm FROM agent_vms WHERE fleet = ? AND moving_to <> ''", (fleet,)).fetchall()
    open_ = db.execute("SELECT vm FROM agent_orders WHERE fleet = ? AND ended_s IS NULL", (fleet,)).fetchall()
    return sorted({vm for (vm,) in (*seen, *open_)})


def summary(db: Connection, store: Store, fleet: str, current_s: float) -> dict[str, Any]:
    """Return which hosts report, and whether they only simulate."""
    rows = db.execute("SELECT host, seen_s, simulated FROM agent_hosts WHERE fleet = ? ORDER BY host", (fleet,))
    now = store.now(db)
    hosts = [(host, seen >= now - current_s, bool(simulated)) for host, seen, simulated in rows.fetchall()]
    return {
        "current": [host for host, current, _ in hosts if current],
        "silent": [host for host, current, _ in hosts if not current],
        "simulated": sum(simulated for *_, simulated in hosts),
    }
