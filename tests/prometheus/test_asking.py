"""The adapter: a whole and clear answer within the deadline, or the reason why there is none."""

from __future__ import annotations

import gzip
import json
import random
import re
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.execution import Prometheus
from optimizer.prometheus.answers import Matrix, Unclear, Vector, matrix, vector
from optimizer.prometheus.asking import _no_connection, ask_all, ask_instant, ask_range
from optimizer.prometheus.server import Server, open_server
from tests.prometheus.fake_server import serving, success
from tests.prometheus.fake_server import vector as samples
from tests.replies import answering

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

CLOCK = SystemClock()
START = datetime(2026, 11, 21, 12, tzinfo=UTC)


def waited(asking: Any) -> Any:
    while (found := asking.poll()) is None:
        time.sleep(0.005)
    return found


def instant(body: bytes, deadline_s: float = 5.0, **more: Any) -> Vector | Unclear:
    with serving(answering(body)) as (url, _):
        found: Vector | Unclear = waited(ask_instant(Server(url), CLOCK, "up", deadline_s, **more))
    return found


def test_a_vector_comes_with_labels_times_and_numbers() -> None:
    found = instant(success(samples("1.5", "NaN", "+Inf", at=100.0)))
    assert isinstance(found, Vector)
    assert [labels["job"] for labels in found.labels] == ["j0", "j1", "j2"]
    assert found.times.tolist() == [100.0] * 3
    assert found.values[0] == 1.5 and np.isnan(found.values[1]) and np.isinf(found.values[2])


def test_the_time_that_is_asked_for_is_sent() -> None:
    with serving(answering(success(samples("1")))) as (url, seen):
        waited(ask_instant(Server(url), CLOCK, "up", 5.0, at=START))
    assert f"time={START.timestamp():.3f}" in seen[0][0] and "partial_response=false" in seen[0][0]


def test_a_matrix_is_laid_on_a_grid_with_gaps() -> None:
    at = START.timestamp()
    body = success(
        [
            {"metric": {"vm": "a"}, "values": [[at, "1"], [at + 60, "2"], [at + 180, "4"]]},
            {"metric": {"vm": "b"}, "values": [[at + 60, "NaN"]]},
        ],
        "matrix",
    )
    with serving(answering(body)) as (url, seen):
        end = datetime.fromtimestamp(at + 180, UTC)
        found = waited(ask_range(Server(url), CLOCK, "up", 5.0, START, end, 60))
    assert isinstance(found, Matrix)
    np.testing.assert_array_equal(found.on_grid(at, 60, 4), [[1, np.nan], [2, np.nan], [np.nan, np.nan], [4, np.nan]])
    assert "/query_range?" in seen[0][0] and "step=60" in seen[0][0]


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ([{"metric": {}, "value": [1]}], "vector"),
        ([{"metric": {}, "value": [1, 2]}], "vector"),
        ([{"metric": {}, "value": ["1", "2"]}], "vector"),
        ([{"metric": {"a": 1}, "value": [1, "2"]}], "vector"),
        ([{"metric": [], "value": [1, "2"]}], "vector"),
        ([{"value": [1, "2"]}], "vector"),
        ([{"metric": {}, "histogram": [1, {}]}], "vector"),
        ([{"metric": {}, "value": [1, "two"]}], "vector"),
        ("text", "vector"),
        (7, "vector"),
        (None, "vector"),
        ([1], "vector"),
        ([1, 2], "scalar"),
        (None, "scalar"),
        ([1, "text"], "string"),
        ([], "streams"),
        ([], ""),
    ],
)  # fmt: skip
def test_what_is_no_vector_is_unclear(result: Any, kind: str) -> None:
    for read in (vector, matrix):
        with pytest.raises(Unclear):
            read(kind, result)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_answer_is_unclear_or_still_whole(seed: int) -> None:
    """One place of a right answer is changed: what comes back has as many numbers as series, or none."""
    rng = random.Random(seed)
    right = json.loads(success(samples("1", "2", "3", at=100.0)))

    def damage(value: Any) -> Any:
        if isinstance(value, dict) and value and rng.random() < 0.8:
            key = rng.choice(list(value))
            return {**value, key: damage(value[key])}
        if isinstance(value, list) and value and rng.random() < 0.8:
            at = rng.randrange(len(value))
            return [*value[:at], damage(value[at]), *value[at + 1 :]]
        return rng.choice([None, 7, "x", [], {}, [None], {"metric": {}}, True, "NaN", -1.5])

    found = instant(json.dumps(damage(right)).encode())
    if isinstance(found, Vector):
        assert len(found.labels) == len(found.values) == len(found.times)
    else:
        assert isinstance(found, Unclear) and str(found)


