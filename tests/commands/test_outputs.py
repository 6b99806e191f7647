"""No output of any command overwrites what the command reads or keeps, however its path is spelt."""

import os
import shutil
import sqlite3
from itertools import product
from pathlib import Path
from typing import Any

import click
import pytest

from cli import remora
from commands.outputs import NewFile
from tests.command_line import listing, refused, run, write

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"

COMMANDS = {
    "plan": ["plan", "fleet.json", "--policy", "policy.yaml", "--overlay", "overlay.yaml", "-o", "OUT"],
    "apply": ["apply", "fleet.json", "plan.json", "--policy", "policy.yaml", "--overlay", "overlay.yaml", "--act",
              "--ledger", "ledger.sqlite", "-o", "OUT"],
    "apply --ledger": ["apply", "fleet.json", "plan.json", "--policy", "policy.yaml", "--overlay", "overlay.yaml",
                       "--act", "--ledger", "OUT"],
    "approve": ["approve", "plan.json", "--reason", "x", "--ledger", "OUT"],
    "import": ["import", "--hosts", "hosts.csv", "--vms", "vms.csv", "--groups", "groups.csv", "--mapping",
               "mapping.yaml", "-o", "OUT"],
    "gateway": ["gateway", "--tokens", "mapping.yaml", "--tls-cert", "model.txt", "--tls-key", "assignment.txt",
                "--ledger", "OUT"],
    "interference": ["interference", "hosts.csv", "--config", "mapping.yaml", "--fleet", "fleet.json", "-o", "OUT"],
    "interference --records": ["interference", "hosts.csv", "--config", "mapping.yaml", "--fleet", "fleet.json",
                               "--records", "OUT"],
    "check": ["check", "fleet.json", "--policy", "policy.yaml", "--overlay", "overlay.yaml", "--report", "OUT"],
    "plan --report": ["plan", "fleet.json", "--policy", "policy.yaml", "--overlay", "overlay.yaml", "--report", "OUT"],
    "diff": ["diff", "plan.json", "fleet.json", "--report", "OUT"],
    "signals read": ["signals", "read", "--config", "mapping.yaml", "-o", "OUT"],
    "whatif drain": ["whatif", "drain", "fleet.json", "h0", "--policy", "policy.yaml", "--overlay", "overlay.yaml",
                     "-o", "OUT"],
    "whatif empty": ["whatif", "empty", "fleet.json", "--policy", "policy.yaml", "--overlay", "overlay.yaml", "-o",
                     "OUT"],
    "whatif fit": ["whatif", "fit", "fleet.json", "--policy", "policy.yaml", "--like", "v0", "--reserve", "plan.json",
                   "--report", "OUT"],
    "whatif place": ["whatif", "place", "fleet.json", "--request", "plan.json", "--report", "OUT"],
    "whatif lose": ["whatif", "lose", "fleet.json", "--policy", "policy.yaml", "--reserve", "plan.json",
                    "--report", "OUT"],
    "whatif roll": ["whatif", "roll", "fleet.json", "--policy", "policy.yaml", "--report", "OUT"],
    "whatif grow": ["whatif", "grow", "fleet.json", "--history", "vms.csv", "--report", "OUT"],
    "whatif grow --rates": ["whatif", "grow", "fleet.json", "--rates", "mapping.yaml", "--report", "OUT"],
    "whatif grow --config": ["whatif", "grow", "fleet.json", "--config", "mapping.yaml", "--report", "OUT"],
    "whatif size": ["whatif", "size", "fleet.json", "--overlay", "overlay.yaml", "--report", "OUT"],
    "whatif compare": ["whatif", "compare", "fleet.json", "--scenarios", "mapping.yaml", "--report", "OUT"],
    "roadef solve": ["roadef", "solve", "model.txt", "assignment.txt", "-o", "OUT"],
}  # fmt: skip


def same(path):
    return path


def dotted(path):
    return Path(".") / ".." / Path.cwd().name / path


def absolute(path):
    return path.resolve()


def symbolic(path):
    link = Path("link-to-" + path.name)
    link.symlink_to(path)
    return link


def chained(path):
    Path("far").symlink_to(symbolic(path))
    return Path("far")


def hard(path):
    link = Path("hard-" + path.name)
    if path.exists():
        os.link(path, link)
        return link
    return path


def through_a_directory(path):
    Path("elsewhere").symlink_to(Path.cwd())
    return Path("elsewhere") / path


WAYS = (same, dotted, absolute, symbolic, chained, hard, through_a_directory)


def read_by(words):
    return [w for w in words if Path(w).suffix in (".json", ".yaml", ".csv", ".txt", ".sqlite")]


