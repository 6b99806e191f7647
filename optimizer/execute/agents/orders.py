"""Orders, as functions of an open transaction: given, claimed once, reported, ended.

========  ==========================================================  =================================
state     meaning                                                     ends without its agent
========  ==========================================================  =================================
waiting   no agent has it                                             failed, once its time to begin is over
claimed   one agent has it, and has not said more                     never: unknown when the lease runs out
...       preparing, copying, switching, unknown: what its agent says  never
done      its agent's driver says so                                  -
failed    refused, aborted, not begun in time, or failed              -
========  ==========================================================  =================================
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from optimizer.execute.agents.store import Store
    from optimizer.execute.ledger.database import Connection

__all__ = ["KEEP_S", "Refused", "abort", "claim", "enqueue", "find", "finish", "open_orders", "prune", "report"]

ORDER = "token, vm, source, target, body, epoch, state, agent, failure, detail, aborting, remaining_mib, enqueued_s, "
ORDER += "begin_by_s, leased_until_s, ended_s"
NAMES = tuple(ORDER.split(", "))

KEEP_S = 90 * 86400.0
"""How long orders that have ended are kept."""


class Refused(Exception):
    """An order is not taken, for certain; `temporary` that it may be later."""

    def __init__(self, text: str, *, temporary: bool = False) -> None:
        super().__init__(text)
        self.temporary = temporary


def enqueue(db: Connection, store: Store, fleet: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Take an order; the same order once more changes nothing.

    Raises
    ------
    Refused
        It is of an old leader, or its VM is not where it should be, or an end of it is not reporting.
    """
    epoch, now = _epoch(db, fleet), store.now(db)
    known = _order(db, fleet, asked["token"])
    vm, source, target = asked["vm"], asked["source"], asked["target"]
    if known is not None:
        if (known["vm"], known["source"], known["target"]) != (vm, source, target):
            raise Refused(f"{asked['token']} was asked for before, for {known['vm']} to {known['target']}")
        return known
    if asked["epoch"] < epoch:
        raise Refused(f"epoch {asked['epoch']} is older than {epoch}: another leader has taken over")
    _possible(db, fleet, asked, now)
    if asked["epoch"] > epoch:
        db.execute("UPDATE agent_epochs SET epoch = ? WHERE fleet = ?", (asked["epoch"], fleet))
    body = json.dumps({name: asked[name] for name in ("plan", "move", "attempt", "copied_mib", "seconds")})
    start = (now, now + asked["begin_within_s"], 0.0, now, None)
    values = (fleet, asked["token"], vm, source, target, body, asked["epoch"], "waiting", "", "", "", 0, None, *start)
    made = db.execute(
        f"INSERT INTO agent_orders VALUES ({', '.join('?' * len(values))}) RETURNING {ORDER}", values
    ).fetchone()
    return _named(made)


def _epoch(db: Connection, fleet: str) -> int:
    """Return the highest epoch that the gateway has heard of; no other transaction raises it until this one is over."""
    lock = "INSERT INTO agent_epochs VALUES (?, 0) ON CONFLICT (fleet) DO UPDATE SET epoch = agent_epochs.epoch"
    (epoch,) = db.execute(f"{lock} RETURNING epoch", (fleet,)).fetchone()
    return int(epoch)


def _possible(db: Connection, fleet: str, asked: Mapping[str, Any], now: float) -> None:
    """Refuse what could not be begun, by what the agents report."""
    vm, source, target = asked["vm"], asked["source"], asked["target"]
    query = "SELECT host, seen_s FROM agent_hosts WHERE fleet = ? AND host IN (?, ?)"
    seen = dict(db.execute(query, (fleet, source, target)).fetchall())
    for host in (source, target):
        if seen.get(host, float("-inf")) < now - asked["current_s"]:
            raise Refused(f"no agent is reporting for {host}", temporary=True)
    open_ = "SELECT token FROM agent_orders WHERE fleet = ? AND vm = ? AND ended_s IS NULL"
    if db.execute(open_, (fleet, vm)).fetchone():
        raise Refused(f"{vm} is migrating already", temporary=True)
    query = "SELECT reading FROM agent_vms WHERE fleet = ? AND vm = ? AND host = ?"
    row = db.execute(query, (fleet, vm, source)).fetchone()
    reading = {} if row is None else json.loads(row[0])
    if reading.get("host") != source:
        raise Refused(f"{vm} is not on {source}")
    if reading.get("moving_to") is not None:
        raise Refused(f"{vm} is migrating already", temporary=True)


def claim(
    db: Connection,
    store: Store,
    fleet: str,
    host: str,
    agent: str,
    have: Collection[str],
    *,
    lease_s: float,
    stopped: bool,
) -> dict[str, Any]:
    """Return the orders for a host that `agent` does not have yet, its own of a lost reply included, and its aborts."""
    now = store.now(db)
    _expire(db, fleet, now)
    if not stopped:
        db.execute(
            "UPDATE agent_orders SET state = 'claimed', agent = ?, leased_until_s = ?, changed_s = ?"
            " WHERE fleet = ? AND token IN (SELECT token FROM agent_orders WHERE fleet = ? AND source = ?"
            f" AND state = 'waiting' ORDER BY enqueued_s, token{store.unlocked})",
            (agent, now + lease_s, now, fleet, fleet, host),
        )
    query = f"SELECT {ORDER} FROM agent_orders WHERE fleet = ? AND source = ? AND agent = ? AND ended_s IS NULL"
    mine = [_named(row) for row in db.execute(query, (fleet, host, agent)).fetchall()]
    return {
        "orders": [_for_agent(order, now) for order in mine if order["token"] not in have],
        "abort": [order["token"] for order in mine if order["aborting"] and order["token"] in have],
    }


