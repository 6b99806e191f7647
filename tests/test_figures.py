"""The figures: each is a command that is there, and what runs them says which did not hold."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from tests import figures
from tests.figures import FIGURES, ROOT, Figure, main


def test_each_has_a_name_of_its_own() -> None:
    assert len({(f.area, f.name) for f in FIGURES}) == len(FIGURES)


@pytest.mark.rotating
@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.name)
def test_each_is_a_command_that_is_there(figure: Figure) -> None:
    """Its program knows its options: with --help behind them it says what it does, and runs nothing."""
    done = subprocess.run((sys.executable, *shlex.split(figure.command), "--help"), cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert b"sage: " in done.stdout


def planted(name: str, code: str) -> Figure:
    return Figure("test", name, "to end with 0", f"-c {shlex.quote(code)}")


def test_it_says_which_did_not_hold(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(figures, "FIGURES", (planted("good", "print('found')"), planted("bad", "exit(1)")))
    assert main(["--only", "good"]) == 0
    assert main([]) == 1
    printed = capfd.readouterr().out
    assert "found" in printed
    assert "| test, good | to end with 0 | held |" in printed
    assert "| test, bad | to end with 0 | **NOT held** |" in printed


def test_one_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(figures, "FIGURES", (planted("endless", "import time; time.sleep(60)"),))
    monkeypatch.setattr(figures, "LONGEST_S", 0.5)
    assert main([]) == 1
    assert "did not end" in capfd.readouterr().out


def test_one_that_wants_a_server_that_is_not_here_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wanting = Figure("test", "served", "to end with 0", f"-c 0 {figures.POSTGRES}")
    monkeypatch.setattr(figures, "FIGURES", (wanting,))
    monkeypatch.setattr("tests.execute.postgres_server.missing", lambda: "no PostgreSQL here")
    assert main([]) == 1
    assert "no PostgreSQL here" in capfd.readouterr().out


def test_what_is_not_there_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "no such"]) == 2
    assert "--list" in capfd.readouterr().err
    assert main(["--list", "--only", "capacity"]) == 0
    assert "benchmarks.whatif seconds" in capfd.readouterr().out
