"""The gateway: an ASGI application over the gateway's tables and the ledger's controls.

It decides nothing about plans. Orders come from executors, under an epoch; agents get those of their own host. While
the ledger says stop, none is handed out. What is answered, `desk` decides; here are sockets, threads and waiting.
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
from optimizer.execute.agents import orders
from optimizer.execute.agents.desk import Denied, Desk, host_of
from optimizer.execute.agents.polls import Polls
from optimizer.execute.agents.wire import BODIES, CLAIM, parse

if TYPE_CHECKING:
    from random import Random

    from optimizer.execute.agents.store import Store, Transaction
    from optimizer.execute.agents.tokens import Tokens

__all__ = ["Gateway"]

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
ONE_RELEASE = "Executors, gateway and agents have to be of one release"


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
        self._store, self._tokens, self._rng = store, tokens, rng
        self._desk = Desk(store, stopped, time.monotonic, lease_s=lease_s)
        self._threads = ThreadPoolExecutor(store.connections, thread_name_prefix="remora-store")
        self._watcher: asyncio.Task[None] | None = None

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
            raise Denied(HTTPStatus.NOT_FOUND, f"no {path}: one of {', '.join((HEALTH, *BODIES))}. {ONE_RELEASE}")
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
            raise Denied(HTTPStatus.BAD_REQUEST, f"{error}. {ONE_RELEASE}") from error
        self._authorize(path, token, asked)
        return await (self._claim(asked) if path == CLAIM else self._do(path, asked))

    def _authorize(self, path: str, token: str, asked: dict[str, Any]) -> None:
        if self._tokens is None:
            return
        if path.startswith("/v1/agent/"):
            if not self._tokens.is_agent(token, asked["host"]):
                raise Denied(HTTPStatus.FORBIDDEN, f"this token is not that of an agent of {asked['host']}")
        elif not self._tokens.is_executor(token):
            raise Denied(HTTPStatus.FORBIDDEN, "this token is not that of an executor")

    async def _do(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer, and wake who waits for that."""
        said = await self._in_store(lambda db: self._desk.answer(db, path, asked))
        if (woken := self._desk.wakes(path, asked, said)) is not None:
            self.polls.wake(*woken)
        return said

    async def _claim(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Wait until there is something for this agent, and hand it out."""
        host = host_of(asked)
        if self.polls.is_full(host):
            text = f"{asked['host']} has polls that wait already"
            raise Denied(HTTPStatus.TOO_MANY_REQUESTS, text, temporary=True)
        until = (began := time.monotonic()) + asked["wait_s"] * self._rng.uniform(*SPREAD)
        while True:
            self._desk.contact(asked, began)
            if self._desk.has_news(asked):
                found = await self._do(CLAIM, asked)
                if found["orders"] or found["abort"]:
                    return found
            why = await self.polls.wait(host, until - time.monotonic())
            if why in ("", "look", "closing"):
                return self._desk.nothing(look=why == "look")

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
            contacts = self._desk.contacts() if tick % CONTACT_TICKS == 0 else []
            with suppress(SafetyStop):  # the database is down: polls wait on
                for host in self._desk.learn(await self._in_store(partial(self._desk.look, contacts))):
                    self.polls.wake(host, "order")
            await asyncio.sleep(WATCH_S)


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
