"""Where a VM may not stand, by its `requires` and `forbidden_hosts`: read for `allowed`, once by class, once by VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from constraints.hard import ends_of
from optimizer.fleet import Directory, NameKind, State
from optimizer.fleet.selection import labelled_hosts
from optimizer.grammar import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet

__all__ = ["Need", "misplaced", "misplaced_by_class", "need_of", "offered_nowhere", "offers", "unmet"]

COMPARED = 200
"""Names of hosts' labels that one of a VM is compared with, at most."""

Need = tuple[tuple[str, tuple[str, ...]], ...]


def need_of(fleet: Fleet, vm: int) -> Need:
    """Return what a VM requires, the same for all that require the same."""
    return tuple(sorted((k, tuple(sorted(v))) for k, v in fleet.vms.requires.get(vm, {}).items()))


def offers(fleet: Fleet, need: Need) -> NDArray[np.bool_]:
    """Return bool [H]: which hosts have, for each label, one of the values."""
    return np.array([all(have.get(k) in v for k, v in need) for have in fleet.hosts.labels], np.bool_)


def misplaced_by_class(fleet: Fleet) -> Iterator[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
    """Yield VMs that stand (at either end) where they may not, with bool [H]: where they may not, class by class."""
    alike: dict[tuple[Need, tuple[int, ...]], list[int]] = {}
    for vm in sorted(fleet.vms.requires.keys() | fleet.vms.forbidden_hosts.keys()):
        alike.setdefault((need_of(fleet, vm), tuple(fleet.vms.forbidden_hosts.get(vm, ()))), []).append(vm)
    lacking: dict[Need, NDArray[np.bool_]] = {}
    for (need, shut), members in alike.items():
        if need not in lacking:
            lacking[need] = ~offers(fleet, need)
        barred = np.append(lacking[need], False)  # the last stands for "no host"
        barred[list(shut)] = True
        vms = np.array(members, np.int32)
        wrong = barred[fleet.vms.host[vms]] | barred[fleet.also_at[vms]]
        if wrong.any():
            yield vms[wrong], barred[:-1]


def misplaced(state: State) -> Iterator[tuple[int, int]]:
    """Yield each VM that stood at the start where it may not and does so now, with such a host of now."""
    fleet = state.fleet
    start = State.start(fleet)
    for vm in sorted(fleet.vms.requires.keys() | fleet.vms.forbidden_hosts.keys()):
        if any(_barred(fleet, vm, host) for host in ends_of(start, vm)):
            now = [host for host in sorted(ends_of(state, vm)) if _barred(fleet, vm, host)]
            if now:
                yield vm, now[0]


def unmet(fleet: Fleet, vm: int, host: int) -> dict[str, tuple[str, ...]]:
    """Return the labels that a VM requires and the host does not have, with the values that would do."""
    need: Mapping[str, tuple[str, ...]] = fleet.vms.requires.get(vm, {})
    have = fleet.hosts.labels[host]
    return {key: values for key, values in need.items() if have.get(key) not in values}


def offered_nowhere(fleet: Fleet, label: str, values: tuple[str, ...]) -> str:
    """Say, to follow what is required, that no host of the fleet has the label or one of the values; else nothing.

    Said of every VM that it is so of: a name is looked for that may be meant where it is soon found.
    """
    there = labelled_hosts(fleet).get(label)
    if there is not None and not there.keys().isdisjoint(values):
        return ""
    kind, name, scope, words = NameKind.HOST_LABEL_VALUE, values[0], label, f"{label} {listed(values, 'or')}"
    if there is None:
        kind, name, scope, words = NameKind.HOST_LABEL, label, "", f"the label {label}"
    names = Directory(fleet)
    hint = names.hint(kind, name, scope) if len(names.names(kind, scope)) <= COMPARED else ""
    return f", and no host of fleet {fleet.id} has {words}" + (f" ({hint})" if hint else "")


def _barred(fleet: Fleet, vm: int, host: int) -> bool:
    return bool(unmet(fleet, vm, host)) or host in fleet.vms.forbidden_hosts.get(vm, ())
