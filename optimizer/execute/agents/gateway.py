"""The gateway: an ASGI application over the gateway's tables and the ledger's controls.

It decides nothing about plans. Orders come from executors, under an epoch; agents get those of their own host. While
the ledger says stop, none is handed out.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from optimizer.errors import InputError, SafetyStop
from optimizer.execute.agents import inventory, orders
from optimizer.execute.agents.orders import Refused
from optimizer.execute.agents.polls import Polls
from optimizer.execute.agents.wire import BODIES, parse

if TYPE_CHECKING:
    from random import Random

    from optimizer.execute.agents.store import Store, Transaction
    from optimizer.execute.agents.tokens import Tokens
    from optimizer.execute.ledger.database import Connection

__all__ = ["Denied", "Gateway"]

T = TypeVar("T")
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

BODY_S = 10.0
"""Within this a body has to have arrived."""

WATCH_S = 0.25
"""How often what is open is read: an order that another gateway has taken is seen after this."""

SPREAD = (0.5, 1.0)
"""A poll waits for this part of its time, by chance: agents that began at once do not come back at once."""

CONTACT_TICKS = 4
"""At every such look who is in contact is written down, in one go."""

HEALTH = "/health"


class Denied(Exception):
    """A request is answered with an error."""

    def __init__(self, status: HTTPStatus, text: str, *, temporary: bool = False) -> None:
        super().__init__(text)
        self.status, self.temporary = status, temporary


class Gateway:
    """The application.

    Parameters
    ----------
    stopped
        Says why no order of a fleet may be handed out; empty where one may. It is called in the store's threads.
    tokens
        None: anybody may ask for anything (on a loopback address only).
    lease_s
        How long a claim lasts that is not renewed.
    """

    def __init__(
        self,
        store: Store,
        stopped: Callable[[str], str],
        tokens: Tokens | None,
        rng: Random,
        *,
        lease_s: float = 60.0,
    ) -> None:
        self.polls = Polls()
        self._store, self._stopped, self._tokens, self._lease_s = store, stopped, tokens, lease_s
        self._rng = rng
        self._threads = ThreadPoolExecutor(store.connections, thread_name_prefix="remora-store")
        self._contacts: dict[tuple[str, str], tuple[str, str, float]] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._answers: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "/v1/orders/enqueue": self._enqueue,
            "/v1/orders/find": lambda a: self._read("order", lambda db: orders.find(db, store, a["fleet"], a["token"])),
            "/v1/orders/abort": self._abort,
            "/v1/read/vm": lambda a: self._read(
                "vm", lambda db: inventory.read_vm(db, store, a["fleet"], a["vm"], a["current_s"])
            ),
            "/v1/read/host": lambda a: self._read(
                "host", lambda db: inventory.read_host(db, store, a["fleet"], a["host"], a["current_s"])
            ),
            "/v1/read/migrating": lambda a: self._read("vms", lambda db: inventory.migrating(db, a["fleet"])),
            "/v1/read/fleet": lambda a: self._read(
                "hosts", lambda db: inventory.summary(db, store, a["fleet"], a["current_s"])
            ),
            "/v1/agent/claim": self._claim,
            "/v1/agent/report": self._report,
            "/v1/agent/finish": self._finish,
        }
        assert self._answers.keys() == BODIES.keys()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or start and stop with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            status, said = HTTPStatus.OK, await self._answer(scope, receive)
        except Denied as error:
            status, said = error.status, {"error": str(error), "temporary": error.temporary}
        except SafetyStop as error:
            status, said = HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error), "temporary": True}
        body = json.dumps(said).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        path = str(scope["path"])
        if path == HEALTH:
            if self._watcher is not None and self._watcher.done():
                raise Denied(HTTPStatus.INTERNAL_SERVER_ERROR, "what is open is not read any more: start it anew")
            await self._in_store(lambda db: db.execute("SELECT 1").fetchone())
            return {"status": "ok", "polls": self.polls.number}
        if path not in BODIES:
            raise Denied(HTTPStatus.NOT_FOUND, f"no {path}: one of {', '.join((HEALTH, *BODIES))}")
        if scope["method"] != "POST":
            raise Denied(HTTPStatus.METHOD_NOT_ALLOWED, "POST")
        headers = {name.lower(): value for name, value in scope["headers"]}
        token = _bearer(headers.get(b"authorization", b""))
        if self._tokens is not None and not self._tokens.is_known(token):
            raise Denied(HTTPStatus.UNAUTHORIZED, "a token that the gateway does not know, or none")
        body = await _body(receive, headers.get(b"content-length"), BODIES[path][1])
        try:
            asked = parse(path, body)
        except InputError as error:
            raise Denied(HTTPStatus.BAD_REQUEST, str(error)) from error
        self._authorize(path, token, asked)
        return await self._answers[path](asked)

    def _authorize(self, path: str, token: str, asked: dict[str, Any]) -> None:
        if self._tokens is None:
            return
        if path.startswith("/v1/agent/"):
            if not self._tokens.is_agent(token, asked["host"]):
                raise Denied(HTTPStatus.FORBIDDEN, f"this token is not that of an agent of {asked['host']}")
        elif not self._tokens.is_executor(token):
            raise Denied(HTTPStatus.FORBIDDEN, "this token is not that of an executor")

    async def _enqueue(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            order = await self._in_store(lambda db: orders.enqueue(db, self._store, asked["fleet"], asked))
        except Refused as error:
            raise Denied(HTTPStatus.CONFLICT, str(error), temporary=error.temporary) from error
        if order["state"] == "waiting":
            self.polls.note((asked["fleet"], order["source"]), order["token"])
        return {"order": order}

    async def _abort(self, asked: dict[str, Any]) -> dict[str, Any]:
        why = await self._in_store(lambda db: orders.abort(db, self._store, asked["fleet"], asked["token"]))
        if why:
            raise Denied(HTTPStatus.CONFLICT, why)
        return {"asked": True}

    async def _claim(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Wait until there is something for this agent, and hand it out."""
        fleet, host, agent, have = asked["fleet"], asked["host"], asked["agent"], frozenset(asked["have"])
        if self.polls.is_full((fleet, host)):
            raise Denied(HTTPStatus.TOO_MANY_REQUESTS, f"{host} has polls that wait already", temporary=True)
        until = (began := time.monotonic()) + asked["wait_s"] * self._rng.uniform(*SPREAD)
        while True:
            self._contacts[fleet, host] = agent, asked["digest"], began - asked["ago_s"]
            if self.polls.has_news((fleet, host), agent, have):
                found = await self._in_store(partial(self._hand_out, fleet, host, agent, have))
                if found["orders"] or found["abort"]:
                    return {**found, "look": False, "lease_s": self._lease_s}
            why = await self.polls.wait((fleet, host), until - time.monotonic())
            if why in ("", "look", "closing"):
                return {"orders": [], "abort": [], "look": why == "look", "lease_s": self._lease_s}

    def _hand_out(self, fleet: str, host: str, agent: str, have: frozenset[str], db: Connection) -> dict[str, Any]:
        stopped = bool(self._stopped(fleet))
        return orders.claim(db, self._store, fleet, host, agent, have, lease_s=self._lease_s, stopped=stopped)

    async def _report(self, asked: dict[str, Any]) -> dict[str, Any]:
        fleet, host, agent, seen = asked["fleet"], asked["host"], asked["agent"], asked.get("inventory")

        def take(db: Transaction) -> dict[str, str]:
            if seen is not None:
                inventory.put(db, self._store, fleet, host, agent, seen)
            return orders.report(db, self._store, fleet, host, agent, asked["progress"], self._lease_s)

        return {"orders": await self._in_store(take)}

    async def _finish(self, asked: dict[str, Any]) -> dict[str, Any]:
        fleet, host, agent, seen = asked["fleet"], asked["host"], asked["agent"], asked.get("inventory")

        def take(db: Transaction) -> str:
            target = orders.finish(db, self._store, fleet, host, agent, asked)
            if seen is not None:
                inventory.put(db, self._store, fleet, host, agent, seen)
            return target

        target = await self._in_store(take)
        self.polls.wake((fleet, target), "look")
        return {"order": "ended" if target else "ended before, or not yours"}

    async def _read(self, name: str, ask: Callable[[Transaction], Any]) -> dict[str, Any]:
        try:
            return {name: await self._in_store(ask)}
        except inventory.Blind as error:
            raise Denied(HTTPStatus.FAILED_DEPENDENCY, str(error), temporary=True) from error

    async def _in_store(self, work: Callable[[Transaction], T]) -> T:
        """Do something in one transaction, in one of as many threads as there are connections."""

        def run() -> T:
            with self._store.transaction() as db:
                return work(db)

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and stop with the server."""
        await receive()
        await self._in_store(lambda db: orders.prune(db, self._store))
        self._watcher = asyncio.create_task(self._watch())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.polls.close()
        self._watcher.cancel()
        with suppress(asyncio.CancelledError):
            await self._watcher
        self._threads.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def _watch(self) -> None:
        """Read what is open, and write down who is in contact, a few times a second."""
        for tick in itertools.count():
            seen: dict[tuple[str, str], tuple[str, str, float]] = {}
            if tick % CONTACT_TICKS == 0:
                seen, self._contacts = self._contacts, seen
            with suppress(SafetyStop):  # the database is down: polls wait on
                self.polls.learn(await self._in_store(partial(self._look, seen)))
            await asyncio.sleep(WATCH_S)

    def _look(
        self, seen: dict[tuple[str, str], tuple[str, str, float]], db: Transaction
    ) -> list[tuple[str, str, str, str, str, int]]:
        now = time.monotonic()
        contacts = ((*host, agent, digest, now - at) for host, (agent, digest, at) in seen.items())
        inventory.contact(db, self._store, contacts)
        return orders.open_orders(db)


def _bearer(header: bytes) -> str:
    kind, _, token = header.decode("latin-1").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


async def _body(receive: Receive, length: bytes | None, most: int) -> bytes:
    """Read a body that is not too large and does not take too long."""
    too_large = Denied(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {most} bytes")
    if length is not None and (not length.isdigit() or int(length) > most):
        raise too_large
    pieces, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Denied(HTTPStatus.BAD_REQUEST, "the connection ended within the body")
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > most:
                    raise too_large
                if not message.get("more_body"):
                    return b"".join(pieces)
    except TimeoutError:
        raise Denied(HTTPStatus.REQUEST_TIMEOUT, f"a body that takes longer than {BODY_S:.0f} s") from None
