"""Every command that reads a fleet tells what is doubtful about it, its overlay and its policy, or refuses it."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from cli import remora
from commands.path_types import InputFile, Settings
from optimizer.execute.ledger import open_ledger
from optimizer.signals.interference.documents import series_document
from tests.command_line import refused, run, write
from tests.signals.interference.series import hog, observation
from tests.test_unknown_names import FLEET, HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator

GONE = ("rules[1].hosts[0]", "'hv01' is not a host of fleet f, so it is ignored (did you mean hv01.fra1.example.net?)")
ODD = ("hosts[1].capacity.memory_mib", "1 host with far more memory_mib than is usual")
LAID = (
    ("overlay.yaml: vms['customer-9']", "'customer-9' is not a VM of fleet f"),
    ("overlay.yaml: groups[0].id", "no VM is in the group leaders"),
)
"""Where each stands, and what is said of it."""

LIMIT = ("--time-limit", "2", "--workers", "1")
BOTH = ("--policy", "policy.yaml", "--overlay", "overlay.yaml")
SIGNALS = ("--prometheus", "http://127.0.0.1:9")
POLICY = {
    "plan": ("fleet.json", *LIMIT),
    "check": ("fleet.json",),
    "verify": ("fleet.json", "plan.json"),
    "apply": ("fleet.json", "plan.json"),
    "explain": ("fleet.json", "customer-0"),
    "watch": ("fleet.json",),
    "journey": ("customer-0", "--snapshot", "fleet.json", "--ledger", "book.sqlite"),
    "whatif lose": ("fleet.json", *LIMIT),
    "whatif drain": ("fleet.json", HOSTS[0], *LIMIT),
    "whatif empty": ("fleet.json", *LIMIT),
    "whatif roll": ("fleet.json", *LIMIT),
    "whatif grow": ("fleet.json", "--history", "history.csv"),
    "whatif size": ("fleet.json", "--pair", "cpu_millicores:memory_mib"),
    "whatif fit": ("fleet.json", "--like", "customer-0", *LIMIT),
    "whatif place": ("fleet.json", "--like", "customer-0", *LIMIT),
    "whatif compare": ("fleet.json", "--scenarios", "scenarios.yaml", *LIMIT),
}
"""Commands with --policy and --overlay: what they take beside these."""

BY_CONFIG = {
    "run": ("--once",),
    "signals check": (*SIGNALS, "--policy", "policy.yaml"),
}
"""Commands that read policy, inventory and overlay as a configuration says (or the policy by an option)."""

NO_POLICY = {
    "show": ("fleet.json", "--overlay", "overlay.yaml"),
    "signals read": (*SIGNALS, "-o", "read.json"),
    "interference": ("series.json", "--fleet", "fleet.json"),
}
"""Commands that read a fleet, and no policy."""

ELSEWHERE = {
    "agent": "it runs on: below it is refused by its gateway's address",
    "serve": "it runs on, and reads the inventory only for POST /api/place: tests/service/test_place.py",
}


def commands_of(group: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(group, click.Group):
        yield path, group
        return
    for name, one in group.commands.items():
        yield from commands_of(one, f"{path} {name}".strip())


def reads_a_fleet(command: click.Command) -> bool:
    """Whether a snapshot or a configuration is among what a command reads."""
    named = {p.name: p.type for p in command.params}
    snapshot = any(isinstance(named.get(name), InputFile) for name in ("fleet", "snapshot"))
    return snapshot or isinstance(named.get("config"), Settings)


def test_every_command_that_reads_a_fleet_stands_here() -> None:
    """Where this fails: add the new command to one of the tables, or say in ELSEWHERE why not."""
    there = dict(commands_of(remora))
    with_policy = {name for name, one in there.items() if {"policy_name", "policy"} & {p.name for p in one.params}}
    assert with_policy | {"run"} == {*POLICY, *BY_CONFIG}
    readers = {name for name, one in there.items() if reads_a_fleet(one)}
    assert readers == {*POLICY, *BY_CONFIG, *NO_POLICY, *ELSEWHERE}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet of which one host has far too much memory, an overlay and a policy that name what is not there."""
    place = tmp_path_factory.mktemp("told")
    fleet: dict[str, Any] = deepcopy(FLEET)
    fleet["taken_at"] = datetime.now(UTC).isoformat()
    fleet["hosts"][1]["capacity"]["memory_mib"] = 64 * 1024**2
    write(place / "fleet.json", fleet)
    overlay = {"groups": [{"id": "leaders", "rules": []}], "vms": {"customer-9": {"mobility": "none"}}}
    write(place / "overlay.yaml", {"format": "remora-overlay/1", "unknown_names": "warn", **overlay})
    rules = [{"rule": "capacity"}, {"rule": "maintenance", "hosts": ["hv01"]}]
    write(place / "wrong.yaml", {"format": "remora-policy/1", "rules": rules})
    write(place / "policy.yaml", {"format": "remora-policy/1", "unknown_names": "warn", "rules": rules})
    inventory = {"file": "fleet.json", "overlay": "overlay.yaml"}
    write(place / "remora.yaml", {"inventory": inventory, "policy": "policy.yaml"})
    write(place / "refused.yaml", {"inventory": inventory, "policy": "wrong.yaml"})
    write(place / "scenarios.yaml", {"format": "remora-scenarios/1", "scenarios": [{"name": "same", "changes": []}]})
    series = series_document(observation(hog(1)))
    host = series["hosts"][0]
    del host["total"]
    host["vms"] = [
        {**vm, "id": f"customer-{i}", "stall": vm["stall"][:9], "use": vm["use"][:9]}
        for i, vm in enumerate(host["vms"][:2])
    ]
    write(place / "series.json", series)
    days = [datetime.now(UTC) - timedelta(days=day) for day in range(30, 0, -1)]
    rows = "\n".join(f"{day.isoformat()},all hosts,{4096 + i}" for i, day in enumerate(days))
    (place / "history.csv").write_text(f"time,pool,memory_mib\n{rows}\n")
    open_ledger(str(place / "book.sqlite")).close()
    plan = place / "plan.json"
    files = [place / "fleet.json", "--policy", place / "policy.yaml", "--overlay", place / "overlay.yaml"]
    assert run("plan", *files, "-o", plan, *LIMIT).code in (0, 1)
    return place


