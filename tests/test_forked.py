"""A command in a fork prints and ends as one that was started: most of what the pages print is taken from forks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.documents import ENVIRONMENT
from tests.forked import serve, stub

if TYPE_CHECKING:
    from collections.abc import Iterator

WAYS = (
    "print(sys.argv[1:], os.getcwd(), sorted(os.environ), sys.stdin.read())",
    "print(sys.stdout.encoding, sys.stdin.errors, sys.stdout.errors, sys.stderr.errors)",
    "print('first'); print('second', file=sys.stderr); print('third')",
    "pass",
    "sys.exit(3)",
    "sys.exit()",
    "sys.exit('why')",
    "print('left'); os._exit(7)",
    "os.kill(os.getpid(), signal.SIGKILL)",
    "raise ValueError('why')",
)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Path]:
    """What runs `code.py` of its directory in a fork."""
    place, program = tmp_path / "server", tmp_path / "program"
    program.write_text(stub(place))
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(place))
        server.listen()
        process = os.fork()
        if not process:
            serve(server, lambda: exec(Path("code.py").read_text(), {}))
    yield program
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def test_in_a_fork_it_prints_and_ends_as_a_process_of_its_own(program: Path, tmp_path: Path) -> None:
    for number, way in enumerate(WAYS):
        here = tmp_path / str(number)
        here.mkdir()
        (here / "code.py").write_text(f"import os, signal, sys\n{way}\n")
        alone = said((sys.executable, "code.py", "a", "b c"), here)
        assert said((str(program), "a", "b c"), here) == alone, way


def said(words: tuple[str, ...], directory: Path) -> tuple[int, list[str]]:
    """Return how it ends, as a shell says it, and the last three lines that it prints."""
    environment = {"PATH": os.environ["PATH"], "HERE": "1", **ENVIRONMENT}
    done = subprocess.run(
        ["bash", "-c", '"$@" <<< said; exit $?', "bash", *words],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if "Killed" not in line and not line.startswith(("  ", "    "))]
    return done.returncode, lines[-3:]
