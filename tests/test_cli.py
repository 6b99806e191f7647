"""The command line as a whole: help, versions, errors, hostile names, streams. Each command has tests of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli import remora
from commands.boundary import Remora
from tests import build
from tests.command_line import listing, refused, run, write

ROOT = Path(__file__).parents[1]
COMMANDS = list(remora.commands)

HOSTILE = "\x1b[31m<script>alert(1)</script>[bold]\u202e\u009b"
"""HTML, an ANSI escape, rich markup, a mark that turns the writing, and a C1 control character."""


def remora_process(*args, **extra):
    return subprocess.run(
        [sys.executable, ROOT / "cli.py", *map(str, args)], capture_output=True, text=True, timeout=60, **extra
    )


@pytest.fixture
def fleet(tmp_path):
    hosts = [build.host("h0", memory=1000), build.host("h1", memory=1000)]
    return write(tmp_path / "fleet.json", build.document(hosts, [build.vm("v0", "h0", memory=1200)]))


def test_no_arguments_help():
    outcome = run()
    assert outcome.code == 0
    assert all(name in outcome.out for name in COMMANDS)
    assert outcome.out == run("--help").out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name):
    assert run(name, "--help").code == 0
    command = remora.commands[name]
    with click.Context(command) as context:
        for parameter in command.get_params(context):
            if isinstance(parameter, click.Option):
                assert parameter.help, parameter.name


def test_the_version_is_the_packages():
    from importlib.metadata import version

    assert run("--version").out == f"remora {version('remora')}\n"


def test_help_imports_nothing_heavy():
    code = "import sys, cli; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    heavy = {"numpy", "ortools", "networkx", "pydantic", "rich", "yaml", "constraints", "orjson", "sqlite3"}
    assert heavy.isdisjoint(found.stdout.split())


def test_a_check_loads_no_solver():
    code = "import sys, cli; sys.argv[1:] = ['check', sys.argv[1]]\ntry: cli.main()\nfinally: print(*sys.modules)"
    fleet = str(ROOT / "tests" / "scenarios" / "eligible_busy.json")
    found = subprocess.run([sys.executable, "-c", code, fleet], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "numpy" in found.stdout.split()
    others = {"networkx", "numba", "pandas", "optimizer.pipeline", "optimizer.sources.policy_execution"}
    assert {"ortools", *others}.isdisjoint(found.stdout.split())


BAD_COMMAND_LINES = [
    ["nonsense"],
    ["--nonsense"],
    ["plan"],
    ["plan", "FLEET", "--time-limit", "0"],
    ["plan", "FLEET", "--time-limit", "-1"],
    ["plan", "FLEET", "--time-limit", "nan"],
    ["plan", "FLEET", "--time-limit", "inf"],
    ["plan", "FLEET", "--time-limit", "soon"],
    ["plan", "FLEET", "--gap", "-0.1"],
    ["plan", "FLEET", "--gap", "1"],
    ["plan", "FLEET", "--gap", "nan"],
    ["plan", "FLEET", "--gap", "5%"],
    ["plan", "FLEET", "--memory-limit", "1"],
    ["plan", "FLEET", "--workers", "0"],
    ["plan", "FLEET", "--workers", "1.5"],
    ["plan", "FLEET", "--seed", "-1"],
    ["plan", "FLEET", "--seed", "99999999999999999999"],
    ["plan", "FLEET", "--format", "xml"],
    ["plan", "FLEET", "--json", "--format", "csv"],
    ["plan", "FLEET", "-o", "DIR"],
    ["plan", "FLEET", "-o", "DIR/none/plan.json"],
    ["plan", "FLEET", "-o", "FLEET"],
    ["plan", "FLEET", "--policy", "no-such-policy"],
    ["plan", "FLEET", "--policy", "DIR"],
    ["plan", "FLEET", "--overlay", "DIR/none.yaml"],
    ["plan", "DIR"],
    ["plan", "DIR/none.json"],
    ["plan", "FLEET", "extra"],
    ["check"],
    ["check", "DIR/none.json"],
    ["check", "FLEET", "--policy"],
    ["verify", "FLEET"],
    ["verify", "FLEET", "FLEET"],
    ["apply", "FLEET"],
    ["apply", "FLEET", "FLEET"],
    ["apply", "FLEET", "FLEET", "-o", "DIR/after.json"],
    ["apply", "FLEET", "FLEET", "--fail", "m0001"],
    ["apply", "FLEET", "FLEET", "--act", "--ledger", "FLEET"],
    ["explain", "FLEET"],
    ["explain", "FLEET", "nobody"],
    ["explain", "FLEET", "h0", "--to", "h1"],
    ["explain", "FLEET", "v0", "--to", "nowhere"],
    ["explain", "FLEET", "v0", "--plan", "FLEET"],
    ["show"],
    ["show", "DIR"],
    ["import", "-o", "DIR/out.json"],
    ["import", "--hosts", "DIR/none.csv", "--vms", "DIR/none.csv", "-o", "DIR/out.json"],
    ["import", "--hosts", "FLEET", "--vms", "FLEET", "-o", "DIR/out.json"],
    ["import", "--hosts", "FLEET", "--vms", "FLEET", "-o", "DIR/out.json", "--taken-at", "yesterday"],
    ["generate", "--hosts", "0", "-o", "DIR/out.json"],
    ["generate", "--hosts", "many", "-o", "DIR/out.json"],
    ["generate", "--full-disks", "1.5", "-o", "DIR/out.json"],
    ["generate", "--hot", "nan", "-o", "DIR/out.json"],
    ["generate", "--taken-at", "now", "-o", "DIR/out.json"],
    ["rules", "no_such_rule"],
    ["rules", "capacity", "headroom"],
    ["schema"],
    ["schema", "everything"],
    ["bench", "no_such_case"],
    ["bench", "--repeat", "0"],
    ["bench", "-o", "DIR"],
    ["roadef"],
    ["roadef", "solve"],
    ["roadef", "solve", "FLEET", "FLEET", "-o", "DIR/out.txt"],
    ["roadef", "solve", "DIR/none", "DIR/none", "-o", "DIR/out.txt"],
    ["roadef", "bound"],
    ["roadef", "bound", "FLEET", "FLEET"],
    ["roadef", "bound", "DIR/none", "DIR/none"],
]


@pytest.mark.parametrize("line", BAD_COMMAND_LINES, ids=" ".join)
def test_a_bad_command_line_is_refused_and_nothing_is_written(line, fleet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = listing(tmp_path)
    refused(*(part.replace("FLEET", str(fleet)).replace("DIR", str(tmp_path)) for part in line))
    assert listing(tmp_path) == before


def test_an_error_names_file_field_value_and_what_was_expected(tmp_path):
    document = build.document([build.host("h0", memory=1000)], [build.vm("v0", "h1", memory=5)])
    error = refused("show", write(tmp_path / "fleet.json", document))
    for words in ("fleet.json", "vms[0].host", "'h1'", "expected"):
        assert words in error


def hostile_fleet(tmp_path):
    hosts = [build.host(f"h{HOSTILE}", memory=1000), build.host("h1", memory=1000)]
    document = build.document(hosts, [build.vm("v0", f"h{HOSTILE}", memory=1200)])
    return write(tmp_path / "fleet.json", document)


def harmless(text):
    return all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize("command", ["show", "check", "explain"])
def test_hostile_names_come_out_harmless(command, tmp_path):
    path = hostile_fleet(tmp_path)
    for extra in ([], ["--json"]):
        outcome = run(command, path, *(["v0"] if command == "explain" else []), *extra)
        assert harmless(outcome.out)
        assert harmless(outcome.err)


def test_markup_in_names_is_shown_and_not_obeyed(tmp_path):
    name = "<b>&[red]x[/red]</b>:boom:"
    path = write(tmp_path / "f.json", build.document([build.host(name, memory=5)], [build.vm("v0", name, memory=9)]))
    outcome = run("check", path)
    assert outcome.code == 1
    assert name in outcome.out
    assert run("check", path, "--json").json["violations"][0]["subject"] == name


def test_hostile_command_lines_come_out_harmless(fleet):
    for args in (["rules", HOSTILE], ["explain", fleet, HOSTILE], [HOSTILE], ["show", f"/{HOSTILE}"]):
        assert harmless(refused(*args))


@pytest.mark.parametrize("name", ["check", "show"])
def test_json_is_one_document_and_nothing_else(name, fleet):
    outcome = run(name, fleet, "--json")
    assert isinstance(outcome.json, dict)
    assert outcome.err == ""


def test_check_tells_a_clean_fleet_from_a_broken_one(fleet, tmp_path):
    clean = write(tmp_path / "clean.json", build.document([build.host("h0", memory=9)], [build.vm("v0", "h0")]))
    assert run("check", clean).code == 0
    assert run("check", fleet).code == 1


def test_a_fault_of_ours_is_one_line_that_asks_for_a_report():
    @click.group(cls=Remora)
    def group():
        pass

    @group.command("break")
    def broken():
        raise ZeroDivisionError("a\x1b[2J\nb")

    from click.testing import CliRunner

    result = CliRunner().invoke(group, ["break"])
    assert result.exit_code == 70
    assert result.stderr.startswith("remora: internal error: ZeroDivisionError: a")
    assert "test_cli.py:" in result.stderr
    assert "please report" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (click.Abort(), 130), (MemoryError(), 70), (OSError(28, "full"), 2)]
)
def test_every_way_to_end_has_its_code(error, code):
    @click.group(cls=Remora)
    def group():
        pass

    @group.command("end")
    def end():
        raise error

    from click.testing import CliRunner

    result = CliRunner().invoke(group, ["end"])
    assert result.exit_code == code
    assert result.stderr.strip().count("\n") == 0  # click ends the line of a ^C


# -- real processes --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_as_a_process(fleet):
    outcome = remora_process("check", fleet, "--json")
    assert outcome.returncode == 1
    assert json.loads(outcome.stdout)["clean"] is False
    assert outcome.stderr == ""


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    hosts = [build.host(f"h{n}", memory=1000 + n) for n in range(2000)]
    path = write(tmp_path / "many.json", build.document(hosts, []))
    read, written = os.pipe()
    os.close(read)
    try:
        outcome = subprocess.run(
            [sys.executable, ROOT / "cli.py", "show", path, "--json"],
            stdout=written,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(written)
    assert outcome.stderr == ""
    assert outcome.returncode == 0


def test_a_full_disk_is_said(fleet):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        outcome = subprocess.run(
            [sys.executable, ROOT / "cli.py", "show", fleet],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("remora: ")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("closed", "code", "said"), [(">&-", 0, ""), ("2>&-", 2, ""), (">&- 2>&-", 0, ""), ("<&-", 0, "fleet")]
)
def test_a_stream_that_is_closed_is_no_fault(closed, code, said, fleet, tmp_path):
    """What would go to standard error never goes to standard output instead, nor either into a file opened later."""
    what = "nofile" if code else str(fleet)
    line = f"{sys.executable} {ROOT / 'cli.py'} show {what} {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert said in done.stdout.lower()
    assert bool(done.stdout) == bool(said)


def test_an_ascii_terminal_gets_escapes_instead_of_an_error(tmp_path):
    path = write(tmp_path / "f.json", build.document([build.host("hé漢", memory=5)], []))
    outcome = remora_process("show", path, env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert outcome.returncode == 0
    assert "h\\xe9" in outcome.stdout


@pytest.mark.slow
def test_colours_on_a_terminal_only(fleet):
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"}
    env.pop("NO_COLOR", None)
    with subprocess.Popen(
        [sys.executable, ROOT / "cli.py", "check", fleet], stdout=follower, stderr=follower, env=env
    ) as process:
        os.close(follower)
        seen = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:
                break
            if not chunk:
                break
            seen += chunk
        assert process.wait(60) == 1
    os.close(leader)
    assert b"\x1b[" in seen
    assert "\x1b" not in remora_process("check", fleet).stdout


SOON = """
import os, signal, sys, threading
timer = threading.Timer({wait}, os.kill, (os.getpid(), signal.SIGINT))
timer.daemon = True
sys.argv = ["remora", *{words}]
timer.start()
import cli
cli.main()
"""


def test_names_of_commands_in_a_group_are_completed():
    asked = {**os.environ, "COMP_WORDS": "remora whatif ", "COMP_CWORD": "2", "_REMORA_COMPLETE": "bash_complete"}
    code = 'from cli import remora; remora.main(prog_name="remora")'
    done = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert "plain,fit" in done.stdout.split()
    assert done.stderr == ""


BEFORE = """
import sys
sys.argv = ["remora", "check", "fleet.json"]
import cli
def interrupted():
    raise KeyboardInterrupt
cli.process_age_s = interrupted
cli.main()
"""


def test_ctrl_c_before_anything_handles_it_is_no_traceback():
    done = subprocess.run([sys.executable, "-c", BEFORE], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stderr) == (130, "remora: interrupted\n")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "plan", "verify"])
def test_ctrl_c_while_libraries_load_is_no_traceback(command, fleet):
    """At ten moments between the start and the end of loading."""
    words = [command, str(fleet), *([str(fleet)] if command == "verify" else [])]
    for number in range(10):
        code = SOON.format(wait=0.02 + 0.06 * number, words=words)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr
        assert done.returncode in (0, 1, 2, 130)
