"""Which hosts and VMs a name means: an id, ``LEVEL:ID``, or a glob of either (``*``, ``?``, ``[...]``)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from optimizer.fleet.fleet import Fleet

__all__ = ["host_mask", "labelled_hosts", "matching", "named_hosts", "named_vms", "vm_mask"]

LABELLED = "labelled hosts"


def matching(word: str, names: Iterable[str]) -> list[int]:
    """Return the positions of the names that a word means: the one that equals it, else those that it is a glob of."""
    names = list(names)
    if word in names:
        return [i for i, name in enumerate(names) if name == word]
    if not any(c in word for c in "*?["):
        return []
    return [i for i, name in enumerate(names) if fnmatchcase(name, word)]


def named_hosts(fleet: Fleet, word: str) -> list[int]:
    """Return the hosts that a word means; a host's own id comes before ``LEVEL:ID``."""
    if word in fleet.host_index:
        return [fleet.host_index[word]]
    level, colon, rest = word.partition(":")
    if colon and level in fleet.level_index:
        number = fleet.level_index[level]
        domains = matching(rest, fleet.domain_ids[number])
        return np.flatnonzero(np.isin(fleet.hosts.domain[number], domains)).tolist()
    return matching(word, fleet.hosts.ids)


def named_vms(fleet: Fleet, word: str) -> list[int]:
    """Return the VMs that a word means."""
    return [fleet.vm_index[word]] if word in fleet.vm_index else matching(word, fleet.vms.ids)


def host_mask(fleet: Fleet, words: Iterable[str]) -> NDArray[np.bool_]:
    """Return bool [H]: the hosts that any of the words means."""
    out = np.zeros(len(fleet.hosts), np.bool_)
    out[[h for word in words for h in named_hosts(fleet, word)]] = True
    return out


def vm_mask(fleet: Fleet, words: Iterable[str]) -> NDArray[np.bool_]:
    """Return bool [V]: the VMs that any of the words means."""
    out = np.zeros(len(fleet.vms), np.bool_)
    out[[v for word in words for v in named_vms(fleet, word)]] = True
    return out


def labelled_hosts(fleet: Fleet) -> dict[str, dict[str, set[int]]]:
    """Return which hosts have each label, by its key and its value; looked up once."""
    if LABELLED not in fleet.looked_up:
        found: dict[str, dict[str, set[int]]] = {}
        for h, have in enumerate(fleet.hosts.labels):
            for key, value in have.items():
                found.setdefault(key, {}).setdefault(value, set()).add(h)
        fleet.looked_up[LABELLED] = found
    out: dict[str, dict[str, set[int]]] = fleet.looked_up[LABELLED]
    return out
