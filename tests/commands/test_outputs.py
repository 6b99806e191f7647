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
from commands.named_files import files_named_in
from commands.path_types import MayBeFile, NewFile
from optimizer.clock import SystemClock
from optimizer.execute.agents.opening import open_store
from optimizer.execute.beside import LEADER, endings
from optimizer.execute.button import StopFile
from optimizer.execute.ledger import open_ledger
from tests.command_line import listing, refused, run, write

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"

COMMANDS = {
    "plan": ["plan", "fleet.json", "--policy", "policy.yaml", "--overlay", "overlay.yaml", "-o", "OUT"],
    "apply": ["apply", "fleet.json", "plan.json", "--policy", "policy.yaml", "--overlay", "overlay.yaml", "--act",
              "--ledger", "ledger.sqlite", "-o", "OUT"],
    "plan --undo": ["plan", "fleet.json", "--undo", "plan.json", "--ledger", "ledger.sqlite", "-o", "OUT"],
    "apply --location": ["apply", "fleet.json", "plan.json", "--driver", "libvirt", "--location", "mapping.yaml", "-o",
                         "OUT"],
    "apply --stop-file": ["apply", "fleet.json", "plan.json", "--stop-file", "model.txt", "-o", "OUT"],
    "import --location": ["import", "--source", "json", "--location", "fleet.json", "-o", "OUT"],
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
    far = Path("far" + path.suffix)
    far.symlink_to(symbolic(path))
    return far


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
    words = COMMANDS[name]
    more = ".html" if "--report" in words else ""  # otherwise its ending would be refused
    reads = {word: word + more for word in read_by(words)}
    for old, new in reads.items():
        if Path(old).exists():
            Path(old).rename(new)
    output = way(Path(reads[read]))
    before = listing(here)
    line = refused(*[str(output) if word == "OUT" else reads.get(word, word) for word in words])
    assert "the output must not be an input" in line
    assert listing(here) == before


@pytest.mark.parametrize("ending", ["", *endings(), f"{LEADER}0badcafe"])
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
        line = refused(*words)
        assert "remora: -o: " in line
        assert "the output must not be an input" in line
        assert Path("ledger.sqlite" + ending).exists() == there


def test_all_that_is_kept_beside_a_ledger_has_one_of_the_endings(here):
    """Where this fails: say the ending in `optimizer.execute.beside`."""
    with open_ledger("led") as ledger:
        ledger.lead("fleet", "somebody", SystemClock().now())
        open_store("led", SystemClock(), 1).close()
        StopFile.beside("led").press("why")
        found = {p.name.removeprefix("led") for p in here.glob("led?*")}
    assert {"-turn", "-agents", ".stop"} <= found
    leaders = {ending for ending in found if ending.startswith(LEADER)}
    assert leaders
    assert found - leaders <= set(endings())
    for ending in found:
        assert "the output must not be an input" in refused("plan", "fleet.json", "-o", "led" + ending)


def test_the_ledger_is_not_put_where_its_companions_would_be_the_fleet(here):
    shutil.copy("fleet.json", "l.sqlite-wal")
    assert "--ledger" in refused("apply", "l.sqlite-wal", "plan.json", "--act", "--ledger", "l.sqlite")


def test_a_ledger_that_the_command_does_not_read_is_not_overwritten_either(here):
    sqlite3.connect("kept.sqlite").execute("PRAGMA user_version = 3").connection.close()
    Path("link").symlink_to("kept.sqlite")
    for output in ("kept.sqlite", "link", *(f"kept.sqlite{e}" for e in endings()), "kept.sqlite-leader-0badcafe"):
        refused("plan", "fleet.json", "-o", output)
        refused("generate", "--hosts", "5", "--vms", "5", "-o", output)


def test_two_missing_files_that_differ_in_case_are_one_file(here):
    """As they are where the file system ignores case; whether it does cannot be seen before one of them is there."""
    refused("apply", "fleet.json", "plan.json", "--act", "--ledger", "L.sqlite", "-o", "l.SQLITE")
    refused("apply", "fleet.json", "plan.json", "--act", "--ledger", "é.sqlite", "-o", "e\u0301.sqlite")


def test_a_source_that_is_a_directory_keeps_its_tables_and_gets_no_table_more(here):
    Path("d").mkdir()
    Path("d/hosts.csv").write_text("id,memory_mib\nh0,8\n")
    for output in ("d/hosts.csv", "d/vms.csv", "d/groups.csv", "d/mapping.yaml"):
        before = listing(here)
        assert "remora: -o: " in refused("import", "--source", "csv", "--location", "d", "-o", output)
        assert listing(here) == before


def test_a_fleet_may_be_made_beside_its_tables_again_and_again(here):
    Path("d").mkdir()
    Path("d/hosts.csv").write_text("id,memory_mib\nh0,8\n")
    Path("d/vms.csv").write_text("id,host,memory_mib\nv0,h0,1\n")
    for _ in range(2):
        assert run("import", "--source", "csv", "--location", "d", "-o", "d/made.json").code == 0


def test_what_settings_name_is_an_input(here):
    Path("tables").mkdir()
    Path("tables/hosts.csv").write_text("id\n")
    Path("tables/vms.csv").write_text("id,host\n")
    Path("remora.yaml").write_text("policy: {name: policy.yaml}\ninventory: {source: csv, location: tables}\n")
    Path("far").mkdir()
    Path("far/remora.yaml").write_text("x:\n- [../mapping.yaml]\n")
    for config, read in (
        ("remora.yaml", "policy.yaml"),
        ("remora.yaml", "tables/vms.csv"),
        ("far/remora.yaml", "mapping.yaml"),
    ):
        before = listing(here)
        assert "the output must not be an input" in refused("signals", "read", "--config", config, "-o", read)
        assert listing(here) == before
    assert "the output must not be an input" not in refused("signals", "read", "--config", "remora.yaml", "-o", "new")
    Path("remora.yaml").write_text("ledger: {place: led.sqlite, stop_file: stopped}\nmonitors: {}\n")
    assert "must not be" not in refused("watch", "fleet.json", "--config", "remora.yaml", "--ledger", "led.sqlite")


def test_a_file_that_settings_name_is_an_input_whatever_it_is_called(here):
    Path("snapshot").write_text("{}")
    Path("remora.yaml").write_text("inventory: {file: snapshot}\n")
    assert "the output must not be an input" in refused("signals", "read", "--config", "remora.yaml", "-o", "snapshot")
    assert Path("snapshot").read_text() == "{}"


def test_a_word_of_settings_is_no_path_whatever_files_there_are(here):
    Path("rules.yaml").write_text("format: remora-policy/1\nrules: [{rule: capacity}]\nname: office\n")
    for name in ("capacity", "office"):
        Path(name).write_text("an old plan")
        assert "the output must not be an input" not in refused(
            "plan", "fleet.json", "--policy", "rules.yaml", "-o", name
        )
    Path("rules.yaml").write_text("x: [./capacity, old.d, .office]\n")
    Path("old.d").write_text("")
    Path(".office").write_text("")
    for name in ("capacity", "old.d", ".office"):
        assert "the output must not be an input" in refused("plan", "fleet.json", "--policy", "rules.yaml", "-o", name)


def test_settings_with_aliases_are_not_expanded(here):
    """No command reads them, so they name nothing; they would name `policy.yaml` half a million times."""
    lines = ["l0: &l0 [policy.yaml]", *(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 7))]
    Path("bomb.yaml").write_text("\n".join(lines))
    assert list(files_named_in(Path("bomb.yaml"))) == []
    assert "an alias (*), which is not read" in refused("signals", "read", "--config", "bomb.yaml", "-o", "new.json")


