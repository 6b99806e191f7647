"""Queries as gates: open only for a clear answer in time; everything else is closed, and no secret is told."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.execute.guards.guards import open_guards
from optimizer.execute.guards.pending import Answer, wait_for
from optimizer.execute.guards.prometheus import Query, judge
from optimizer.execution import Gate
from optimizer.prometheus.answers import vector as parsed
from optimizer.prometheus.server import Server
from tests import build
from tests.prometheus.fake_server import serving, success, vector
from tests.replies import answering, drips, hangs

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler

CLOCK = SystemClock()
GATE = Gate("errors", 5.0, query="sum(x)", at_most=5.0)


def asked(url: str, gate: Gate = GATE) -> Answer:
    (found,) = wait_for([Query(gate, Server(url), CLOCK)], CLOCK, lambda: None)
    return found


@pytest.mark.parametrize(
    ("body", "good", "text"),
    [
        (lambda: success(vector("5")), True, "5 (job=j0)"),
        (lambda: success(vector("5.01")), False, "5.01 (job=j0) is over 5"),
        (lambda: success(vector("1", "9")), False, "9 (job=j1) is over 5"),
        (lambda: success([time.time(), "3"], "scalar"), True, "3"),
        (lambda: success([time.time(), "7"], "scalar"), False, "7 is over 5"),
        (lambda: success(vector()), False, "returned nothing"),
        (lambda: success(vector("NaN")), False, "no number"),
        (lambda: success(vector("1", "NaN")), False, "no number"),
        (lambda: success(vector("-Inf")), False, "no number"),
        (lambda: success(vector("many")), False, "ValueError"),
        (lambda: success(vector("1"), warnings=["a store is away"]), False, "a store is away"),
        (lambda: success(vector("1"), isPartial=True), False, "partial"),
        (lambda: success(vector("1"), infos=["counter?"]), True, "1 (job=j0)"),
        (lambda: success(vector("1", at=time.time() - 4000)), False, "1 (job=j0) is of"),
        (lambda: success([{"metric": {}, "values": [[1, "1"]]}], "matrix"), False, "of type 'matrix'"),
        (lambda: success([time.time(), "text"], "string"), False, "of type 'string'"),
        (lambda: b'{"status": "error", "error": "no"}', False, "not a success"),
        (lambda: b'{"status": "success"}', False, "without a result"),
        (lambda: b"[1]", False, "not a success"),
        (lambda: b"<html>log in</html>", False, "JSON"),
        (lambda: b"", False, "JSON"),
        (lambda: b"\xff\xfe", False, ""),
    ],
    ids=lambda value: "body" if callable(value) else str(value),
)
def test_only_a_clear_answer_opens(body: Callable[[], bytes], good: bool, text: str) -> None:
    with serving(answering(body())) as (url, _):
        found = asked(url)
    assert found.good == good, found
    assert text in found.text


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 422, 500, 503])
def test_no_other_status_opens_and_nothing_is_followed(status: int) -> None:
    with serving(answering(success(vector("1")), status, Location="/elsewhere")) as (url, seen):
        found = asked(url)
    assert not found.good
    assert str(status) in found.text
    assert len(seen) == 1


def floods(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" " * 65536)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "text"), [(drips, "no answer within 1 s"), (hangs, "no answer within 1 s"), (floods, "more than 4194304")]
)
def test_the_deadline_is_over_the_whole_answer(reply: Any, text: str) -> None:
    gate = Gate("errors", 1.0, query="sum(x)", at_most=5.0)
    with serving(reply) as (url, _):
        began = time.monotonic()
        found = asked(url, gate)
        assert time.monotonic() - began < 2.5
    assert not found.good
    assert text in found.text or "took too long" in found.text or "timed out" in found.text


def test_what_cannot_be_reached_is_closed() -> None:
    assert not asked("http://127.0.0.1:9").good


def test_at_least_and_both() -> None:
    now = datetime.now(UTC)
    both = Gate("up", 5.0, query="up", at_least=1.0, at_most=2.0)
    for value, good in (("0.5", False), ("1", True), ("2", True), ("3", False)):
        assert judge(parsed("vector", vector(value)), both, now).good == good


@pytest.mark.parametrize("seed", range(30))
def test_random_vectors_are_judged_as_a_plain_comparison_does(seed: int) -> None:
    rng = random.Random(seed)
    words = [rng.choice(["NaN", "+Inf", f"{rng.uniform(-2, 8):.3f}", "5", "0"]) for _ in range(rng.randint(0, 4))]
    gate = Gate("g", 5.0, query="x", at_least=rng.choice([None, 0.0]), at_most=5.0)
    low = -1e9 if gate.at_least is None else gate.at_least
    want = bool(words) and all(w not in ("NaN", "+Inf") and low <= float(w) <= 5 for w in words)
    assert judge(parsed("vector", vector(*words)), gate, datetime.now(UTC)).good == want


def policy(**prometheus: Any):
    gates = {"ask": [{"name": "errors", "query": "sum(x)", "at_most": 5}]}
    return build.policy("capacity", execution={"gates": gates, "prometheus": prometheus})


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"token_env": "PROM"}, "Bearer s3cret"),
        ({"token_file": "secret"}, "Bearer s3cret"),
        ({"username": "ann", "password_env": "PROM"}, "Basic YW5uOnMzY3JldA=="),
        ({"username": "ann", "password_file": "secret"}, "Basic YW5uOnMzY3JldA=="),
        ({}, None),
    ],
)
def test_the_secret_is_sent_and_never_told(fields: dict[str, str], sent: str | None, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("s3cret\n")
    with serving(answering(b'{"s3cret": 1}', 403)) as (url, seen):
        guards = open_guards(policy(url=url + "/prom/", **fields), {"PROM": "s3cret"})
        assert guards.gates is not None
        closed = asked_by(guards)
    ((path, headers),) = seen
    assert path.startswith("/prom/api/v1/query?query=sum%28x%29")
    assert headers.get("Authorization") == sent
    assert "403" in closed[0]
    assert ("s3cret" in "".join(closed)) == (sent is None)  # the server tells it, and it is scrubbed


def asked_by(guards: Any) -> Any:
    from optimizer.execute.guards.reading import Standing

    fleet = build.fleet([build.host("h0", memory=10)], [])
    return guards.gates.ask(Standing(fleet), "plan-1", None, lambda: None)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"url": "http://p", "token_env": "GONE"}, "execution.prometheus.token_env: 'GONE'"),
        ({"url": "http://p", "token_file": "gone"}, "execution.prometheus.token_file: 'gone'"),
        ({"url": "http://p", "token_env": "LINES"}, "one line"),
        ({}, "execution.prometheus.url"),
    ],
)
def test_a_secret_or_an_address_that_is_missing_is_named_at_once(fields: dict[str, str], names: str) -> None:
    with pytest.raises(InputError) as caught:
        open_guards(policy(**fields), {"LINES": "a\nb"})
    assert names in str(caught.value)
