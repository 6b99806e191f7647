"""Display names beside ids, on pages for people; documents for machines have ids alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.fleet import Fleet

__all__ = ["NOBODY", "Called"]


@dataclass(frozen=True, slots=True)
class Called:
    """What people call VMs and hosts, by id; an id is always shown, whole, and the name after it."""

    vms: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fleet: Fleet) -> Called:
        """Gather the names of a fleet."""
        vms, hosts = fleet.vms, fleet.hosts
        return cls({vms.ids[v]: n for v, n in vms.names.items()}, {hosts.ids[h]: n for h, n in hosts.names.items()})

    def vm(self, name: str) -> str:
        """Return a VM's id and what it is called."""
        return _beside(name, self.vms)

    def host(self, name: str) -> str:
        """Return a host's id and what it is called."""
        return _beside(name, self.hosts)

    def subject(self, name: str) -> str:
        """Return the id of a VM, a host or anything else, and what it is called."""
        return _beside(name, self.hosts if name in self.hosts else self.vms)


def _beside(name: str, names: Mapping[str, str]) -> str:
    called = names.get(name)
    return name if called is None or called == name else f"{name} ({called})"


NOBODY = Called()
