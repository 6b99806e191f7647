"""The commands of the pages: found, run in order, and compared with the output that stands below them.

In a fenced block marked ``console`` a line that starts with ``$ `` is a command, and the lines up to the next one are
what it prints, standard error included. A command ends with ``# exit 1`` where it is meant to leave with 1. A line
``...`` alone stands for any number of lines. The blocks of one page share a directory, which starts as a copy of
``docs/examples``, and where signals are read, a Prometheus that speaks of the fleet there. Digits count, except on
lines that tell how long this machine took or how much memory it used.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.signals.examples import measured_examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ENVIRONMENT", "PROGRAM", "ROOT", "Example", "agrees", "examples", "pages", "run_page", "updated"]

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs" / "examples"
PROGRAM = f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "cli.py"}" "$@"\n'
TIMEOUT_S = 120
ENVIRONMENT = {
    "COLUMNS": "100",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",  # so that both streams come in the order in which they were written
}
FENCE = re.compile(r"^(?P<indent> *)```console\n(?P<body>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
EXIT = re.compile(r"\s+# exit (\d+)$")
MEASURED_HERE = re.compile(r"\bseconds\b|\bpeak\b|peak_rss_mib|made_at|\bin \d+\.\d+ s$")


@dataclass(frozen=True, slots=True)
class Example:
    """A command of a page: where its lines start (counted from 0), what it should print, and how it should end."""

    line: int
    command: str
    expected: tuple[str, ...]
    exit_code: int


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed, and how it ended."""

    example: Example
    printed: tuple[str, ...]
    exit_code: int

    @property
    def as_written(self) -> bool:
        """Whether it did what its page says."""
        return self.exit_code == self.example.exit_code and agrees(self.example.expected, self.printed)


def pages() -> list[Path]:
    """Return every page that is for readers."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples(text: str) -> Iterator[Example]:
    """Yield the commands of a page."""
    for fence in FENCE.finditer(text):
        first = text.count("\n", 0, fence.start("body"))
        lines = [line[len(fence["indent"]) :] for line in fence["body"].split("\n")[:-1]]
        starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
        if starts[:1] != [0]:
            raise ValueError(f"line {first + 1}: a console block starts with a command, '$ ...'")
        for i, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            command = lines[i][2:]
            code = EXIT.search(command)
            yield Example(first + i, EXIT.sub("", command), tuple(lines[i + 1 : end]), int(code[1]) if code else 0)


def run_page(page: Path, directory: Path, program: str = PROGRAM) -> list[Ran]:
    """Run the commands of a page, in order, in a directory of their own; `program`: the text of `remora`."""
    work, tools = directory / "work", directory / "bin"
    shutil.copytree(EXAMPLES, work)
    tools.mkdir()
    remora = tools / "remora"
    remora.write_text(program)
    remora.chmod(0o755)
    python = tools / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    env = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(directory), **ENVIRONMENT}
    text = page.read_text("utf-8")
    with measured_examples(EXAMPLES) if "remora signals" in text else nullcontext("") as url:
        more = {"REMORA_PROMETHEUS": url, "PROMETHEUS_TOKEN": "of-no-account"} if url else {}
        return [_run(example, work, env | more) for example in examples(text)]


def _run(example: Example, work: Path, env: dict[str, str]) -> Ran:
    done = subprocess.run(
        ["bash", "-c", example.command],
        cwd=work,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    printed = done.stdout.removesuffix("\n").split("\n") if done.stdout else []
    return Ran(example, tuple(line.rstrip() for line in printed), done.returncode)


def agrees(expected: Sequence[str], printed: Sequence[str]) -> bool:
    """Compare line by line; ``...`` alone on a line matches any number of lines."""
    if not expected:
        return not printed
    if expected[0] == "...":
        return any(agrees(expected[1:], printed[i:]) for i in range(len(printed) + 1))
    if not printed or _comparable(expected[0]) != _comparable(printed[0]):
        return False
    return agrees(expected[1:], printed[1:])


def _comparable(line: str) -> str:
    return re.sub(r"[\d,.]*\d", "#", line) if MEASURED_HERE.search(line) else line.rstrip()


def updated(text: str, results: Sequence[Ran]) -> str:
    """Return a page with what its commands really print, where that is not what stands there."""
    lines = text.split("\n")
    for ran in sorted(results, key=lambda r: -r.example.line):
        if ran.as_written:
            continue
        at = ran.example.line
        indent = " " * (len(lines[at]) - len(lines[at].lstrip(" ")))
        code = f"  # exit {ran.exit_code}" if ran.exit_code else ""
        printed = [(indent + line).rstrip() for line in ran.printed]
        lines[at : at + 1 + len(ran.example.expected)] = [f"{indent}$ {ran.example.command}{code}", *printed]
    return "\n".join(lines)
