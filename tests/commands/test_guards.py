"""Gates and hooks as a user meets them: a policy, `apply`, `status` and the ledger."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import yaml

from tests import build
from tests.command_line import refused, run

WHY = ("--reason", "because", "--by", "ann")
PLANNED = ("fleet.json", "plan.json", "--policy", "policy.yaml")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A directory with a fleet whose only host in use drains: three moves."""
    monkeypatch.chdir(tmp_path)
    hosts = [build.host("h0", memory=100, state="draining"), *(build.host(f"h{i}", memory=100) for i in (1, 2, 3))]
    vms = [build.vm(f"v{i}", "h0", memory=10) for i in range(3)]
    (tmp_path / "fleet.json").write_text(json.dumps(build.document(hosts, vms)))
    return tmp_path


def planned(**execution):
    """Write a policy with this execution, and the plan that it makes."""
    document: dict[str, object] = {
        "format": "remora-policy/1",
        "rules": [{"rule": "capacity"}, {"rule": "maintenance"}],
    }
    Path("policy.yaml").write_text(yaml.safe_dump({**document, "execution": {"canary": 1, **execution}}))
    assert run("plan", "fleet.json", "--policy", "policy.yaml", "-o", "plan.json").code == 0


def gate(*command, **more):
    return {"gates": {"ask": [{"name": "quiet", "command": list(command)}], "hold_s": 60, "again_s": 30, **more}}


def script(path: str, text: str) -> str:
    Path(path).write_text(f"#!/bin/sh\n{text}\n")
    os.chmod(path, stat.S_IRWXU)
    return f"./{path}"


def applied(*more):
    return run("apply", *PLANNED, "--act", "--guards", *WHY, *more)


def events(name: str) -> list[str]:
    return [e["detail"] for e in run("ledger", "events", "--json").json if e["state"] == name]


def test_an_open_gate_lets_the_run_go_on_and_is_in_the_ledger():
    planned(**gate(script("gate", 'echo "$@" >>asked'), "{fleet}", "{plan}", every=1))
    assert applied().code == 0
    plan = json.loads(Path("plan.json").read_text())["id"]
    assert Path("asked").read_text() == f"tiny {plan}\n" * 2
    assert events("gate open") == ["after 1 move", "after 2 moves"]
    assert run("ledger", "verify").code == 0


def test_a_gate_that_stays_closed_stops_the_run_and_status_says_why():
    planned(**gate(script("gate", "echo 3 alerts; exit 1")))
    outcome = applied()
    assert outcome.code == 4
    assert "was stopped after 1 move: a gate was not open for 60 s: quiet: exit 1: 3 alerts" in outcome.out
    assert events("gate closed") == ["quiet: exit 1: 3 alerts"]
    status = run("status").out
    assert "gate closed since" in status
    assert "quiet: exit 1: 3 alerts" in status
    assert run("status", "--json").json[0]["gate"]["state"] == "gate closed"
    assert run("ledger", "verify").code == 0


def test_a_gate_that_opens_after_a_while_costs_only_time():
    planned(**gate(script("gate", "echo x >>asked; test $(wc -l <asked) -ge 2")))
    assert applied().code == 0
    assert len(events("gate closed")) == 1
    assert "gate closed" not in run("status").out


def test_a_rule_as_a_gate_is_open_while_the_fleet_is_as_foreseen():
    planned(gates={"ask": [{"name": "room", "check": "capacity"}], "every": 1})
    assert applied().code == 0
    assert events("gate open")


def test_a_query_without_an_answer_closes():
    pytest.importorskip("prometheus_api_client")
    planned(gates={"ask": [{"name": "errors", "query": "up", "at_least": 1}], "hold_s": 30})
    assert "execution.prometheus.url" in refused("apply", *PLANNED, "--act", "--guards", *WHY)
    assert not Path("remora-ledger.sqlite").exists()
    outcome = applied("--prometheus", "http://127.0.0.1:9")
    assert outcome.code == 4
    assert "errors: " in outcome.out
    assert "s3cret" not in refused("apply", *PLANNED, "--guards", "--prometheus", "http://a:s3cret@h")


def test_hooks_are_called_before_and_after_with_what_the_move_is():
    hook = script("hook", 'echo "$@" >>called; env | grep -c SECRET >>called; true')
    named = ["{vm}", "{source}", "{state}", "{reason}"]
    planned(hooks={"before": [{"command": [hook, "before", *named]}], "after": [{"command": [hook, "after", *named]}]})
    os.environ["MY_SECRET"] = "x"
    try:
        assert applied().code == 0
    finally:
        del os.environ["MY_SECRET"]
    lines = Path("called").read_text().splitlines()
    assert lines[1::2] == ["0"] * 6
    assert sorted(lines[::2]) == sorted(
        line for v in ("v0", "v1", "v2") for line in (f"before {v} h0 intended because", f"after {v} h0 done because")
    )


def test_a_veto_skips_the_move_and_the_rest_goes_on():
    planned(hooks={"before": [{"command": [script("hook", 'test "$1" != v1 || { echo busy; exit 7; }'), "{vm}"]}]})
    outcome = applied()
    assert outcome.code == 1
    assert "2 done, 0 failed, 1 skipped" in outcome.out
    assert "vetoed by ./hook: exit 7: busy" in outcome.out


def test_a_hook_that_fails_afterwards_is_named_and_undoes_nothing():
    planned(hooks={"after": [{"command": [script("hook", "echo no mail; exit 1")]}]})
    outcome = applied("-o", "after.json")
    assert outcome.code == 1
    assert "is done: 3 moves" in outcome.out
    assert outcome.out.count("hook failed after m000") == 3
    assert [
        f["why"]
        for f in run("apply", *PLANNED, "--act", "--guards", *WHY, "--ledger", "two.sqlite", "--json").json[
            "hook_failures"
        ]
    ] == ["./hook: exit 1: no mail"] * 3
    assert len(events("hook failed")) == 3
    assert run("check", "after.json").code == 0
    assert run("ledger", "verify").code == 0


def test_hooks_after_are_called_for_a_move_that_fails_and_not_for_one_that_never_began():
    planned(hooks={"after": [{"command": [script("hook", 'echo "$@" >>called'), "{move}", "{state}"]}]})
    applied("--fail", "m0001")
    assert "m0001 failed" in Path("called").read_text().splitlines()
    assert all("skipped" not in line for line in Path("called").read_text().splitlines())


def test_a_simulation_asks_nobody_unless_told_to_and_says_so():
    planned(**gate("false"))
    for more in ((), ("--act", *WHY)):
        outcome = run("apply", *PLANNED, *more)
        assert outcome.code == 0
        assert "not asked in a simulation: --guards does" in outcome.out


def test_a_dry_run_asks_nobody():
    planned(**gate(script("gate", "touch asked")))
    assert run("apply", *PLANNED, "--guards").code == 0
    assert not Path("asked").exists()


@pytest.mark.slow
def test_the_button_is_seen_while_a_gate_is_waited_for():
    planned(**gate(script("gate", "echo fire >remora-ledger.sqlite.stop; sleep 60")))
    before = os.times().elapsed
    outcome = applied()
    assert os.times().elapsed - before < 8
    assert outcome.code == 4
    assert "stopped by the file remora-ledger.sqlite.stop: fire" in outcome.out
