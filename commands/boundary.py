"""The edge of the program: every way to end becomes one clear line and an exit code of the contract, no traceback.

=====  ======================================================
0      done, nothing wrong
1      done, and something needs attention
2      the input or the command line is wrong; nothing was written
3      no plan in time
4      stopped by a safety
10, 11 `plan --exit-code`: moves to make; something needs attention
70     an internal error: a fault in Remora itself, which says so; or out of memory
130    interrupted
=====  ======================================================

With ``--json`` an end without an answer is one JSON document too: ``{"error": {"exit_code": 2, "message": ...}}``.
"""

from __future__ import annotations

import sys
from enum import IntEnum
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.listing import Group
from commands.outputs import guarded
from commands.signals import Handler, handle_from_now_on
from commands.streams import have_streams, survive_odd_names, to_nowhere, unwritable
from optimizer.errors import InputError, RemoraError, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Exit", "Remora", "complain", "print_version"]


class Exit(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    ATTENTION = 1
    INPUT = 2
    NO_PLAN_IN_TIME = 3
    STOPPED = 4
    MOVES_TO_MAKE = 10
    NEEDS_ATTENTION = 11
    INTERNAL = 70
    INTERRUPTED = 130


class Remora(Group):
    """The group of all commands, which return their exit code."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command, whose outputs are checked before it runs."""
        super().add_command(guarded(cmd), name)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and leave with an exit code of the contract whatever happens."""
        have_streams()
        survive_odd_names()
        extra["standalone_mode"] = False
        words = args[0] if args else extra.get("args")
        as_json = asks_for_json(sys.argv[1:] if words is None else words)
        signals = handle_from_now_on()
        signals.raised = False
        try:
            code = _run(lambda: super(Remora, self).main(*args, **extra), as_json, signals)
            code = _flush(code)
        except KeyboardInterrupt:
            code = Exit.INTERRUPTED
        sys.exit(int(code))


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether a command line holds ``--json``, even one that cannot be read otherwise."""
    options = takewhile(lambda word: word != "--", words)
    return "--json" in options


def _run(run: Any, as_json: bool, signals: Handler) -> int:
    """Turn every error into its line and its code; what a library makes of an interrupt it was met by is no fault."""
    try:
        return int(run() or Exit.DONE)
    except BrokenPipeError:
        return Exit.ATTENTION
    except (Exception, KeyboardInterrupt) as error:
        text, code, facts = _meaning(error)
        if code == Exit.INTERNAL and signals.raised:
            text, code, facts = _meaning(KeyboardInterrupt())
        complain(text)
        if as_json:
            _complain_in_json(text, code, facts)
        return code


def _meaning(error: BaseException) -> tuple[str, int, dict[str, object]]:
    """Say what an error is called on the line, its exit code, and what else a machine can use of it."""
    match error:
        case InputError():
            at = {"where": error.where, "path": error.path, "expected": error.expected, "hint": error.hint}
            return str(error), error.exit_code, {**at, "value": shorten(error.value)}
        case RemoraError():
            return str(error), error.exit_code, {}
        case click.exceptions.Abort() | KeyboardInterrupt():
            return "interrupted", Exit.INTERRUPTED, {}
        case click.ClickException():
            return _usage(error), Exit.INPUT, {}
        case MemoryError():
            text = "out of memory: a smaller fleet, or a machine with more of it, would help"
            return text, Exit.INTERNAL, {}
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror or error}", Exit.INPUT, {}
        case _:
            return _internal(error), Exit.INTERNAL, {}


def _complain_in_json(text: str, code: int, facts: dict[str, object]) -> None:
    """Print the error as the one document that ``--json`` promises."""
    from optimizer.report.document import to_json
    from optimizer.report.words import clean

    known = {name: clean(str(fact)) for name, fact in facts.items() if fact != ""}
    try:
        print(to_json({"error": {"exit_code": int(code), "message": clean(text), **known}}))
    except OSError:
        to_nowhere(sys.stdout)


def complain(text: str) -> None:
    """Print one line on standard error, harmless whatever names it quotes."""
    from optimizer.report.words import clean

    try:
        print(f"remora: {clean(text)}", file=sys.stderr, flush=True)
    except OSError:  # nobody reads standard error any more: the exit code still says it
        to_nowhere(sys.stderr)


def _usage(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    if context is None:
        return text
    command = context.command_path.removeprefix(context.find_root().command_path).strip()
    return (f"{command}: " if command else "") + f"{text} (see `{context.command_path} --help`)"


def _internal(error: BaseException) -> str:
    """Name the fault and where it happened: what a report needs, on one line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    at = ""
    if trace is not None:
        at = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    what = " ".join(str(error).split())[:200]
    return (
        f"internal error: {type(error).__name__}: {what}{at}; this is a fault in Remora: please report it as an issue, "
        "with this line, the command line and, if they may be shared, the input files"
    )


def _flush(code: int) -> int:
    """Write out what is left; a reader that has gone away (``| head``) had enough, and that is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        to_nowhere(sys.stdout)
    except OSError as error:
        to_nowhere(sys.stdout)
        if code != Exit.INPUT:  # otherwise it has been said
            complain(str(unwritable(error)))
        return Exit.INPUT
    return code


def print_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    """Print the version and leave."""
    if asked and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"remora {version('remora')}")
        context.exit()