def _for_agent(order: Mapping[str, Any], now: float) -> dict[str, Any]:
    names = ("token", "vm", "source", "target", "epoch", "enqueued_s")
    left = max(0.0, order["begin_by_s"] - now)
    return {**{name: order[name] for name in names}, **json.loads(order["body"]), "begin_within_s": left}


def report(
    db: Connection,
    store: Store,
    fleet: str,
    host: str,
    agent: str,
    progress: Sequence[Mapping[str, Any]],
    lease_s: float,
) -> dict[str, str]:
    """Take in how orders stand, and renew their leases; returns for each: open, abort, or ended."""
    now, said = store.now(db), {}
    for one in progress:
        how = (one["state"], one.get("remaining_mib"), one.get("detail", ""), now + lease_s, now)
        held = db.execute(
            "UPDATE agent_orders SET state = ?, remaining_mib = ?, detail = ?, leased_until_s = ?, changed_s = ?"
            " WHERE fleet = ? AND source = ? AND token = ? AND agent = ? AND ended_s IS NULL",
            (*how, fleet, host, one["token"], agent),
        ).rowcount
        order = _order(db, fleet, one["token"]) if held else None
        said[one["token"]] = "ended" if order is None else ("abort" if order["aborting"] else "open")
    return said


def finish(db: Connection, fleet: str, host: str, agent: str, said: Mapping[str, Any], now: float) -> str:
    """Let an order end as its agent says; returns its target, empty where it had ended before or is another's."""
    row = db.execute(
        "UPDATE agent_orders SET state = ?, failure = ?, detail = ?, remaining_mib = NULL, changed_s = ?, ended_s = ?"
        " WHERE fleet = ? AND source = ? AND token = ? AND agent = ? AND ended_s IS NULL RETURNING target",
        (said["state"], said.get("failure", ""), said.get("detail", ""), now, now, fleet, host, said["token"], agent),
    ).fetchone()
    return "" if row is None else str(row[0])


def find(db: Connection, store: Store, fleet: str, token: str, epoch: int = 0) -> dict[str, Any] | None:
    """Return an order, and whether its lease ran out (`lapsed`) and both ends reported since its end (`confirmed`).

    Who is told that there is none takes the move for never started. So from then on no leader of an older `epoch` gives
    orders: one that was paused as it gave this one may go on at any time.
    """
    known = db.execute("SELECT epoch FROM agent_epochs WHERE fleet = ?", (fleet,)).fetchone()
    if epoch > (0 if known is None else known[0]) and epoch > _epoch(db, fleet):
        db.execute("UPDATE agent_epochs SET epoch = ? WHERE fleet = ?", (epoch, fleet))
    now = store.now(db)
    _expire(db, fleet, now)
    order = _order(db, fleet, token)
    if order is None:
        return None
    order["lapsed"] = order["ended_s"] is None and order["state"] != "waiting" and order["leased_until_s"] < now
    if order["ended_s"] is not None:
        query = "SELECT count(*) FROM agent_hosts WHERE fleet = ? AND host IN (?, ?) AND seen_s >= ?"
        (seen,) = db.execute(query, (fleet, order["source"], order["target"], order["ended_s"])).fetchone()
        order["confirmed"] = seen == 2
        order["ended_for_s"] = now - order["ended_s"]
    return order


def abort(db: Connection, store: Store, fleet: str, token: str) -> str:
    """Ask that an order be given up: at once where no agent has it; returns why not, empty where it was asked for."""
    now = store.now(db)
    waiting = db.execute(
        "UPDATE agent_orders SET state = 'failed', failure = 'temporary', detail = 'aborted before it was begun',"
        " changed_s = ?, ended_s = ? WHERE fleet = ? AND token = ? AND state = 'waiting'",
        (now, now, fleet, token),
    ).rowcount
    if waiting:
        return ""
    asked = db.execute(
        "UPDATE agent_orders SET aborting = 1 WHERE fleet = ? AND token = ? AND ended_s IS NULL AND state <> ?",
        (fleet, token, "switching"),
    ).rowcount
    return "" if asked else "nothing that can be aborted"


def open_orders(db: Connection) -> list[tuple[str, str, str, str, str, int]]:
    """Return (fleet, source, token, state, agent, aborting) of every order that has not ended."""
    query = "SELECT fleet, source, token, state, agent, aborting FROM agent_orders WHERE ended_s IS NULL"
    return list(db.execute(query).fetchall())


def prune(db: Connection, store: Store) -> None:
    """Forget orders that ended long ago."""
    db.execute("DELETE FROM agent_orders WHERE ended_s < ?", (store.now(db) - KEEP_S,))


def _expire(db: Connection, fleet: str, now: float) -> None:
    """Let orders fail that no agent has taken in time: from now on none will."""
    db.execute(
        "UPDATE agent_orders SET state = 'failed', failure = 'temporary', detail = 'no agent took it in time',"
        " changed_s = ?, ended_s = ? WHERE fleet = ? AND ended_s IS NULL AND state = 'waiting' AND begin_by_s < ?",
        (now, now, fleet, now),
    )


def _order(db: Connection, fleet: str, token: str) -> dict[str, Any] | None:
    row = db.execute(f"SELECT {ORDER} FROM agent_orders WHERE fleet = ? AND token = ?", (fleet, token)).fetchone()
    return None if row is None else _named(row)


def _named(row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(NAMES, row, strict=True))
