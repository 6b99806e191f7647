"""Monitors by query over a server that answers as a Prometheus does, or does not."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")

from tests.command_line import refused, run
from tests.monitors.test_watch_command import snapshot
from tests.prometheus.fake_server import serving, success
from tests.replies import answering

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

MONITORS = """
monitors:
  ask_within_s: WITHIN
  watch:
    - {monitor: promql, name: down, query: up == 0, open_after_s: 0, close_after_s: 0}
    - {monitor: promql, name: pool, query: pool_used, opens_above: 0.9, closes_below: 0.8, open_after_s: 0}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(here: Path, url: str, minutes: int = 0, within: float = 30) -> tuple[object, ...]:
    said = MONITORS.replace("WITHIN", str(within))
    (here / "remora.yaml").write_text(f"{said}signals: {{prometheus: {{url: '{url}'}}}}\n")
    return ("watch", snapshot(here, minutes), "--config", "remora.yaml", "--record", "--json")


def series(value: str) -> list[Any]:
    return [{"metric": {"instance": "h0:9100"}, "value": [time.time(), value]}]


def by_query(answers: dict[str, bytes]) -> Any:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        found = next(body for query, body in answers.items() if query in handler.path)
        answering(found)(handler)

    return reply


def test_what_comes_back_is_judged(here: Path) -> None:
    answers = {"up": success([]), "pool_used": success(series("0.95"))}
    with serving(by_query(answers)) as (url, seen):
        found = run(*configured(here, url))
    assert (found.code, len(seen)) == (1, 2)
    assert [(one["monitor"], one["subject"], one["state"]) for one in found.json["imbalances"]] == [
        ("pool", "h0", "open")
    ]
    assert found.json["not_judged"] == []


FAULTS = {
    "an error": (answering(json.dumps({"status": "error", "error": "bad"}).encode(), 400), "bad"),
    "500": (answering(b"oops", 500), "500"),
    "warnings": (answering(success(series("0.1"), warnings=["part of the data is missing"])), "part of the data"),
    "no JSON": (answering(b"<html>"), ""),
    "a matrix": (answering(success([], kind="matrix")), "matrix"),
    "nothing at all": (lambda handler: time.sleep(1.5), "within 0.5 s"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_unclear_opens_and_closes_nothing_and_says_why(here: Path, fault: str) -> None:
    answers = {"up": success(series("0")), "pool_used": success(series("0.95"))}
    with serving(by_query(answers)) as (url, _):
        run(*configured(here, url))
    reply, text = FAULTS[fault]
    with serving(reply) as (url, _):
        began = time.monotonic()
        found = run(*configured(here, url, minutes=5, within=0.5 if "within" in text else 30)).json
        assert "within" not in text or time.monotonic() - began < 5
    assert [(one["monitor"], one["state"]) for one in found["imbalances"]] == [("down", "open"), ("pool", "open")]
    assert found["changes"] == []
    assert {(one["monitor"], tuple(one["subjects"])) for one in found["not_judged"]} == {
        ("down", ("h0",)),
        ("pool", ("h0",)),
    }
    assert all(text in one["why"] for one in found["not_judged"])


def test_a_prometheus_that_is_not_there_is_said(here: Path) -> None:
    found = run(*configured(here, "http://127.0.0.1:9"))
    assert found.code == 0
    assert len(found.json["not_judged"]) == 2


def test_a_secret_that_is_not_there_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    words = configured(here, "http://127.0.0.1:9")
    text = (here / "remora.yaml").read_text()
    (here / "remora.yaml").write_text(text.replace("'}", "', token_env: NO_SUCH_TOKEN}"))
    assert "signals.prometheus.token_env" in refused(*words)
