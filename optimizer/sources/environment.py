"""What a program is given of this process's environment, where tokens may be: no more than is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["environment_of", "refuse_unset"]

KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR")
"""What every program is given: where it runs, and which language and time zone it speaks."""


def environment_of(environ: Mapping[str, str], named: Iterable[str] = ()) -> dict[str, str]:
    """Return what a program is given of an environment: `KEPT`, LC_*, and the variables that are named."""
    wanted = {*KEPT, *named}
    return {name: value for name, value in environ.items() if name in wanted or name.startswith("LC_")}


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
