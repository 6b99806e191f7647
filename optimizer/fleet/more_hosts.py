"""A fleet with more hosts like one that it has: empty, active, and healthy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from optimizer.fleet.fleet import ABSENT, Fleet, HostState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

__all__ = ["with_hosts"]

C = TypeVar("C", np.int8, np.int64, np.float64)


def with_hosts(fleet: Fleet, like: int, number: int, apart: Collection[int] = ()) -> Fleet:
    """Return a fleet with `number` hosts more; they come last, and nothing else changes.

    They have the capacity, the labels and the domains of the host that they are like, and nothing of its state.

    Parameters
    ----------
    like
        Index of a host.
    apart
        Numbers of levels, above hosts, at which they are in a new domain, all in the same one.
    """
    hosts, rows = fleet.hosts, np.concatenate([np.arange(len(fleet.hosts)), np.full(number, like)])
    names = _free([f"{hosts.ids[like]}+{i + 1}" for i in range(number)], fleet.host_index)
    domain, domain_ids = hosts.domain[:, rows].copy(), [*fleet.domain_ids]
    new = slice(len(hosts), None)
    domain[0] = np.arange(len(rows))
    domain_ids[0] = hosts.ids + names
    for level in apart:
        domain[level, new] = len(domain_ids[level])
        domain_ids[level] = domain_ids[level] + _free(["new"], domain_ids[level])
    more = replace(
        hosts,
        ids=hosts.ids + names,
        domain=domain,
        capacity=hosts.capacity[rows],
        overcommit_millionths=hosts.overcommit_millionths[rows],
        reserved=hosts.reserved[rows],
        measured=_blank(hosts.measured, rows, new, ABSENT),
        state=_blank(hosts.state, rows, new, HostState.ACTIVE),
        error_count=_blank(hosts.error_count, rows, new, ABSENT),
        max_vms=hosts.max_vms[rows],
        pressure=_blank(hosts.pressure, rows, new, np.nan),
        pressure_window_s=_blank(hosts.pressure_window_s, rows, new, np.nan),
        migration_mib_per_s=hosts.migration_mib_per_s[rows],
        observed_at=hosts.observed_at[rows],
        signals_at=hosts.signals_at[rows],
        labels=hosts.labels + (hosts.labels[like],) * number,
    )
    return replace(fleet, hosts=more, domain_ids=tuple(domain_ids))


def _blank(column: NDArray[C], rows: NDArray[np.int64], new: slice, value: float) -> NDArray[C]:
    out = column[rows]
    out[new] = value
    return out


def _free(wanted: Sequence[str], taken: Collection[str]) -> tuple[str, ...]:
    """Return the names, each with as many ~ as it takes to be new."""
    out = []
    for name in wanted:
        while name in taken:
            name += "~"
        out.append(name)
    return tuple(out)
