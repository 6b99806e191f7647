"""Which host or VM a series is about: its labels, joined with a series that carries the name where there is one."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from optimizer.prometheus.answers import Unclear

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optimizer.prometheus.answers import Vector
    from optimizer.signals.signal import Join

__all__ = ["Namer", "Names"]

INSTANCE, PORT = "instance", re.compile(r":\d+$")

Labels = dict[str, str]


class Names:
    """The hosts or the VMs of a fleet, by id and, where one alone has it, by name."""

    def __init__(self, ids: Sequence[str], names: Mapping[int, str]) -> None:
        self.ids = ids
        times = Counter(names.values())
        self._index = {name: i for i, name in names.items() if times[name] == 1}
        self._index.update({name: i for i, name in enumerate(ids)})

    def index(self, name: str) -> int | None:
        """Return which one it is; None where there is none."""
        return self._index.get(name)


class Namer:
    """Finds which of `names` the labels of a series mean.

    Two exporters of one host differ in the port of their label `instance`: where a join's series does not have a whole
    instance, it is looked for without the port, if all that are left so mean the same.

    Parameters
    ----------
    info
        The answer about the join's series; None where it has none.
    """

    def __init__(self, join: Join, names: Names, info: Vector | Unclear | None) -> None:
        self._join, self._names = join, names
        self._pattern = re.compile(join.pattern) if join.pattern else None
        self.failed = str(info) if isinstance(info, Unclear) else ""
        self._by_key: dict[tuple[str, ...], str] = {}
        self._twice: set[tuple[str, ...]] = set()
        self._found: dict[str, int | None] = {}
        self._without_port: dict[tuple[str, ...], str] = {}
        self.strangers: set[str] = set()
        self.unnamed: dict[str, None] = {}
        if info is not None and not isinstance(info, Unclear):
            self._learn(info.labels)

    def _learn(self, series: Sequence[Labels]) -> None:
        for labels in series:
            key = tuple(labels.get(name, "") for name in self._join.on)
            said = labels.get(self._join.label, "")
            if self._by_key.setdefault(key, said) != said:
                self._twice.add(key)
            bare = self._bare(key)
            if self._without_port.setdefault(bare, said) != said:
                self._without_port[bare] = ""

    def find(self, labels: Labels) -> int | None:
        """Return the host or VM; None where no name leads to one. Names that nothing has are kept."""
        said = self._said(labels)
        if said not in self._found:
            name = self._name(said)
            self._found[said] = self._names.index(name) if name else None
            if name and self._found[said] is None:
                self.strangers.add(name)
        return self._found[said]

    def says(self, labels: Labels) -> bool:
        """Whether labels say which one it is, even if it is none of `names`, or nothing has its name."""
        if self._join.series and all(labels.get(name) for name in self._join.on):
            return True
        return bool(self._name(self._said(labels)))

    def note_unnamed(self, labels: Labels) -> None:
        """Keep a series that leads to no name at all, for the report."""
        if not self._said(labels):
            keys = self._join.on if self._join.series else labels
            self.unnamed[" ".join(text for name in keys if (text := labels.get(name)))] = None

    def _said(self, labels: Labels) -> str:
        """Return what the label that has the name says."""
        if self._join.series:
            key = tuple(labels.get(name, "") for name in self._join.on)
            if key in self._twice:
                return ""
            return self._by_key[key] if key in self._by_key else self._without_port.get(self._bare(key), "")
        return labels.get(self._join.label, "")

    def _bare(self, key: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            PORT.sub("", text) if name == INSTANCE else text for name, text in zip(self._join.on, key, strict=True)
        )

    def _name(self, said: str) -> str:
        if self._pattern is None or not said:
            return said
        match = self._pattern.search(said)
        return (match[1] or "") if match else ""
