"""An entry of the rule prefer: which VMs, and which hosts; read once by masks, for atoms, and once one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG
from optimizer.fleet.selection import host_mask, labelled_hosts, named_hosts, named_vms, vm_mask
from optimizer.grammar import listed
from optimizer.problem.names import (
    GroupName,
    HostLabel,
    HostLabelValue,
    HostPattern,
    OwnerName,
    VmLabel,
    VmLabelValue,
    VmPattern,
    Word,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet

__all__ = ["Preference"]

WORDS = 3
"""Hosts of an entry that a message names, at most."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Preference:
    """VMs that prefer hosts. A VM or a host belongs to it that any of the parameters names.

    Parameters
    ----------
    name
        What violations call it; ``entry_1``, ``entry_2``, ... by default.
    vms, groups, owners
        Ids of VMs (or patterns: ``db-*``), groups and owners.
    vm_labels
        VMs that have all of these labels, each with the value or one of the values.
    hosts
        Ids of hosts, patterns, or ``LEVEL:ID``.
    host_labels
        Hosts that have all of these labels, each with the value or one of the values.
    weight
        What a VM that stands elsewhere counts, beside those of other entries.
    strict
        Whether the VMs may stand nowhere else (a ``must``); else they should not (``should``).
    """

    name: Word = Field(default="", max_length=64, pattern=r"^[a-z0-9_]*$")
    vms: tuple[VmPattern, ...] = ()
    groups: tuple[GroupName, ...] = ()
    owners: tuple[OwnerName, ...] = ()
    vm_labels: dict[VmLabel, VmLabelValue | tuple[VmLabelValue, ...]] = Field(default_factory=dict)
    hosts: tuple[HostPattern, ...] = ()
    host_labels: dict[HostLabel, HostLabelValue | tuple[HostLabelValue, ...]] = Field(default_factory=dict)
    weight: int = Field(default=1, ge=1, le=1000)
    strict: bool = False

    def __post_init__(self) -> None:
        if not (self.vms or self.groups or self.owners or self.vm_labels):
            raise ValueError("an entry names VMs by vms, groups, owners or vm_labels; of all, vms: ['*']")
        if not (self.hosts or self.host_labels):
            raise ValueError("an entry names the hosts that its VMs prefer, by hosts or host_labels")

    # -- by masks ------------------------------------------------------------------------------------------------

    def vm_mask(self, fleet: Fleet) -> NDArray[np.bool_]:
        """Return bool [V]: the entry's VMs."""
        mask = vm_mask(fleet, self.vms)
        for group in fleet.groups:
            if group.id in self.groups:
                mask[group.members] = True
        owners = [o for o, name in enumerate(fleet.vms.owner_ids) if name in self.owners]
        return mask | np.isin(fleet.vms.owner, owners) | _labelled(fleet.vms.labels, self.vm_labels)

    def host_mask(self, fleet: Fleet) -> NDArray[np.bool_]:
        """Return bool [H]: the hosts that they prefer."""
        return host_mask(fleet, self.hosts) | _labelled(fleet.hosts.labels, self.host_labels)

    # -- one by one ----------------------------------------------------------------------------------------------

    def vms_of(self, fleet: Fleet) -> list[int]:
        """Return the entry's VMs, ascending."""
        found = {v for word in self.vms for v in named_vms(fleet, word)}
        for name in set(self.groups) & fleet.group_index.keys():
            found.update(fleet.groups[fleet.group_index[name]].members.tolist())
        if self.owners:
            owner = dict(enumerate(fleet.vms.owner_ids))
            found.update(v for v, o in enumerate(fleet.vms.owner.tolist()) if owner.get(o) in self.owners)
        if self.vm_labels:
            found.update(v for v, have in enumerate(fleet.vms.labels) if _has_all(have, self.vm_labels))
        return sorted(found)

    def hosts_of(self, fleet: Fleet) -> frozenset[int]:
        """Return the hosts that they prefer; looked up once, since every violation of the entry says how many."""
        key = (Preference, self.hosts, tuple(self.host_labels.items()))
        if key not in fleet.looked_up:
            fleet.looked_up[key] = frozenset(self._hosts_of(fleet))
        found: frozenset[int] = fleet.looked_up[key]
        return found

    def _hosts_of(self, fleet: Fleet) -> set[int]:
        found = {h for word in self.hosts for h in named_hosts(fleet, word)}
        if self.host_labels:
            have = labelled_hosts(fleet)
            any_of = (
                [have.get(key, {}).get(v, set()) for v in _values(value)] for key, value in self.host_labels.items()
            )
            found.update(set[int].intersection(*(set[int]().union(*hosts) for hosts in any_of)))
        return found

    @property
    def in_words(self) -> str:
        """Say which hosts: their ids or patterns, and their labels."""
        hosts = ", ".join(self.hosts[:WORDS]) + (", ..." if len(self.hosts) > WORDS else "")
        labels = ", ".join(f"{key} {listed(_values(value), 'or')}" for key, value in self.host_labels.items())
        return listed((part for part in (hosts, f"hosts with {labels}" if labels else "") if part), "or")


def _values(wanted: str | Sequence[str]) -> tuple[str, ...]:
    return (wanted,) if isinstance(wanted, str) else tuple(wanted)


def _has_all(have: Mapping[str, str], wanted: Mapping[str, str | Sequence[str]]) -> bool:
    return all(have.get(key) in _values(value) for key, value in wanted.items())


def _labelled(labels: Sequence[Mapping[str, str]], wanted: Mapping[str, str | Sequence[str]]) -> NDArray[np.bool_]:
    """Return bool [n]: which have every wanted label; none where no label is wanted."""
    mask = np.full(len(labels), bool(wanted))
    for key, value in wanted.items():
        values = frozenset(_values(value))
        mask &= np.fromiter((have.get(key) in values for have in labels), np.bool_, len(labels))
    return mask
