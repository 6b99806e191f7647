"""Runs `remora` in forks of one process that has loaded all of it: a start takes ten times as long as most commands.

    python -m tests.forked SOCKET

Each is a process of its own, with the directory, the environment, the words and the three streams of who asked.
"""

from __future__ import annotations

import io
import marshal
import os
import pkgutil
import socket
import subprocess
import sys
import traceback
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["forking", "serve", "stub"]

ROOT = Path(__file__).resolve().parent.parent
BROKEN = 70

ASK = """import _socket, marshal, posix, sys
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.connect(sys.argv[1])
asked = marshal.dumps((sys.argv[2:], posix.getcwd(), dict(posix.environ)))
streams = b"".join(n.to_bytes(4, sys.byteorder) for n in range(3))
server.sendmsg([len(asked).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
server.sendall(asked)
code = server.recv(4)
sys.exit(int.from_bytes(code, "big") if code else {broken})
"""
"""What asks, with no more than Python has built in."""


def stub(server: Path) -> str:
    """Return the text of a program that has the server run `remora`."""
    ask = server.with_suffix(".py")
    ask.write_text(ASK.format(broken=BROKEN))
    return f'#!/bin/sh\nexec "{sys.executable}" -I -S "{ask}" "{server}" "$@"\n'


@contextmanager
def forking(directory: Path, env: dict[str, str]) -> Iterator[Path]:
    """Start a server and yield its socket; it ends with the context."""
    path = directory / "server"
    words = [sys.executable, "-m", "tests.forked", str(path)]
    with subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        try:
            yield path
        finally:
            server.kill()


def main(path: str) -> None:
    """Load everything, and run `remora` for whoever asks."""
    import cli

    for room in ("commands", "constraints", "optimizer"):
        package = import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            with suppress(ImportError):  # what wants an extra that is not installed
                import_module(module.name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen()
        print("ready", flush=True)
        serve(server, cli.main)


def serve(server: socket.socket, run: Callable[[], None]) -> None:
    """Run this for whoever asks, each time in a fork."""
    while True:
        asker, _ = server.accept()
        if not os.fork():
            server.close()
            _answer(asker, run)
        asker.close()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # and so what they worked is counted
                pass


def _answer(asker: socket.socket, run: Callable[[], None]) -> None:
    """Do what is asked in a process of its own, and say how that has ended, be it by itself in the midst of it."""
    length, streams, *_ = socket.recv_fds(asker, 4, 3)
    asked = b""
    while len(asked) < int.from_bytes(length, "big"):
        part = asker.recv(1 << 20)
        if not part:
            os._exit(BROKEN)  # who asked is gone
        asked += part
    child = os.fork()
    if not child:
        asker.close()
        _run(run, streams, *marshal.loads(asked))
    for stream in streams:
        os.close(stream)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    asker.sendall((code if code >= 0 else 128 - code).to_bytes(4, "big"))  # by a signal: as a shell says it
    os._exit(0)


def _run(
    run: Callable[[], None],
    streams: Sequence[int],
    words: Sequence[str],
    directory: str,
    environment: dict[bytes, bytes],
) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8", "surrogateescape")
    sys.stdout, sys.stderr = _unbuffered(1, "surrogateescape"), _unbuffered(2, "backslashreplace")
    os.chdir(directory)
    os.environb.clear()
    os.environb.update(environment)
    sys.argv = ["remora", *words]
    code = 1
    try:
        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _unbuffered(number: int, errors: str) -> io.TextIOWrapper:
    """Return a stream as Python opens it where PYTHONUNBUFFERED is set and LC_ALL is C.UTF-8."""
    return io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8", errors, write_through=True)


if __name__ == "__main__":
    main(sys.argv[1])
