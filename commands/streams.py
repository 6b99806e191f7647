"""The standard streams: one may be closed by the caller, have no reader any more, or lead to a full disk."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

from optimizer.errors import InputError

__all__ = ["have_streams", "survive_odd_names", "to_nowhere", "unwritable"]


def have_streams() -> None:
    """Let streams that the caller closed (``>&-``) lead nowhere: no file that is opened later may take their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def survive_odd_names() -> None:
    """Escape what the terminal's encoding cannot say, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def to_nowhere(stream: IO[Any]) -> None:
    """Let what is still to be written, also at the interpreter's end, have somewhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def unwritable(error: OSError) -> InputError:
    """Say that standard output cannot be written."""
    return InputError("standard output", "", error.strerror or str(error), "a place that can be written")
