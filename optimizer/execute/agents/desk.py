"""What the gateway decides, without I/O: a question in, its answer out, each in one open transaction.

It waits for nothing, and knows neither sockets nor threads: `gateway` has those, and the simulation runs this desk on
a clock of its own. What is read from memory (`contact`, `has_news`, `wakes`, `learn`) is called from one thread.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from optimizer.execute.agents import inventory, orders
from optimizer.execute.agents.inventory import Blind
from optimizer.execute.agents.news import News
from optimizer.execute.agents.orders import Refused
from optimizer.execute.agents.wire import BODIES, CLAIM, ENQUEUE, FINISH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from optimizer.execute.agents.news import Host
    from optimizer.execute.agents.store import Store, Transaction

    Asked = dict[str, Any]
    Contact = tuple[str, str, str, str, float]

__all__ = ["Denied", "Desk", "host_of"]


class Denied(Exception):
    """A request is answered with an error."""

    def __init__(self, status: HTTPStatus, text: str, *, temporary: bool = False) -> None:
        super().__init__(text)
        self.status, self.temporary = status, temporary


class Desk:
    """Answers what `wire.BODIES` names.

    Parameters
    ----------
    stopped
        Says why no order of a fleet may be handed out; empty where one may. It is called within the transaction.
    seconds
        A clock that never runs backwards.
    lease_s
        How long a claim lasts that is not renewed.
    """

    def __init__(
        self, store: Store, stopped: Callable[[str], str], seconds: Callable[[], float], *, lease_s: float = 60.0
    ) -> None:
        self._store, self._stopped, self._seconds, self._lease_s = store, stopped, seconds, lease_s
        self._news = News()
        self._contacts: dict[Host, tuple[str, str, float]] = {}
        self._answers: dict[str, Callable[[Transaction, Asked], dict[str, Any]]] = {
            ENQUEUE: lambda db, a: {"order": orders.enqueue(db, store, a["fleet"], a)},
            "/v1/orders/find": lambda db, a: {
                "order": orders.find(db, store, a["fleet"], a["token"], a.get("epoch", 0))
            },
            "/v1/orders/abort": self._abort,
            "/v1/read/vm": lambda db, a: {"vm": inventory.read_vm(db, store, a["fleet"], a["vm"], a["current_s"])},
            "/v1/read/host": lambda db, a: {
                "host": inventory.read_host(db, store, a["fleet"], a["host"], a["current_s"])
            },
            "/v1/read/migrating": lambda db, a: {"vms": inventory.migrating(db, a["fleet"])},
            "/v1/read/fleet": lambda db, a: {"hosts": inventory.summary(db, store, a["fleet"], a["current_s"])},
            CLAIM: self._claim,
            "/v1/agent/report": self._report,
            FINISH: self._finish,
        }
        assert self._answers.keys() == BODIES.keys()

    def answer(self, db: Transaction, path: str, asked: Asked) -> dict[str, Any]:
        """Answer at once; a claim with what there is now.

        Raises
        ------
        Denied
            It is not done, and nothing of it is kept.
        """
        try:
            return self._answers[path](db, asked)
        except Refused as error:
            raise Denied(HTTPStatus.CONFLICT, str(error), temporary=error.temporary) from error
        except Blind as error:
            raise Denied(HTTPStatus.FAILED_DEPENDENCY, str(error), temporary=True) from error

    def contact(self, asked: Asked, asked_s: float) -> None:
        """Note that the agent of a claim, which came at `asked_s`, is in contact; `look` writes it down."""
        self._contacts[host_of(asked)] = asked["agent"], asked["digest"], asked_s - asked["ago_s"]

    def has_news(self, asked: Asked) -> bool:
        """Whether a claim is to be answered now."""
        return self._news.is_for(host_of(asked), asked["agent"], frozenset(asked["have"]))

    def nothing(self, *, look: bool = False) -> dict[str, Any]:
        """Return the answer to a claim for which there was nothing; `look`: its agent is to look at its host."""
        return {"orders": [], "abort": [], "look": look, "lease_s": self._lease_s}

    def wakes(self, path: str, asked: Asked, said: dict[str, Any]) -> tuple[Host, str] | None:
        """Return who is to be woken by what was done, and why."""
        if path == ENQUEUE and said["order"]["state"] == "waiting":
            source = asked["fleet"], said["order"]["source"]
            self._news.note(source, said["order"]["token"])
            return source, "order"
        return ((asked["fleet"], said["target"]), "look") if path == FINISH else None

    def contacts(self) -> list[Contact]:
        """Return who was in contact since this was asked last: fleet, host, agent, digest, when it looked."""
        seen, self._contacts = self._contacts, {}
        return [(*host, *contact) for host, contact in seen.items()]

    def look(self, contacts: Iterable[Contact], db: Transaction) -> list[tuple[str, str, str, str, str, int]]:
        """Write down who is in contact, and return what is open, for `learn`."""
        now = self._seconds()
        inventory.contact(
            db, self._store, ((f, host, agent, digest, now - at) for f, host, agent, digest, at in contacts)
        )
        return orders.open_orders(db)

    def learn(self, rows: Iterable[tuple[str, str, str, str, str, int]]) -> tuple[Host, ...]:
        """Take in what is open; returns the hosts whose agents are to be woken."""
        return self._news.learn(rows)

    def _abort(self, db: Transaction, asked: Asked) -> dict[str, Any]:
        if why := orders.abort(db, self._store, asked["fleet"], asked["token"]):
            raise Denied(HTTPStatus.CONFLICT, why)
        return {"asked": True}

    def _claim(self, db: Transaction, asked: Asked) -> dict[str, Any]:
        who = asked["fleet"], asked["host"], asked["agent"], frozenset(asked["have"])
        stopped = bool(self._stopped(asked["fleet"]))
        found = orders.claim(db, self._store, *who, lease_s=self._lease_s, stopped=stopped)
        return {**self.nothing(), **found}

    def _report(self, db: Transaction, asked: Asked) -> dict[str, Any]:
        who = asked["fleet"], asked["host"], asked["agent"]
        seen = asked.get("inventory")
        _, look = (0.0, 0) if seen is None else inventory.put(db, self._store, *who, seen)
        return {"orders": orders.report(db, self._store, *who, asked["progress"], self._lease_s), "look": look}

    def _finish(self, db: Transaction, asked: Asked) -> dict[str, Any]:
        """Let an order end, not later than the look that came with it: that is one of after the end."""
        who = asked["fleet"], asked["host"], asked["agent"]
        seen = asked.get("inventory")
        ended_s = self._store.now(db) if seen is None else inventory.put(db, self._store, *who, seen)[0]
        target = orders.finish(db, *who, asked, ended_s)
        return {"order": "ended" if target else "ended before, or not yours", "target": target}


def host_of(asked: Asked) -> Host:
    """Return the host whose agent asks."""
    return asked["fleet"], asked["host"]
