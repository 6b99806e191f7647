"""`/api/`: new VMs find hosts by HTTP, for a scheduler that shows the token of section `serve` in each request."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from optimizer.errors import InputError, RemoraError
from optimizer.service.placing import MOST_HELD_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from optimizer.execute.ledger.reservations import Reservation
    from optimizer.service.page.sessions import Sessions
    from optimizer.service.placing import Placer

    Shown = Callable[[Request], Awaitable[JSONResponse]]

__all__ = ["LARGEST", "Api"]

LARGEST = 4_000_000
"""Bytes of a request, at most."""

HELD_S, RANKED = 300, 5

THREADS, WAITING = 4, 64
"""Requests that are worked on at once, and in all that may be open: others are told to come again."""


class _Refused(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


class Api:
    """Answers programs: a bearer token in each request, and no cookie, so that no page elsewhere can ask."""

    def __init__(self, placer: Placer, sessions: Sessions) -> None:
        self._placer, self._sessions = placer, sessions
        self._threads, self._open = ThreadPoolExecutor(THREADS, "api"), 0

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def routes(self) -> list[Route]:
        """Return its routes."""
        return [
            Route("/api/place", self._guarded(self._place), methods=["POST"]),
            Route("/api/reservations", self._guarded(self._kept), methods=["GET"]),
            Route("/api/reservations/{name}", self._guarded(self._release), methods=["DELETE"]),
        ]

    async def _place(self, request: Request) -> JSONResponse:
        if unknown := sorted(request.query_params.keys() - {"hold_s", "hosts"}):
            raise _Refused(400, f"{unknown[0]}: there are hold_s and hosts")
        hold_s, ranked = _number(request, "hold_s", HELD_S, MOST_HELD_S), _number(request, "hosts", RANKED, 1000)
        document, by = await _body(request), _by(request)
        answer = await self._aside(lambda: self._placer.place(document, hold_s, by, max(1, ranked)))
        kept = None if answer.reservation is None else _said(answer.reservation)
        return JSONResponse({"reservation": kept, **answer.facts}, 200 if answer.complete else 409)

    async def _kept(self, _: Request) -> JSONResponse:
        kept = await self._aside(self._placer.kept)
        return JSONResponse({"reservations": [_said(one) for one in kept]})

    async def _release(self, request: Request) -> JSONResponse:
        name, by = request.path_params["name"], _by(request)
        released = await self._aside(lambda: self._placer.release(name, by))
        return JSONResponse({"released": released}, 200 if released else 404)

    async def _aside(self, work: Callable[[], Any]) -> Any:
        """Let a thread do it that has nothing else to do: the button waits behind no request for room."""
        if self._open >= WAITING:
            raise _Refused(503, f"{WAITING} requests are open already: try again")
        self._open += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._open -= 1

    def _guarded(self, shown: Shown) -> Shown:
        async def answer(request: Request) -> JSONResponse:
            kind, _, token = request.headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not self._sessions.shows(token.strip()):
                return _error(401, "Authorization: Bearer and the token of section serve")
            try:
                return await shown(request)
            except _Refused as refused:
                return _error(refused.status, refused.error)
            except InputError as error:
                return _error(400, str(error))
            except RemoraError as error:
                return _error(503, str(error))

        return answer


def _error(status: int, said: str) -> JSONResponse:
    return JSONResponse({"error": said}, status)


def _said(one: Reservation) -> dict[str, Any]:
    return {
        "id": one.id,
        "until": one.until.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "by": one.by,
        "placements": one.room["placements"],
    }


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
        raise _Refused(400, f"{name}: {text!r} is not a whole number from 0 to {most}")
    return int(text)


def _by(request: Request) -> str:
    return " ".join(request.headers.get("x-remora-by", "").split())[:100] or "api"


async def _body(request: Request) -> Any:
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        raise _Refused(411, "a request says its length")
    if int(length) > LARGEST:
        raise _Refused(413, f"more than {LARGEST} bytes")
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise _Refused(400, f"request: not JSON: {error}") from error
