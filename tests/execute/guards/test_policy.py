"""Guards in a policy: what is refused, with its path, and never with what may be a secret."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.errors import InputError
from optimizer.sources.prometheus_part import prometheus_address
from tests import build

QUERY = {"name": "a", "query": "up", "at_least": 1}


def gates(*ask: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"gates": {"ask": list(ask), **more}}


@pytest.mark.parametrize(
    ("execution", "said"),
    [
        (gates({"name": "a"}), "exactly one of query, check and command"),
        (gates({**QUERY, "check": "capacity"}), "exactly one of query, check and command"),
        (gates({"name": "a", "query": "up"}), "at_most or at_least"),
        (gates({"name": "a", "command": ["true"], "at_most": 1}), "at_most or at_least"),
        (gates({"name": "a", "check": "capacty"}), "did you mean capacity"),
        (gates(QUERY, QUERY), "different names"),
        (gates({"name": "a b", "check": "capacity"}), "execution.gates.ask[0].name"),
        (gates({"name": "a", "command": ["x", "{vm}"]}), "not {vm}"),
        (gates({"name": "a", "command": [""]}), "a program"),
        (gates({"name": "a", "command": "rm -rf"}), "execution.gates.ask[0].command"),
        (gates({**QUERY, "environment": ["X"]}), "environment only with a command"),
        (gates({**QUERY, "deadline_s": 0}), "deadline_s"),
        (gates({**QUERY, "deadline_s": 301}), "deadline_s"),
        (gates({**QUERY, "at_least": float("nan")}), "execution.gates"),
        (gates(QUERY, every=0), "execution.gates.every"),
        (gates(QUERY, everyy=3), "everyy"),
        ({"hooks": {"before": [{"command": []}]}}, "a program"),
        ({"hooks": {"before": [{"command": ["x", "{vn}"]}]}}, "not {vn}"),
        ({"hooks": {"after": [{"command": ["x"], "environment": ["A=b"]}]}}, "execution.hooks.after[0].environment"),
        ({"hooks": {"during": []}}, "during"),
    ],
)
def test_what_cannot_be_asked_is_refused(execution: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        build.policy("capacity", execution=execution)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "prometheus",
    [
        {"url": "http://ann:s3cret@p"},
        {"url": "http://p?token=s3cret"},
        {"url": "s3cret"},
        {"url": "http://p", "token_env": "s3cret-token"},
        {"url": "http://p", "token_env": "S3CRET", "token_file": "s3cret"},
        {"url": "http://p", "username": "s3cret"},
        {"url": "http://p", "password_file": "s3cret"},
    ],
)
def test_what_may_be_a_secret_is_not_shown(prometheus: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        build.policy("capacity", execution={"prometheus": prometheus})
    assert "execution.prometheus" in str(caught.value)
    assert "s3cret" not in str(caught.value).lower()


def test_an_address_on_the_command_line_is_checked_alike() -> None:
    assert prometheus_address("--prometheus", "https://p:9090/prom/") == "https://p:9090/prom"
    with pytest.raises(InputError) as caught:
        prometheus_address("--prometheus", "http://a:s3cret@p")
    assert "s3cret" not in str(caught.value)
    assert str(caught.value).startswith("--prometheus: ")


def test_what_is_not_said_has_its_default() -> None:
    asked = build.policy("capacity", execution=gates(QUERY, {"name": "b", "check": "capacity"})).execution.gates
    assert (asked.every, asked.hold_s, asked.again_s) == (20, 900, 30)
    assert [g.deadline_s for g in asked.ask] == [10, 10]
