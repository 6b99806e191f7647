"""What a program is given of this process's environment, where tokens may be: no more than is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["LEAST_SECRET", "concealed", "environment_of", "refuse_unset"]

KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR")
"""What every program is given: where it runs, and which language and time zone it speaks."""


LEAST_SECRET = 4
"""Characters of a value that may be a secret: a shorter one would take away words."""


def environment_of(environ: Mapping[str, str], named: Iterable[str] = ()) -> dict[str, str]:
    """Return what a program is given of an environment: `KEPT`, LC_*, and the variables that are named."""
    wanted = {*KEPT, *named}
    return {name: value for name, value in environ.items() if name in wanted or name.startswith("LC_")}


def concealed(text: str, given: Mapping[str, str]) -> str:
    """Return what a program wrote without the values of variables that it was given by name: they may be secrets."""
    named = (value for name, value in given.items() if name not in KEPT and not name.startswith("LC_"))
    for value in sorted((value for value in named if len(value) >= LEAST_SECRET), key=len, reverse=True):
        text = text.replace(value, "...")
    return text


def refuse_unset(where: str, path: str, named: Iterable[str], environ: Mapping[str, str]) -> None:
    """Refuse a list of variables for a program that names one that is not set.

    Raises
    ------
    InputError
        With the path of its entry.
    """
    for number, name in enumerate(named):
        if name not in environ:
            expected = "the name of an environment variable that is set"
            raise InputError(where, f"{path}[{number}]", name, expected, "set it (it may be empty), or leave it out")
