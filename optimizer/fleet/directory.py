"""The names that a fleet knows, by what they are names of: what policies, overlays and options may speak of."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from optimizer.fleet.selection import labelled_hosts, named_hosts, named_vms
from optimizer.similar import similar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from optimizer.fleet.fleet import Fleet

__all__ = ["Directory", "NameKind"]


class NameKind(Enum):
    """What a name is the name of; the values say it in messages.

    A domain is looked up within its level, a label's value within its label: that is the name's `scope`.
    """

    HOST = "a host"
    HOSTS = "a host, a pattern of hosts, or LEVEL:ID"
    VM = "a VM"
    VMS = "a VM or a pattern of VMs"
    GROUP = "a group"
    OWNER = "an owner"
    LEVEL = "a level"
    DOMAIN = "a domain"
    RESOURCE = "a resource"
    HOST_LABEL = "a label of hosts"
    HOST_LABEL_VALUE = "a value of this label of hosts"
    VM_LABEL = "a label of VMs"
    VM_LABEL_VALUE = "a value of this label of VMs"


LISTED = 12
"""Where there are no more names than this and none is near, a message lists them all."""

SCOPE_KIND = {
    NameKind.DOMAIN: NameKind.LEVEL,
    NameKind.HOST_LABEL_VALUE: NameKind.HOST_LABEL,
    NameKind.VM_LABEL_VALUE: NameKind.VM_LABEL,
}


class Directory:
    """Looks names up in one fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._found: dict[tuple[NameKind, str], Collection[str]] = {}

    def knows(self, kind: NameKind, name: str, scope: str = "") -> bool:
        """Whether there is such a name (in `scope`, where the kind has one), or what the pattern means."""
        if kind in PATTERNS:
            return bool(PATTERNS[kind](self._fleet, name))
        return name in self.names(kind, scope)

    def names(self, kind: NameKind, scope: str = "") -> Collection[str]:
        """Return all names of a kind; of a domain or a label's value, those in `scope`."""
        key = (kind, scope if kind in SCOPE_KIND else "")
        if key not in self._found:
            self._found[key] = self._look(*key)
        return self._found[key]

    def expected(self, kind: NameKind, scope: str = "") -> str:
        """Say what should stand where a name of this kind is not known."""
        within = f" (in {scope})" if kind in SCOPE_KIND else ""
        return f"{kind.value} of fleet {self._fleet.id}{within}"

    def hint(self, kind: NameKind, name: object, scope: str = "") -> str:
        """Say which name may have been meant, or which there are where they are few."""
        names = self.names(kind, scope)
        near = similar(name, names) or self._by_display_name(kind, name)
        if near or len(names) > LISTED:
            return near
        return f"there are {', '.join(sorted(names))}" if names else "there is none"

    def _by_display_name(self, kind: NameKind, name: object) -> str:
        """Return a hint at what people call so; nothing where the kind has no such names."""
        if kind not in (NameKind.HOST, NameKind.VM, *PATTERNS):
            return ""
        side = self._fleet.hosts if kind in (NameKind.HOST, NameKind.HOSTS) else self._fleet.vms
        called = [side.ids[i] for i, display in side.names.items() if display == name]
        return f"did you mean {called[0]}, which is called {name}?" if called else ""

    def _look(self, kind: NameKind, scope: str) -> Collection[str]:
        return LOOK[kind](self._fleet, scope)


def _keys(labels: Sequence[Mapping[str, str]]) -> Collection[str]:
    return frozenset(key for have in labels for key in have)


def _values(labels: Sequence[Mapping[str, str]], key: str) -> Collection[str]:
    return frozenset(have[key] for have in labels if key in have)


def _domains(fleet: Fleet, level: str) -> Collection[str]:
    number = fleet.level_index.get(level)
    return frozenset() if number is None else frozenset(fleet.domain_ids[number])


LOOK: dict[NameKind, Callable[[Fleet, str], Collection[str]]] = {
    NameKind.HOST: lambda fleet, _: fleet.host_index,
    NameKind.HOSTS: lambda fleet, _: fleet.host_index,
    NameKind.VM: lambda fleet, _: fleet.vm_index,
    NameKind.VMS: lambda fleet, _: fleet.vm_index,
    NameKind.GROUP: lambda fleet, _: fleet.group_index,
    NameKind.OWNER: lambda fleet, _: frozenset(fleet.vms.owner_ids),
    NameKind.LEVEL: lambda fleet, _: fleet.level_index,
    NameKind.DOMAIN: _domains,
    NameKind.RESOURCE: lambda fleet, _: fleet.resource_index,
    NameKind.HOST_LABEL: lambda fleet, _: labelled_hosts(fleet),
    NameKind.HOST_LABEL_VALUE: lambda fleet, key: labelled_hosts(fleet).get(key, {}),
    NameKind.VM_LABEL: lambda fleet, _: _keys(fleet.vms.labels),
    NameKind.VM_LABEL_VALUE: lambda fleet, key: _values(fleet.vms.labels, key),
}

PATTERNS: dict[NameKind, Callable[[Fleet, str], Collection[int]]] = {
    NameKind.HOSTS: named_hosts,
    NameKind.VMS: named_vms,
}
"""Kinds of which a name may mean several: what it means."""
