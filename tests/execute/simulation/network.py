"""The gateway on the virtual clock, and the lines to it: its own desk over tables in memory, without sockets.

A request may be lost on its way, or arrive late, or twice; a reply may be lost. What comes late is done when it comes,
whoever has given it up by then.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from optimizer.errors import SafetyStop
from optimizer.execute.agents.client import AGAIN, GatewayDown, GatewayRefused
from optimizer.execute.agents.desk import Denied, Desk
from optimizer.execute.agents.schema import MIGRATIONS
from optimizer.execute.agents.store_sqlite import SqliteStore
from optimizer.execute.agents.wire import CLAIM, ENQUEUE, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from optimizer.execute.drivers.faults import SkewedClock

__all__ = ["Line", "Network", "Office"]

LATEST_S = 10.0
"""A request that is late comes within this, but for one of an executor that died."""

STALE_S = (20.0, 90.0)
"""What an executor that was paused had still to say comes within this: another may lead by then."""


class Network(Enum):
    """What may happen between executor, gateway and agents, and to agents."""

    REQUEST_LOST = "a request is lost"
    REPLY_LOST = "a reply is lost, what was asked for is done"
    REQUEST_LATE = "a request comes late, when its answer is not waited for any more"
    REQUEST_TWICE = "a request comes twice"
    CLAIM_LATE = "an agent hears late what it has claimed"
    STALE_ORDER = "the order of an executor that died comes long after, when another leads"
    AGENT_DIES = "an agent dies as it writes, and is started again"
    AGENT_SILENT = "an agent reaches the gateway no more, for longer than its lease"
    GATEWAY_RESTARTS = "the gateway is started again: what waits there is gone"
    TABLES_DOWN = "the gateway's tables cannot be written"


class MemoryStore(SqliteStore):
    """The gateway's tables without a disk; `fails` says whether the next transaction does."""

    def __init__(self, clock: SkewedClock, fails: Callable[[], bool]) -> None:
        self.where, self._clock, self._fails = "memory", clock, fails
        self._opened = sqlite3.connect(":memory:", isolation_level=None)
        for statements in MIGRATIONS:
            for statement in statements:
                self._opened.execute(statement)
        self.restart()

    def restart(self) -> None:
        """Open them again."""
        self._set_out()

    def transaction(self) -> Any:
        """Open one transaction."""
        if self._fails():
            raise SafetyStop("memory: the gateway's tables cannot be written")
        return super().transaction()


class Office:
    """The gateway.

    Parameters
    ----------
    strikes
        Draws whether a fault happens now.
    note, reached
        Writes into the history what was handed out; what is worth to be reached.
    """

    def __init__(
        self,
        clock: SkewedClock,
        rng: Random,
        strikes: Callable[[Network, float], bool],
        stopped: Callable[[str], str],
        note: Callable[..., None],
        reached: set[str],
        lease_s: float,
    ) -> None:
        self.clock, self.rng, self.strikes, self._note = clock, rng, strikes, note
        self._stopped, self._reached, self._lease_s = stopped, reached, lease_s
        self.store = MemoryStore(clock, lambda: strikes(Network.TABLES_DOWN, 0.002))
        self._given = False
        self._late: list[tuple[float, str, dict[str, Any]]] = []
        self.restart()

    def restart(self) -> None:
        """Begin with an empty memory; the tables last."""
        self.store.restart()
        self.woken: set[tuple[str, str]] = set()
        self.desk = Desk(self.store, self._stopped, self.clock.monotonic, lease_s=self._lease_s)

    def do(self, path: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a request as one over a socket is answered: through its text.

        Raises
        ------
        GatewayDown, GatewayRefused
            As a client says it.
        """
        checked = parse(path, json.dumps(asked).encode())
        try:
            with self.store.transaction() as db:
                said = self.desk.answer(db, path, checked)
                known = db.execute("SELECT look FROM agent_hosts WHERE host = ?", (checked.get("host"),)).fetchone()
        except Denied as error:
            if "another leader" in str(error):
                self._reached.add("old leader refused")
            if error.status in AGAIN:
                raise GatewayDown(str(error)) from error
            raise GatewayRefused(int(error.status), str(error), temporary=error.temporary) from error
        except SafetyStop as error:
            raise GatewayDown(str(error)) from error
        if path.endswith("/find") and said["order"] is not None and said["order"]["lapsed"]:
            self._reached.add("lease ran out")
        self._given |= path == ENQUEUE
        woken = self.desk.wakes(path, checked, said)
        if woken is not None and woken[1] == "look":
            self.woken.add(woken[0])
        if checked.get("inventory") is not None:
            self._note("known", host=checked["host"], look=known[0])
        if path == CLAIM:
            for order in said["orders"]:
                self._note("handed", token=order["token"], agent=asked["agent"], epoch=order["epoch"])
        answer: dict[str, Any] = json.loads(json.dumps(said))
        return answer

    def come_late(self, path: str, asked: Mapping[str, Any], after_s: float) -> None:
        """Let a request be done after a while."""
        self._late.append((self.clock.seconds + after_s, path, dict(asked)))

    def advance(self) -> None:
        """Do what comes late, and read what is open, as the gateway does a few times a second."""
        due = [one for one in self._late if one[0] <= self.clock.seconds]
        self._late = [one for one in self._late if one[0] > self.clock.seconds]
        for _, path, asked in due:
            try:
                self.do(path, asked)
            except (GatewayDown, GatewayRefused):
                continue
        try:
            with self.store.transaction() as db:
                self.desk.learn(self.desk.look(self.desk.contacts(), db))
        except SafetyStop:
            return

    def takes_given(self) -> bool:
        """Whether an order was given since this was asked last."""
        given, self._given = self._given, False
        return given

    def is_quiet(self) -> bool:
        """Whether nothing is still to come."""
        return not self._late


@dataclass
class Line:
    """Asks the gateway, over a network that loses and delays; `dies` ends the process that asks."""

    office: Office
    dies: Callable[[], None]
    up: Callable[[], bool] = lambda: True
    where = "a line"

    def ask(self, path: str, asked: Mapping[str, Any], more_s: float = 0.0) -> dict[str, Any]:
        """Ask; raises as `Client.ask` does."""
        office, rng = self.office, self.office.rng
        if not self.up() or office.strikes(Network.REQUEST_LOST, 0.03):
            raise GatewayDown("no answer")
        if path == ENQUEUE and office.strikes(Network.STALE_ORDER, 0.02):
            office.come_late(path, asked, rng.uniform(*STALE_S))
            self.dies()
        if not path.startswith("/v1/read") and office.strikes(Network.REQUEST_LATE, 0.04):
            office.come_late(path, asked, rng.uniform(1.0, LATEST_S))
            raise GatewayDown("no answer")
        said = office.do(path, asked)
        if office.strikes(Network.REQUEST_TWICE, 0.03):
            office.come_late(path, asked, rng.uniform(0.0, LATEST_S))
        if office.strikes(Network.REPLY_LOST, 0.03):
            raise GatewayDown("the reply is lost")
        return said
