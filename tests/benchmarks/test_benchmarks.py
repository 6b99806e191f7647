"""The benchmarks measure what they say, and do not take a failure for a result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import cases
from benchmarks.case import CASES, PYTHON, ROOT, Case, Missing, Party, Settings, Trial
from benchmarks.measure import measure
from benchmarks.report import as_document, as_markdown
from benchmarks.runner import run
from cli import remora

PASS, FAIL = (*PYTHON, "-c", "pass"), (*PYTHON, "-c", "raise SystemExit('no such thing')")

assert cases.__name__  # importing the room has filled CASES


@pytest.mark.slow
def test_a_child_is_measured_alone() -> None:
    small, large = (
        measure(PASS),
        measure((*PYTHON, "-c", "x = bytearray(900 * 2**20); sum(range(10**6)); print(len(x))")),
    )
    assert small.exit_code == large.exit_code == 0
    assert large.printed == b"943718400\n"
    assert large.peak_mib >= 900
    assert small.peak_mib < large.peak_mib  # as far as the size of this process allows
    assert 0 < large.cpu_s <= large.wall_s + 1


@pytest.mark.slow
def test_a_child_is_killed_at_its_limit_with_its_children() -> None:
    sleeps = (
        *PYTHON,
        "-c",
        "import subprocess as s, sys; s.run([sys.executable, '-c', 'import time; time.sleep(60)'])",
    )
    measured = measure(sleeps, limit_s=1.0)
    assert measured.stopped
    assert measured.exit_code == -9
    assert 1.0 <= measured.wall_s < 30.0


@pytest.mark.parametrize(
    ("command", "peer", "judge", "verdict", "good"),
    [
        (PASS, PASS, None, "done", True),
        (PASS, PASS, PASS, "verified", True),
        (PASS, PASS, FAIL, "refused (1): no such thing", False),
        (FAIL, PASS, PASS, "exit 1: no such thing", False),
        (PASS, FAIL, PASS, "verified", False),
    ],
)
def test_verdicts(
    command: tuple[str, ...], peer: tuple[str, ...], judge: tuple[str, ...] | None, verdict: str, good: bool
) -> None:
    ours = Party(command, judge=None if judge is None else lambda printed: judge)
    row = run(Trial("x", ours, Party(peer)), 1, lambda text: None)
    assert row.ours.verdict == verdict
    assert row.good is good
    rival = run(Trial("x", ours, Party(peer), peer_must_succeed=False), 1, lambda text: None)
    assert rival.good is rival.ours.good


def test_a_party_over_its_limit_is_no_answer() -> None:
    row = run(Trial("x", Party(PASS), Party((*PYTHON, "-c", "while True: pass"), limit_s=0.5)), 3, lambda text: None)
    assert row.peer.verdict == "stopped at 0.5 s"
    assert row.runs == 1
    assert not row.good


def test_answers_come_from_what_was_printed_and_go_into_the_table() -> None:
    says = (*PYTHON, "-c", "print('{\"moves\": 3}')")
    row = run(Trial("a|b", Party(says, read=json.loads), Party(PASS)), 2, lambda text: None)
    document = as_document([("case", row)], Settings(Path()), "2026-11-21")
    assert document["rows"][0]["ours"]["answer"] == {"moves": 3}
    assert document["rows"][0]["runs"] == 2
    assert json.loads(json.dumps(document)) == document
    table = as_markdown(document).splitlines()
    assert table[-1].startswith("| case | a\\|b | 2 |")
    assert "moves 3" in table[-1]


def test_cases_register_themselves() -> None:
    files = {p.stem for p in (ROOT / "benchmarks" / "cases").glob("*.py")} - {"__init__"}
    assert set(CASES) >= {"reading", "roadef", "repair-given", "repair-generated", "ordering"}
    assert {c.prepare.__module__.rpartition(".")[2] for c in CASES.values()} == files


def test_missing_data_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMORA_DATA", str(tmp_path))
    with pytest.raises(Missing, match="REMORA_DATA"):
        CASES["roadef"].prepare(Settings(tmp_path))


def test_help_names_every_case() -> None:
    shown = CliRunner().invoke(remora, ["bench", "--help"])
    assert shown.exit_code == 0
    assert all(name in shown.output for name in CASES)


def test_bench_prints_the_figures_and_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        CASES, "reading", Case("reading", "", lambda settings: [Trial("one", Party(PASS), Party(PASS))])
    )
    out = tmp_path / "figures.json"
    done = CliRunner().invoke(remora, ["bench", "reading", "--repeat", "2", "--json", "-o", str(out)])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == json.loads(out.read_bytes())
    assert [(r["label"], r["runs"]) for r in json.loads(done.stdout)["rows"]] == [("one", 2)]


def test_only_some_trials_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = [Trial(label, Party(PASS), Party(PASS)) for label in ("one, 60 s", "two, 60 s", "three, 60 s")]
    monkeypatch.setitem(CASES, "reading", Case("reading", "", lambda settings: trials))
    done = CliRunner().invoke(remora, ["bench", "reading", "--repeat", "1", "--json", "--only", "e,", "--only", "wo"])
    assert done.exit_code == 0
    assert [r["label"] for r in json.loads(done.stdout)["rows"]] == ["one, 60 s", "two, 60 s", "three, 60 s"]
    done = CliRunner().invoke(remora, ["bench", "reading", "--repeat", "1", "--json", "--only", "two", "--only", "th"])
    assert [r["label"] for r in json.loads(done.stdout)["rows"]] == ["two, 60 s", "three, 60 s"]
    none = CliRunner().invoke(remora, ["bench", "reading", "--only", "four"])
    assert none.exit_code == 1
    assert "reading: no trial has 'four' in its name: it has 'one, 60 s', 'two, 60 s', 'three, 60 s'" in none.stderr


@pytest.mark.usefixtures("data_dir")
def test_instances_get_the_time_that_is_asked(tmp_path: Path) -> None:
    trials = CASES["roadef"].prepare(Settings(tmp_path, instance_s=7))
    assert len(trials) == 18
    for trial in trials:
        assert trial.ours.command[trial.ours.command.index("--time-limit") + 1] == "7"
        assert trial.label.endswith(", 7 s")


def test_bench_leaves_with_1_where_an_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial("one", Party(PASS, judge=lambda printed: FAIL), Party(PASS))
    monkeypatch.setitem(CASES, "reading", Case("reading", "", lambda settings: [trial]))
    done = CliRunner().invoke(remora, ["bench", "reading", "--quick"])
    assert done.exit_code == 1
    assert "refused" in done.stdout


def test_bench_says_what_is_left_out_and_that_nothing_measured_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMORA_DATA", str(tmp_path))
    done = CliRunner().invoke(remora, ["bench", "roadef"])
    assert done.exit_code == 1
    assert "roadef: left out" in done.stderr