def test_notes_on_a_query_are_no_missing_part() -> None:
    note = "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket"
    assert isinstance(instant(success(samples("1"), warnings=[note])), Vector)
    assert "a store is away" in str(instant(success(samples("1"), warnings=[note, "a store is away"])))


def test_what_unpacks_to_more_than_the_limit_is_left() -> None:
    def bomb(handler: BaseHTTPRequestHandler) -> None:
        body = gzip.compress(b" " * 50_000_000)
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with serving(bomb) as (url, _):
        found = waited(ask_instant(Server(url), CLOCK, "up", 5.0, largest=1_000_000))
    assert "more than 1000000 bytes" in str(found)


def test_all_queries_have_one_deadline_and_few_are_under_way() -> None:
    now, most = 0, 0

    def slow(handler: BaseHTTPRequestHandler) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if "hang" in handler.path:
            time.sleep(2)
        else:
            time.sleep(0.02)
        now -= 1
        answering(success(samples("1")))(handler)

    with serving(slow) as (url, _):
        asks = [partial(ask_instant, Server(url), CLOCK, f"q{i}") for i in range(6)]
        found = ask_all(asks, CLOCK, 5.0, at_once=2)
        assert all(isinstance(one, Vector) for one in found) and most <= 2
        began = time.monotonic()
        found = ask_all([partial(ask_instant, Server(url), CLOCK, q) for q in ("hang", "ok", "hang")], CLOCK, 0.5, 2)
        assert time.monotonic() - began < 1.5
    assert [isinstance(one, Vector) for one in found] == [False, True, False]
    assert re.search(r"within 0\.(5|49\d) s", str(found[0]))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "signals.prometheus.url"),
        ({"url": "http://p", "ca_file": "none.pem"}, "signals.prometheus.ca_file: 'none.pem'"),
        ({"url": "http://p", "client_cert_file": "none.pem"}, "signals.prometheus.client_cert_file"),
        ({"url": "http://p", "password_env": "P", "username": "u"}, "signals.prometheus.password_env: 'P'"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_asked(fields: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        open_server("remora.yaml", "signals.prometheus", Prometheus(**fields), {})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9", "no connection: .*refused"),
        ("https://127.0.0.1:9", "no connection: .*refused"),
        ("http://no.such.host.invalid:9090", "no connection: Failed to resolve its name"),
        ("http://no.such.host.invalid:x", "no connection: its address cannot be read"),
    ],
)
def test_where_nobody_is_the_reason_is_said_and_no_address(url: str, said: str) -> None:
    found = waited(ask_instant(Server(url), CLOCK, "up", 5.0))
    assert re.match(said, str(found))
    assert not re.search(r"127\.0|no\.such|:9|query", str(found))


def test_neither_a_certificate_nor_a_proxy_gives_the_address_away() -> None:
    wrong = ConnectionError("hostname 'other.internal' is not valid for 'prom.internal'")
    assert _no_connection(OSError(wrong)).endswith("is not valid for its name")
    proxy = ("Unable to connect to proxy", OSError("HTTPSConnection(host='proxy.internal', port=3128): refused"))
    assert _no_connection(OSError(ConnectionError(*proxy))) == "no connection: refused"


@pytest.mark.parametrize("status", [200, 403, 500])
@pytest.mark.parametrize("fields", [{"token_env": "T"}, {"username": "ann", "password_env": "T"}])
def test_no_message_has_the_secret(status: int, fields: dict[str, str]) -> None:
    """A server that sends back what it was sent."""

    def echo(handler: BaseHTTPRequestHandler) -> None:
        answering(json.dumps({"status": "error", "error": handler.headers["Authorization"]}).encode(), status)(handler)

    with serving(echo) as (url, _):
        asked = Prometheus(url=url, **fields)
        server = open_server("remora.yaml", "signals.prometheus", asked, {"T": "s3cret"})
        found = waited(ask_instant(server, CLOCK, "up", 5.0))
    said = f"{found} {server!r}"
    assert isinstance(found, Unclear) and "s3cret" not in said and "YW5uOnMzY3JldA==" not in said
