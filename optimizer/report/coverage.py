"""Which optional facts a snapshot has: a rule that misses one says "not evaluated"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT, HostState, Mobility, VmState

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

__all__ = ["Coverage", "coverage"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """`given` of `of` hosts or VMs have the fact.

    `beyond_default`: the columns cannot tell an absent fact from one that states the default, so only facts that
    differ from it are counted.
    """

    of_what: str
    fact: str
    given: int
    of: int
    beyond_default: bool = False


def coverage(fleet: Fleet) -> tuple[Coverage, ...]:
    """Count the optional facts of hosts and VMs, in the order of the format."""
    return (*_of_hosts(fleet), *_of_vms(fleet))


def _of_hosts(fleet: Fleet) -> list[Coverage]:
    hosts = fleet.hosts
    exact = {
        "overcommit": int((hosts.overcommit_millionths != ABSENT).any(axis=1).sum()),
        "measured": int((hosts.measured != ABSENT).any(axis=1).sum()),
        "error_count": int((hosts.error_count != ABSENT).sum()),
        "max_vms": int((hosts.max_vms != ABSENT).sum()),
        "pressure": int((~np.isnan(hosts.pressure)).any(axis=1).sum()),
        "migration_mib_per_s": int((~np.isnan(hosts.migration_mib_per_s)).sum()),
        "observed_at": int((~np.isnan(hosts.observed_at)).sum()),
        "signals_at": int((~np.isnan(hosts.signals_at)).sum()),
        "labels": sum(map(bool, hosts.labels)),
    }
    beyond = {
        "reserved": int((hosts.reserved > 0).any(axis=1).sum()),
        "state": int((hosts.state != HostState.ACTIVE).sum()),
        "busy": sum(map(bool, hosts.busy.values())),
        "maintenance": sum(map(bool, hosts.maintenance.values())),
    }
    return _rows("hosts", len(hosts), exact, beyond)


def _of_vms(fleet: Fleet) -> list[Coverage]:
    vms = fleet.vms
    grouped = {int(v) for g in fleet.groups for v in g.members}
    exact = {
        "owner": int((vms.owner != ABSENT).sum()),
        "groups": len(grouped),
        "created_at": int((~np.isnan(vms.created_at)).sum()),
        "no_move_until": int((~np.isnan(vms.no_move_until)).sum()),
        "noise": int((~np.isnan(vms.noise)).any(axis=1).sum()),
        "pressure": int((~np.isnan(vms.pressure)).any(axis=1).sum()),
        "dirty_mib_per_s": int((~np.isnan(vms.dirty_mib_per_s)).sum()),
        "move_cost": int((vms.move_cost_milli != ABSENT).sum()),
        "labels": sum(map(bool, vms.labels)),
    }
    beyond = {
        "state": int((vms.state != VmState.RUNNING).sum()),
        "mobility": int((vms.mobility != Mobility.LIVE).sum()),
        "requires": len(vms.requires),
        "forbidden_hosts": len(vms.forbidden_hosts),
        "sensitive": int(vms.sensitive.sum()),
    }
    return _rows("VMs", len(vms), exact, beyond)


def _rows(of_what: str, total: int, exact: dict[str, int], beyond: dict[str, int]) -> list[Coverage]:
    rows = [Coverage(of_what, fact, given, total) for fact, given in exact.items()]
    return rows + [Coverage(of_what, fact, given, total, beyond_default=True) for fact, given in beyond.items()]
