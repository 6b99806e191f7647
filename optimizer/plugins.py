"""What can be extended from outside: a table of what is built in, and what installed packages register beside it.

A package registers under an entry-point group (``remora.drivers``, ``remora.sources``). It is loaded only when its name
is asked for, so what is broken in one package harms nobody who does not use it. What is built in cannot be replaced.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Generic, TypeVar

from optimizer.errors import InputError
from optimizer.grammar import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib.metadata import EntryPoint

__all__ = ["Registry"]

T = TypeVar("T")


def _installed(group: str) -> Iterable[EntryPoint]:
    return entry_points(group=group)


@dataclass(frozen=True)
class Registry(Generic[T]):
    """Things by name.

    Parameters
    ----------
    option
        The option of the command line that names one, for messages.
    group
        The entry-point group in which packages register more.
    built_in
        For each name, what loads the thing: heavy imports happen only when it is asked for.
    installed
        Lists the entry points of a group.
    """

    option: str
    group: str
    built_in: Mapping[str, Callable[[], T]]
    installed: Callable[[str], Iterable[EntryPoint]] = _installed

    def names(self) -> list[str]:
        """Return every name there is, those that are built in first."""
        more = {entry.name for entry in self.installed(self.group)} - self.built_in.keys()
        return [*self.built_in, *sorted(more)]

    def load(self, name: str) -> T:
        """Return what goes by this name.

        Raises
        ------
        InputError
            There is none, two packages claim the name, or the package that has it cannot be loaded.
        """
        if name in self.built_in:
            return self.built_in[name]()
        found = sorted({entry.value for entry in self.installed(self.group) if entry.name == name})
        if not found:
            raise InputError(self.option, "", name, f"one of {', '.join(self.names())}", self._hint(name))
        if len(found) > 1:
            raise InputError(self.option, "", name, "a name that one package registers", f"{listed(found)} do")
        entry = next(e for e in self.installed(self.group) if e.name == name)
        try:
            thing: T = entry.load()
        except Exception as error:  # whatever a package does at import is its own fault, and is named as that
            problem = f"{type(error).__name__}: {error}"
            raise InputError(self.option, name, problem, f"a package whose {entry.value} can be loaded") from error
        return thing

    def _hint(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.names(), n=1)
        return f"did you mean {near[0]}?" if near else f"a package can register more under {self.group}"
