"""Programs that are run: an argument vector, no shell, a deadline, a bound on what they print; ended with their group.

What a program says in an error is shown without the user and the parameters of a URI, and without any value of the
environment whose name says that it is a secret.
"""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.errors import printable
from optimizer.execute.programs import NotStarted, end_group, start_program
from optimizer.sources.environment import LEAST_SECRET
from optimizer.sources.libvirt.hosts import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Ended", "Environment", "NotAnswered", "NotStarted", "Waiting", "run", "start"]

CHUNK = 65536
SAID = 200
"""Characters of a program's last words that are kept."""

LINGER_S = 0.2
"""How long output is read on after the program has ended: what it left in the background may hold it open."""

SECRET = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|(_|^)KEY(_|$)", re.IGNORECASE)


class NotAnswered(Exception):
    """The program was ended: it took too long, or printed too much. What it has done, nobody knows."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended; a negative code is the signal that ended it."""

    code: int
    out: bytes
    err: bytes


@dataclass(frozen=True)
class Environment:
    """What programs are given beside their arguments; `secrets` are never shown."""

    variables: Mapping[str, str]
    secrets: frozenset[str]

    @classmethod
    def of(cls, inherited: Mapping[str, str], more: Mapping[str, str], secret: Sequence[str]) -> Environment:
        """Return an environment: the inherited one, and more; `secret` are values that came from files."""
        variables = {**inherited, "LC_ALL": "C.UTF-8", "LANGUAGE": "", **more}
        named = {value for name, value in variables.items() if SECRET.search(name)}
        return cls(variables, frozenset(value for value in {*named, *secret} if len(value) >= LEAST_SECRET))

    def last_words(self, raw: bytes) -> str:
        """Return the last line of an output, fit to be shown."""
        lines = [line for line in raw[-CHUNK:].decode("utf-8", "replace").splitlines() if line.strip()]
        return self.fit(lines[-1].strip()) if lines else ""

    def fit(self, text: str) -> str:
        """Return a text without secrets, control characters and excess length."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "...")
        text = printable(shown(text))
        return text if len(text) <= SAID else text[: SAID - 1] + "…"


def run(words: Sequence[str], environment: Environment, deadline_s: float, limit: int) -> Ended:
    """Run a program to its end.

    Raises
    ------
    NotStarted
        There is no such program, or it may not be run.
    NotAnswered
        It took longer than `deadline_s`, or printed more than `limit` bytes; it and its group were killed.
    """
    process = start_program(words, environment.variables, subprocess.PIPE, subprocess.PIPE)
    try:
        out, err = _read(process, time.monotonic() + deadline_s, limit)
        return Ended(process.wait(), out, err)
    except _TooLong as error:
        raise NotAnswered(f"no answer within {deadline_s:g} s") from error
    except _TooMuch as error:
        raise NotAnswered(f"more than {limit} bytes of output") from error
    finally:
        if process.poll() is None:
            end_group(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


class Waiting:
    """A program that is waited for while other things are done; it goes on where this process ends."""

    def __init__(self, process: subprocess.Popen[bytes], output: Any, deadline_s: float, limit: int) -> None:
        self._process, self._output, self._limit = process, output, limit
        self._end = time.monotonic() + deadline_s
        self.overdue = False
        self._said: Ended | None = None

    def ended(self) -> Ended | None:
        """Return how it ended, None while it goes on; after its deadline it is killed, and `overdue` says so."""
        if self._said is not None:
            return self._said
        code = self._process.poll()
        if code is None and time.monotonic() >= self._end:
            self.overdue = True
            end_group(self._process)
            code = self._process.wait()
        size = os.fstat(self._output.fileno()).st_size
        if code is None:
            if size > self._limit:
                os.ftruncate(self._output.fileno(), 0)  # it appends: what comes stands at the new end
            return None
        said = os.pread(self._output.fileno(), self._limit, max(0, size - self._limit))
        self._output.close()
        self._said = Ended(code, said, said)
        return self._said


def start(words: Sequence[str], environment: Environment, deadline_s: float, limit: int) -> Waiting:
    """Start a program in a session of its own, its output in a file that has no name: no pipe of ours can break.

    Raises
    ------
    NotStarted
        There is no such program, or it may not be run.
    """
    output = tempfile.TemporaryFile("ab+", buffering=0)  # noqa: SIM115 - it is open as long as the program runs
    return Waiting(start_program(words, environment.variables, output, output), output, deadline_s, limit)


class _TooLong(Exception):
    pass


class _TooMuch(Exception):
    pass


def _read(process: subprocess.Popen[bytes], end: float, limit: int) -> tuple[bytes, bytes]:
    assert process.stdout is not None
    assert process.stderr is not None
    found: dict[object, bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            over = process.poll() is not None
            ready = selector.select(LINGER_S if over else min(LINGER_S, max(0.0, end - time.monotonic())))
            for key, _ in ready:
                data = os.read(key.fd, CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                found[key.fileobj] += data
            if sum(map(len, found.values())) > limit:
                raise _TooMuch
            if over and not ready:
                break
            if time.monotonic() >= end:
                raise _TooLong
    while process.poll() is None:
        if time.monotonic() >= end:
            raise _TooLong
        time.sleep(0.005)
    return bytes(found[process.stdout]), bytes(found[process.stderr])