@pytest.fixture(autouse=True)
def here(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)


def assert_told(words: tuple[str, ...], *doubts: tuple[str, str]) -> None:
    """For people once on a line, for machines in the one document."""
    said = run(*words)
    for where, text in doubts:
        assert (said.out + said.err).count(f"{where}: {text}") == 1, (words, where, said)
    told = str(run(*words, "--json").json)
    for doubt in doubts:
        assert all(str([one])[2:-2] in told for one in doubt), (words, doubt, told)


@pytest.mark.parametrize("name", POLICY)
def test_a_command_with_a_policy(name: str) -> None:
    words = (*name.split(), *POLICY[name])
    assert_told((*words, *BOTH), GONE, ODD, *LAID)
    assert "did you mean hv01.fra1.example.net?" in refused(*words, "--policy", "wrong.yaml")


@pytest.mark.parametrize("name", NO_POLICY)
def test_a_command_without_a_policy(name: str) -> None:
    if name != "show":
        pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")
    laid = () if name == "interference" else LAID  # which has no --overlay
    assert_told((*name.split(), *NO_POLICY[name]), ODD, *laid)


def test_the_check_of_signals() -> None:
    pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")
    assert_told(("signals", "check", *BY_CONFIG["signals check"]), GONE, ODD, *LAID)
    outcome = run("signals", "check", *SIGNALS, "--policy", "wrong.yaml")
    assert (outcome.code, outcome.out) == (2, "")
    assert "did you mean hv01.fra1.example.net?" in outcome.err


