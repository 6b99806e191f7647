"""The whole way with real processes: a gateway, agents, `apply`; the gateway is killed in the middle and comes back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.execute.agents.tokens import digest_of
from optimizer.execute.ledger import peek_ledger
from optimizer.execute.states import MoveState
from tests import build
from tests.execute.agents.running import until

if TYPE_CHECKING:
    from collections.abc import Iterator

CLI = Path(__file__).resolve().parents[3] / "cli.py"
TOKEN = "0123456789abcdef" * 2


@contextmanager
def remora(directory: Path, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command that goes on until it is told to end."""
    log = (directory / f"{words[0]}.log").open("ab")
    process = subprocess.Popen([sys.executable, str(CLI), *map(str, words)], cwd=directory, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)
        log.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def says(directory: Path, name: str, what: str) -> bool:
    return what in (directory / f"{name}.log").read_text()


def prepared(directory: Path) -> list[str]:
    """Write a fleet of now, tokens, and the driver's file; return the hosts."""
    hosts = [build.host(f"h{i}", memory=65536) for i in range(4)]
    vms = [build.vm(f"v{i}", "h0", memory=2000, groups=["g"]) for i in range(3)]
    taken = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    (directory / "fleet.json").write_text(json.dumps(build.document(hosts, vms, taken_at=taken)))
    lines = [f"agent h{i} {digest_of(TOKEN)}" for i in range(4)] + [f"executor ann {digest_of(TOKEN)}"]
    (directory / "tokens").write_text("\n".join(lines))
    (directory / "token").write_text(TOKEN)
    (directory / "token").chmod(0o600)
    return [f"h{i}" for i in range(4)]


@pytest.mark.slow
def test_apply_through_gateway_and_agents(tmp_path: Path) -> None:
    hosts, url = prepared(tmp_path), f"http://127.0.0.1:{(port := free_port())}"
    serve = ("gateway", "--listen", f"127.0.0.1:{port}", "--tokens", "tokens")
    location = {"format": "remora-agents/1", "gateway": url, "token_file": "token"}
    (tmp_path / "agents.json").write_text(json.dumps(location))
    plan = [sys.executable, str(CLI), "plan", "fleet.json", "-o", "plan.json", "--time-limit", "10"]
    subprocess.run(plan, cwd=tmp_path, check=True, capture_output=True)
    each = [word for host in hosts for word in ("--host", host)]
    agent = ("agent", "fleet.json", "--gateway", url, *each, "--driver", "simulated", "--token-file", "token")
    words = ["fleet.json", "plan.json", "--act", "--driver", "agents", "--location", "agents.json"]
    with ExitStack() as running:
        first = running.enter_context(remora(tmp_path, *serve))
        until(lambda: says(tmp_path, "gateway", "listening"), 60)
        running.enter_context(remora(tmp_path, *agent, "--look", "0.5"))
        until(lambda: says(tmp_path, "agent", "waiting for orders"), 60)
        assert not says(tmp_path, "agent", "trying again"), (tmp_path / "agent.log").read_text()
        with remora(tmp_path, "apply", *words, "--reason", "a trial") as apply:
            until(lambda: states(tmp_path) & {MoveState.ACCEPTED, MoveState.COPYING} != set(), 60)
            os.kill(first.pid, signal.SIGKILL)
            first.wait(10)
            with remora(tmp_path, *serve) as second:
                assert apply.wait(120) == 0, (tmp_path / "apply.log").read_text()
                second.send_signal(signal.SIGTERM)
                assert second.wait(30) == 0
    assert says(tmp_path, "apply", "SIMULATED")
    assert states(tmp_path) == {MoveState.DONE}
    remembered: list[Any] = [json.loads(p.read_text()) for p in (tmp_path / "remora-agent").glob("*.json")]
    assert len(remembered) == 4
    assert [one["in_hand"] for one in remembered] == [{}, {}, {}, {}]
    assert max(one["epoch"] for one in remembered) == 1


def states(directory: Path) -> set[MoveState]:
    ledger = peek_ledger(str(directory / "remora-ledger.sqlite"))
    if ledger is None:
        return set()
    with ledger:
        return {s for run in ledger.runs() for s in ledger.states(run.fleet, run.plan).values()}
