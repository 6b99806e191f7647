"""A program that is asked: an argument vector, no shell, a deadline, and an environment without secrets.

It runs in a process group of its own, which is killed as a whole at the deadline. It is given `PATH`, `HOME` and what
says which language and time zone it speaks, and the variables that the policy names; nothing else of this process's
environment, where tokens may be.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from typing import TYPE_CHECKING

from optimizer.errors import printable, shorten
from optimizer.execute.drivers.command.arguments import Unfit
from optimizer.execute.guards.pending import Answer, Given
from optimizer.execute.programs import NotStarted, end_group, start_program
from optimizer.sources.environment import concealed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optimizer.clock import Clock
    from optimizer.execute.guards.pending import Pending

__all__ = ["Command", "begin", "filled_in"]

TEXT_SHOWN = 200
TEXT_KEPT = 4096
DEAD_WITHIN_S = 5.0


def filled_in(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Return the arguments with ``{name}`` filled in; a value never becomes more than a part of its argument.

    Raises
    ------
    Unfit
        A value would be read as an option, such as that of a VM called ``--force``; behind ``--`` none is.
    """
    words: list[str] = []
    for argument in command:
        filled = re.sub(r"\{([a-z_]+)\}", lambda m: values.get(m[1], m[0]), argument)
        if filled.startswith("-") and not argument.startswith("-") and "--" not in words:
            raise Unfit(
                f"{argument} would be {shorten(filled)}, which is read as an option: "
                f"write --option={argument}, or -- before it"
            )
        words.append(filled)
    return words


def begin(
    command: Sequence[str], values: Mapping[str, str], deadline_s: float, environment: Mapping[str, str], clock: Clock
) -> Pending[Answer]:
    """Start a program with values in its arguments; what cannot be filled in is answered at once, and not good."""
    try:
        return Command(filled_in(command, values), deadline_s, environment, clock)
    except Unfit as error:
        return Given(Answer(False, str(error)))


class Command:
    """A program that runs; good where it exits with 0, and the text is the last line that it wrote."""

    def __init__(self, command: Sequence[str], deadline_s: float, environment: Mapping[str, str], clock: Clock) -> None:
        self._clock, self._deadline_s = clock, deadline_s
        self._until = clock.monotonic() + deadline_s
        self._name, self._text, self._failed = command[0], b"", ""
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = start_program(command, environment, subprocess.PIPE, subprocess.STDOUT)
        except NotStarted as error:
            self._failed = printable(f"{self._name} cannot be started: {error}")
            return
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)

    def poll(self) -> Answer | None:
        """Return the answer once the program has ended, or its deadline has passed."""
        process = self._process
        if process is None:
            return Answer(False, self._failed)
        self._read()
        code = process.poll()
        if code is None:
            if self._clock.monotonic() < self._until:
                return None
            self.give_up()
            return Answer(False, f"{printable(self._name)} gave no answer within {self._deadline_s:g} s")
        self._read()
        self._close()
        how = f"exit {code}" if code >= 0 else f"killed by signal {-code}"
        last = self._last_line()
        return Answer(code == 0, last if code == 0 else f"{how}{': ' * bool(last)}{last}")

    def give_up(self) -> None:
        """Kill the program and all that it has started in its group."""
        if self._process is None:
            return
        end_group(self._process, DEAD_WITHIN_S)
        self._close()

    def _read(self) -> None:
        """Take what was written, so that the program never waits for a reader; only the end of it is kept."""
        assert self._process is not None
        assert self._process.stdout is not None
        if self._process.stdout.closed:
            return
        for _ in range(256):  # a program that writes without end does not keep this one from its deadline
            with contextlib.suppress(BlockingIOError):
                more = os.read(self._process.stdout.fileno(), 65536)
                self._text = (self._text + more)[-TEXT_KEPT:]
                if more:
                    continue
            return

    def _close(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def _last_line(self) -> str:
        lines = [line for line in self._text.decode("utf-8", "replace").splitlines() if line.strip()]
        return printable(concealed(lines[-1].strip(), self._environment))[:TEXT_SHOWN] if lines else ""
