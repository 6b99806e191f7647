"""Runs commands in this process, and says what came out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from cli import remora

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = {0, 1, 2, 3, 4, 10, 11, 130}


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*args: object) -> Outcome:
    """Run `remora` with these arguments; any exit code that the contract does not know is a failure."""
    result = CliRunner().invoke(remora, [str(a) for a in args], prog_name="remora")
    assert result.exit_code in CONTRACT, (args, result.exit_code, result.stderr)
    for text in (result.stdout, result.stderr):
        assert "Traceback" not in text, (args, text)
    assert "internal error" not in result.stderr, (args, result.stderr)
    return Outcome(result.exit_code, result.stdout, result.stderr)


def refused(*args: object) -> str:
    """Run what has to be refused as wrong input: exit code 2, one line on standard error, nothing else."""
    outcome = run(*args)
    assert outcome.code == 2, (args, outcome)
    assert_no_answer(outcome, as_json="--json" in args)
    assert outcome.err.startswith("remora: ")
    assert outcome.err.count("\n") == 1, outcome.err
    return outcome.err


def assert_no_answer(outcome: Outcome, *, as_json: bool) -> None:
    """Standard output holds nothing, or for machines the error: one document, with the line's words."""
    if not as_json:
        assert outcome.out == ""
        return
    error = outcome.json["error"]
    assert error["exit_code"] == outcome.code
    assert outcome.err == f"remora: {error['message']}\n"


def write(path: Path, document: object) -> Path:
    """Write a document as JSON."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def listing(directory: Path) -> dict[str, bytes]:
    """Every file below a directory, with its content."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}
