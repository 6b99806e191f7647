"""A query of Prometheus against a threshold: anything but a clear answer within the deadline holds back.

Open is only: status 200, no warnings, nothing partial, at least one value, all of them finite, fresh, and within the
threshold. The deadline is over the whole answer, however slowly it comes. Secrets come from a variable or a file, are
sent to the address of the policy alone (redirects are not followed), and never stand in a message.
"""

from __future__ import annotations

import json
import math
import threading
from contextlib import closing, suppress
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from optimizer.errors import printable
from optimizer.execute.guards.pending import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optimizer.clock import Clock
    from optimizer.execution import Gate

__all__ = ["Query", "Secret", "judge"]

LARGEST = 4 * 2**20
"""Bytes of an answer that are read: a gate wants a few numbers."""

STALE_S = 300.0
"""How far the time of a value may be from now: as far as Prometheus itself looks back."""

VALUES_SHOWN = 3


class Unclear(Exception):
    """The answer is none that a run may go on by."""


class Secret:
    """What a query is sent with: a bearer token, or a name and a password; it never prints itself."""

    def __init__(self, value: str = "", username: str = "") -> None:
        self._value, self._username = value, username

    def __call__(self, request: Any) -> Any:
        """Put it on a request; called by `requests`."""
        if self._username:
            return requests.auth.HTTPBasicAuth(self._username.encode(), self._value.encode())(request)
        if self._value:
            request.headers["Authorization"] = f"Bearer {self._value}"
        return request

    def scrubbed(self, text: str) -> str:
        """Return a text without the secret."""
        return text.replace(self._value, "***") if self._value else text


class _Session:
    """What the client sends requests with: reads an answer whole before its deadline, or not at all."""

    def __init__(self, clock: Clock, until: float) -> None:
        self._clock, self._until = clock, until
        self._session = requests.Session()
        self.verify, self.cert, self.mount = self._session.verify, self._session.cert, self._session.mount
        self.close = self._session.close

    def request(self, method: Any, url: Any, **more: Any) -> Any:
        """Send a request; what comes back is read to its end, and has nothing that is to be warned of."""
        more |= {"stream": True, "allow_redirects": False, "timeout": max(0.1, self._until - self._clock.monotonic())}
        answer: Any = self._session.request(method, url, **more)
        text = b""
        for piece in answer.iter_content(65536):
            text += piece
            if len(text) > LARGEST:
                raise Unclear(f"an answer of more than {LARGEST} bytes")
            if self._clock.monotonic() >= self._until:
                raise Unclear("the answer took too long")
        answer._content, answer._content_consumed = text, True
        if answer.status_code == 200:
            _refuse_partial(_json(text))
        return answer


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unclear(f"an answer that is no JSON: {text[:80]!r}") from error


def _refuse_partial(document: Any) -> None:
    """Raise where the server itself says that its answer is not the whole."""
    if not isinstance(document, dict) or document.get("status") != "success":
        raise Unclear("an answer that is not a success of Prometheus")
    warned = document.get("warnings")
    if warned:
        raise Unclear(f"warnings: {json.dumps(warned)}")
    if document.get("isPartial"):  # VictoriaMetrics, of a cluster of which a part is away
        raise Unclear("a partial answer")


class Query:
    """A query that runs in a thread of its own that does not keep the process alive."""

    def __init__(self, gate: Gate, url: str, secret: Secret, clock: Clock) -> None:
        self._gate, self._url, self._secret, self._clock = gate, url, secret, clock
        self._until = clock.monotonic() + gate.deadline_s
        self._said: SimpleQueue[Answer] = SimpleQueue()
        threading.Thread(target=self._run, name=f"gate {gate.name}", daemon=True).start()

    def poll(self) -> Answer | None:
        """Return the answer once it is there, or its deadline has passed."""
        with suppress(Empty):
            return self._said.get_nowait()
        if self._clock.monotonic() < self._until:
            return None
        return Answer(False, f"Prometheus gave no answer within {self._gate.deadline_s:g} s")

    def give_up(self) -> None:
        """Listen no more; the thread ends by itself at its deadline."""

    def _run(self) -> None:
        try:
            session: Any = _Session(self._clock, self._until)
            with closing(session):
                source = PrometheusConnect(self._url, auth=self._secret, session=session, retry=Retry(0))
                asked = {"partial_response": "false"}  # Thanos: an error instead of a part
                found = source.custom_query(self._gate.query, params=asked, timeout=self._gate.deadline_s)
            answer = judge(found, self._gate, self._clock.now())
        except (Unclear, PrometheusApiClientException, requests.RequestException) as error:
            answer = Answer(False, str(error))
        except Exception as error:  # whatever an answer is that nobody thought of, it opens nothing
            answer = Answer(False, f"{type(error).__name__}: {error}")
        text = printable(self._secret.scrubbed(answer.text))
        self._said.put(Answer(answer.good, text if len(text) <= 300 else text[:299] + "…"))


def judge(found: Any, gate: Gate, now: datetime) -> Answer:
    """Hold what a query returned (a vector, or one scalar) against the thresholds of its gate."""
    samples = [({}, found)] if _is_sample(found) else [(s.get("metric", {}), s["value"]) for s in found]
    if not samples:
        return Answer(False, "the query returned nothing")
    shown, bad = [], []
    for labels, (at, value) in samples:
        what = _named(labels, value)
        if abs(now.timestamp() - float(at)) > STALE_S:
            return Answer(False, f"{what} is of {datetime.fromtimestamp(float(at), now.tzinfo).isoformat()}")
        number = float(value)
        if not math.isfinite(number):
            return Answer(False, f"{what} is no number")
        shown.append(what)
        if wrong := _outside(number, gate):
            bad.append(f"{what} is {wrong}")
    told = bad or shown
    more = f" and {len(told) - VALUES_SHOWN} more" if len(told) > VALUES_SHOWN else ""
    return Answer(not bad, ", ".join(told[:VALUES_SHOWN]) + more)


def _is_sample(found: Any) -> bool:
    return isinstance(found, list) and len(found) == 2 and isinstance(found[0], int | float)


def _named(labels: Mapping[str, str], value: Any) -> str:
    names = ", ".join(f"{name}={text}" for name, text in sorted(labels.items()) if name != "__name__")
    return f"{value}{f' ({names})' if names else ''}"


def _outside(number: float, gate: Gate) -> str:
    checks: list[tuple[float | None, Callable[[float], bool], str]] = [
        (gate.at_most, lambda most: number > most, "over"),
        (gate.at_least, lambda least: number < least, "under"),
    ]
    return next((f"{word} {limit:g}" for limit, fails, word in checks if limit is not None and fails(limit)), "")