def test_a_stop_file_is_neither_written_over_nor_taken_for_what_is_no_stop_file(here):
    others = {
        "g.json": '{"format": "remora-fleet/1"}',
        "packed": "\x1f\x00\x08\n\n",
        "one-line.yaml": "policy: default",
        "many": "two\nlines",
        "long": "x" * 5000,
    }
    for name, content in others.items():
        Path(name).write_text(content)
    Path("directory").mkdir()
    open_ledger("led").close()
    before = listing(here)
    for name in (*others, "directory", "led"):
        for word, ledger in (("stop", "none"), ("resume", "led")):
            line = refused(word, "--reason", "x", "--ledger", "led" if name == "led" else ledger, "--stop-file", name)
            assert "--ledger: " in line if name == "led" else "--stop-file: " in line
    assert listing(here) == before
    for name in (*others, "directory"):
        stopped = run("stop", "--reason", "x", "--ledger", "led", "--stop-file", name)
        assert (stopped.code, f"by the ledger alone: --stop-file: '{name}'" in stopped.err) == (1, True)
    assert {k: v for k, v in listing(here).items() if k in others} == {k: v for k, v in before.items() if k in others}
    refused("apply", "fleet.json", "plan.json", "--stop-file", "fleet.json")


@pytest.mark.parametrize(
    ("name", "content"),
    [("stopped", ""), ("stopped", "ann: by hand"), ("stopped", "ann\n"), ("led.stop", "by hand,\nin two lines\n")],
)
def test_a_stop_file_is_one_whoever_wrote_it(here, name, content):
    open_ledger("led").close()
    Path(name).write_text(content)
    words = ("--reason", "y " * 5000, "--ledger", "led", "--stop-file", name)
    for word in ("resume", "stop", "stop", "resume"):
        assert run(word, *words).code == 0
        assert Path(name).exists() == (word == "stop")


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


WORDS = {
    "--driver", "--prometheus", "--fail", "--reason", "--by", "--fleet", "--expect", "--host", "--hosts", "--to",
    "--drain", "--exclude", "--only", "--from", "--balance", "--scheduler", "--gateway", "--listen", "--blocked",
    "--cpu-overcommit", "--flavour", "--like", "--level", "--source", "--taken-at", "--check", "--renew", "--pair",
    "moves", "vm", "subject", "hosts", "name",
}  # fmt: skip
"""Options and arguments whose text is no file's name."""


def test_every_option_says_by_its_type_whether_it_names_a_file():
    """A new text is no file's name: then it is one of `WORDS`; or it may be: then its type is one of `path_types`."""
    loose, names = set(), set()
    for path in leaves(remora):
        command: Any = remora
        for name in path:
            command = command.commands[name]
        for parameter in command.get_params(click.Context(command)):
            option = min(parameter.opts, key=len)
            if isinstance(parameter.type, click.types.StringParamType):
                loose.add(option)
                assert parameter.metavar not in ("FILE", "PATH", "DIR", "CSV", "YAML", "PLAN")
            elif isinstance(parameter.type, MayBeFile):
                names.add(option)
    assert loose <= WORDS
    assert names == {"--undo", "--plan", "plan", "--location", "--token-file", "--ca-file"}


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
