"""How requests are sent: read whole before their deadline or not at all, never redirected, nothing partial.

It stands in for the session of `requests` that prometheus-api-client sends with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import requests

from optimizer.prometheus.answers import Unclear

if TYPE_CHECKING:
    from optimizer.clock import Clock
    from optimizer.prometheus.server import Server

__all__ = ["Session"]

CHUNK = 65536
SHORTEST_S = 0.1
SHOWN = 200

INFO = "PromQL info:"
"""How annotations of a query begin, which servers before Prometheus 3 send among the warnings: no part is missing."""


class Session:
    """One request, which is to end before `until` on a clock, and whose answer has at most `largest` bytes."""

    def __init__(self, server: Server, clock: Clock, until: float, largest: int) -> None:
        self._clock, self._until, self._largest = clock, until, largest
        self._session = requests.Session()
        self._session.verify = server.ca_file or True
        self._session.cert = server.client_cert
        self.verify, self.cert, self.mount = self._session.verify, self._session.cert, self._session.mount
        self.close = self._session.close
        self.kind = ""

    def request(self, method: Any, url: Any, **more: Any) -> Any:
        """Send a request; what comes back is read to its end, and has nothing that is to be warned of."""
        left = max(SHORTEST_S, self._until - self._clock.monotonic())
        answer: Any = self._session.request(
            method, url, **more | {"stream": True, "allow_redirects": False, "timeout": left}
        )
        text = self._whole(answer)
        if answer.status_code != 200:
            raise Unclear(f"HTTP status code {answer.status_code}: {_said(text)}")
        document = _success(text)
        self.kind = str(document["data"].get("resultType", ""))
        answer.json = lambda **_: document
        return answer

    def _whole(self, answer: Any) -> bytes:
        pieces, size = [], 0
        for piece in answer.iter_content(CHUNK):
            pieces.append(piece)
            size += len(piece)
            if size > self._largest:
                raise Unclear(f"an answer of more than {self._largest} bytes")
            if self._clock.monotonic() >= self._until:
                raise Unclear("the answer took too long")
        return b"".join(pieces)


def _said(text: bytes) -> str:
    """Return what an error of Prometheus says of itself, else the start of its text."""
    try:
        document = orjson.loads(text)
        return str(document["error"])[:SHOWN]
    except (ValueError, KeyError, TypeError):
        return repr(text[:SHOWN])[1:]


def _success(text: bytes) -> Any:
    """Return the document of a success; raise where the server itself says that its answer is not the whole."""
    try:
        document = orjson.loads(text)
    except ValueError as error:
        raise Unclear(f"an answer that is no JSON: {text[:80]!r}") from error
    if not isinstance(document, dict) or document.get("status") != "success":
        raise Unclear("an answer that is not a success of Prometheus")
    if not isinstance(document.get("data"), dict) or "result" not in document["data"]:
        raise Unclear("an answer without a result")
    warned = document.get("warnings") or []
    warned = [one for one in warned if not str(one).startswith(INFO)] if isinstance(warned, list) else [warned]
    if warned:
        raise Unclear(f"warnings: {orjson.dumps(warned).decode()}")
    if document.get("isPartial"):  # VictoriaMetrics, of a cluster of which a part is away
        raise Unclear("a partial answer")
    return document
