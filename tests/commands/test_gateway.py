"""`remora gateway` and `remora agent`: what is refused before anything is served."""

from __future__ import annotations

import pytest

from tests.command_line import refused


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--listen", "0.0.0.0:0"], "a loopback address, or --tls-cert, --tls-key and --tokens"),
        (["--listen", "8470"], "HOST:PORT"),
        (["--tls-cert", "FLEET"], "both, or neither"),
        (["--tokens", "FLEET"], "agent HOST HASH"),
        (["--connections", "3"], "--connections"),
        (["--lease", "0"], "--lease"),
        (["--ledger", "mysql://x"], "--ledger"),
    ],
)
def test_what_the_gateway_refuses(fleet, tmp_path, monkeypatch, options, says) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(fleet) if word == "FLEET" else word for word in options]
    assert says in refused("gateway", *words)
    assert not list(tmp_path.glob("remora-ledger*"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--gateway", "http://gw:1", "--host", "h1"], "https, or a loopback address"),
        (["--gateway", "http://127.0.0.1:1", "--host", "nowhere"], "a host of"),
        (["--gateway", "http://127.0.0.1:1"], "--host"),
        (["--gateway", "http://127.0.0.1:1", "--host", "h1", "--token-file", "none"], "a file of tokens"),
        (["--gateway", "http://127.0.0.1:1", "--host", "h1", "--driver", "none"], "--driver"),
    ],
)
def test_what_the_agent_refuses(fleet, tmp_path, monkeypatch, options, says) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in refused("agent", fleet, *options)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "remora-agents/1"),
        ("{format: remora-agents/1}", "gateway"),
        ("{format: remora-agents/1, gateway: 'http://gw:1'}", "https, or a loopback address"),
        ("{format: remora-agents/1, gateway: 'http://127.0.0.1:1'}", "a gateway that answers"),
        ("{format: remora-agents/1, gateway: 'http://127.0.0.1:1', deadline: 3}", "deadline_s"),
        ("{format: remora-agents/1, gateway: 'http://127.0.0.1:1', token_file: none}", "a file of tokens"),
    ],
)
def test_what_the_driver_refuses(fleet, planned, tmp_path, text, says) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(text)
    assert says in refused("apply", fleet, planned, "--driver", "agents", "--location", path)