CASES = [
    (name, read, way) for (name, words), way in product(COMMANDS.items(), WAYS) for read in read_by(words)
]  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("fleet.json", "plan.json", "policy.yaml", "hosts.csv", "vms.csv", "groups.csv", "model.txt"):
        Path(name).write_text(f"content of {name}")
    for name in ("overlay.yaml", "mapping.yaml", "assignment.txt"):
        Path(name).write_text(f"content of {name}")
    return tmp_path


@pytest.mark.parametrize(("name", "read", "way"), CASES, ids=[f"{n}-{r}-{w.__name__}" for n, r, w in CASES])
def test_an_input_is_never_overwritten(here, name, read, way):
    output = way(Path(read))
    before = listing(here)
    line = refused(*[str(output) if word == "OUT" else word for word in COMMANDS[name]])
    assert "the output must not be an input" in line
    assert listing(here) == before


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal", ""])
@pytest.mark.parametrize("there", [True, False])
def test_what_belongs_to_the_ledger_is_never_overwritten(here, ending, there):
    for link in (False, True):
        ledger = Path("ledger.sqlite")
        if link:
            ledger = Path("by-link.sqlite")
            ledger.symlink_to("ledger.sqlite")
        if there:
            Path("ledger.sqlite" + ending).write_text("kept")
        words = ["apply", "fleet.json", "plan.json", "--act", "--ledger", ledger, "-o", "ledger.sqlite" + ending]
        assert "the output must not be an input" in refused(*words)
        assert Path("ledger.sqlite" + ending).exists() == there


def test_the_ledger_is_not_put_where_its_companions_would_be_the_fleet(here):
    shutil.copy("fleet.json", "l.sqlite-wal")
    assert "--ledger" in refused("apply", "l.sqlite-wal", "plan.json", "--act", "--ledger", "l.sqlite")


def test_a_ledger_that_the_command_does_not_read_is_not_overwritten_either(here):
    sqlite3.connect("kept.sqlite").execute("PRAGMA user_version = 3").connection.close()
    Path("link").symlink_to("kept.sqlite")
    for output in ("kept.sqlite", "link", "kept.sqlite-wal", "kept.sqlite-journal"):
        refused("plan", "fleet.json", "-o", output)
        refused("generate", "--hosts", "5", "--vms", "5", "-o", output)


def test_two_missing_files_that_differ_in_case_are_one_file(here):
    """As they are where the file system ignores case; whether it does cannot be seen before one of them is there."""
    refused("apply", "fleet.json", "plan.json", "--act", "--ledger", "L.sqlite", "-o", "l.SQLITE")
    refused("apply", "fleet.json", "plan.json", "--act", "--ledger", "é.sqlite", "-o", "e\u0301.sqlite")


def test_shipped_policies_are_inputs(here):
    from constraints import SHIPPED

    for name, path in SHIPPED.items():
        before = path.read_bytes()
        refused("plan", "fleet.json", "--policy", name, "-o", path)
        assert path.read_bytes() == before


def test_other_files_may_be_overwritten(here):
    """What nobody reads is replaced whole; a name that differs in case from one that is there is another file."""
    shutil.copy(EXAMPLES / "quickstart.json", "fleet.json")
    for output in ("old-plan.json", "FLEET.JSON", "sub/fleet.json"):
        Path(output).parent.mkdir(exist_ok=True)
        write(Path(output), "old")
        assert run("plan", "fleet.json", "-o", output, "--time-limit", 5).code in (0, 1)
        assert Path(output).read_text() != '"old"'
    assert not [p for p in here.rglob("*.partial")]


def leaves(group, path=()):
    for name, command in group.commands.items():
        yield from leaves(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]


def test_every_command_with_an_output_is_tried_here():
    """A new command that writes a file is a line in `COMMANDS`, or says here why it reads nothing."""
    tried = {tuple(name.split()) for name in COMMANDS if "--" not in name}
    reads_nothing: set[tuple[str, ...]] = {
        ("generate",),
        ("bench",),
        ("gateway",),
        ("stop",),
        ("resume",),
        ("limit",),
        ("status",),
        ("verify",),
        ("cycles",),
        ("watch",),
        ("imbalances",),
        ("evidence",),
        ("journey",),
    }
    reads_nothing |= {("ledger", name) for name in ("runs", "moves", "events", "export", "verify")}
    for path in leaves(remora):
        command: Any = remora
        for name in path:
            command = command.commands[name]
        context = click.Context(command)
        if any(isinstance(p.type, NewFile) for p in command.get_params(context)):
            assert path in tried | reads_nothing
            assert command.callback.__wrapped__