@pytest.mark.parametrize("level", ["observe", "propose"])
def test_the_periodic_run(files: Path, level: str) -> None:
    """At each level, also where no plan is made; the cycle's record has it, too."""
    pytest.importorskip("structlog", reason="the extra service is not installed")
    for name in ("remora.yaml", "refused.yaml"):
        said = json.loads((files / name).read_text())
        write(files / name, {**said, "automation": {"level": level}, "ledger": f"{level}.sqlite"})
    came = run("run", "--once", "--json", "--config", "remora.yaml")
    lines = [line for line in came.err.splitlines() if "reading" in line]
    for where, text in (GONE, ODD, *LAID):
        assert sum(f"{where}: {text}" in line for line in lines) == 1, (where, came.err)
    assert came.json["counts"]["notes"] == 4
    assert all(f"{where}: {text}" in came.json["detail"] for where, text in LAID)
    outcome = run("run", "--once", "--json", "--config", "refused.yaml")
    assert outcome.code == 2
    assert "did you mean hv01.fra1.example.net?" in outcome.json["error"]["message"]


def test_an_agent() -> None:
    outcome = run("agent", "fleet.json", "--gateway", "nowhere", "--host", HOSTS[0])
    assert outcome.code == 2
    assert f"remora: warning: {': '.join(ODD)}" in outcome.err


def test_a_plan_keeps_what_its_inputs_were_warned_of() -> None:
    """Beside its own warnings, which `verify` computes again, and in its file as well."""
    plan = run("plan", "fleet.json", *BOTH, *LIMIT, "-o", "mine.json", "--json").json
    assert [w["where"] for w in plan["warnings"]] == [ODD[0], GONE[0]]
    assert [(w["code"], w["where"]) for w in plan["stats"]["warnings"]] == [
        ("unknown_name", LAID[0][0]),
        ("empty_group", LAID[1][0]),
    ]
    assert run("plan", "fleet.json", *BOTH, *LIMIT, "--format", "json").json["stats"]["warnings"]
    verdict = run("verify", "fleet.json", "mine.json", *BOTH, "--json")
    assert (verdict.code, len(verdict.json["warnings"])) == (0, 4)


def test_scenarios_warn_of_one_cause_once() -> None:
    several = [{"name": name, "changes": []} for name in "abc"]
    write(Path("several.yaml"), {"format": "remora-scenarios/1", "scenarios": several})
    said = run("whatif", "compare", "fleet.json", "--scenarios", "several.yaml", *LIMIT, *BOTH)
    assert said.err.count(GONE[0]) == said.err.count(ODD[0]) == 1


def test_the_periodic_run_tells_which_hosts_are_not_observed(files: Path) -> None:
    pytest.importorskip("structlog", reason="the extra service is not installed")
    pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")
    said = json.loads((files / "remora.yaml").read_text())
    signals = {"signals": {"prometheus": {"url": "http://127.0.0.1:9"}}, "ledger": "blind.sqlite"}
    came = run("run", "--once", "--json", "--config", write(files / "blind.yaml", {**said, **signals}))
    assert "3 of 3 hosts not observed, such as hv00.fra1.example.net: " in came.json["detail"]
    assert "3 of 3 hosts not observed" in came.err
    assert f"{LAID[0][0]}: {LAID[0][1]}" in came.err


@pytest.mark.parametrize("words", [("whatif", "place", "fleet.json", "--request"), ("plan", "fleet.json", "--place")])
def test_groups_of_a_request_that_may_be_slips(words: tuple[str, ...]) -> None:
    vm = {"id": "new", "demand": {"memory_mib": 1024}, "groups": ["leader"]}
    write(Path("request.json"), {"format": "remora-request/1", "vms": [vm]})
    said = run(*words, "request.json", *LIMIT, *BOTH)
    assert "no VM is in the group leaders, and VMs name leader, which is not declared: is that this one?" in said.err
