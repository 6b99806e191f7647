"""The fleet before anything is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.errors import InputError
from optimizer.sources.synthetic.placing import groups, place
from optimizer.sources.synthetic.sizes import CPU, GIB, HOST_KINDS, MEMORY, demands, spread_evenly
from optimizer.sources.synthetic.traits import noise, owners, requires

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.sources.synthetic.spec import Spec

__all__ = ["RESERVED_MIB", "Draft", "draft"]

RESERVED_MIB = 4 * GIB
"""Memory that a host keeps for itself."""

ATTEMPTS = 20
"""A small fleet may have no room for the sizes that were drawn; then others are drawn."""

FEW_VMS = 1000
"""With more VMs than this the sizes are even enough that another attempt would not help."""


@dataclass(eq=False)
class Draft:
    """A fleet in the making; hosts and VMs are indices.

    Attributes
    ----------
    kind, rack, zone
        int64 [H].
    capacity
        int64 [H, 4], physical; `usable` is what may be used of it (CPU times overcommit, memory less the reserved).
    demand
        int64 [V, 4].
    host, group, owner
        int64 [V]; group -1 for none.
    group_level
        int64 [groups]: -1 not declared (so anti-affine on hosts), 0 declared on hosts, 1 on racks.
    on
        The VMs of each host.
    host_extra, vm_extra
        Optional fields of the document by index, set by problems.
    rules
        Groups that problems declare, with their rules; `member_of` says who is in them.
    used
        Hosts that have their problem.
    """

    spec: Spec
    kind: NDArray[np.int64]
    rack: NDArray[np.int64]
    zone: NDArray[np.int64]
    capacity: NDArray[np.int64]
    usable: NDArray[np.int64]
    demand: NDArray[np.int64]
    host: NDArray[np.int64]
    group: NDArray[np.int64]
    group_level: NDArray[np.int64]
    owner: NDArray[np.int64]
    noisy: NDArray[np.bool_]
    sensitive: NDArray[np.bool_]
    requires: dict[int, tuple[str, ...]]
    on: list[list[int]]
    host_extra: dict[int, dict[str, Any]] = field(default_factory=dict)
    vm_extra: dict[int, dict[str, Any]] = field(default_factory=dict)
    unexplained_disk: dict[int, int] = field(default_factory=dict)
    rules: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    member_of: dict[int, list[str]] = field(default_factory=dict)
    interference: list[dict[str, Any]] = field(default_factory=list)
    history: list[tuple[int, int, int, float, str]] = field(default_factory=list)
    planted: list[dict[str, Any]] = field(default_factory=list)
    used: set[int] = field(default_factory=set)

    def random(self, stream: int) -> np.random.Generator:
        """Return a stream of its own, so that one part of a spec does not change what another makes."""
        return np.random.default_rng([self.spec.seed, stream])

    def cpu_model(self, host: int) -> str:
        """Return the host's CPU model."""
        return HOST_KINDS[int(self.kind[host])].cpu


def draft(spec: Spec) -> Draft:
    """Make a fleet that has no violations.

    Raises
    ------
    InputError
        If that many VMs of the sizes that the fill asks for do not fit.
    """
    for attempt in range(ATTEMPTS if spec.vms <= FEW_VMS else 1):
        made = _attempt(spec, np.random.default_rng([spec.seed, 0, attempt]))
        if made is not None:
            return made
    hint = "other numbers of hosts or VMs, lower fills, or a higher cpu_overcommit"
    raise InputError("generate", "vms", spec.vms, f"VMs that fit on {spec.hosts} hosts", hint)


def _attempt(spec: Spec, rng: np.random.Generator) -> Draft | None:
    kind = spread_evenly(np.array([k.share for k in HOST_KINDS]), spec.hosts, rng)
    table = np.array([[k.cores * 1000, k.cores * 800, k.memory_gib * GIB, k.disk_gib * GIB] for k in HOST_KINDS])
    capacity = table[kind].astype(np.int64)
    usable = capacity.copy()
    usable[:, CPU] = (usable[:, CPU] * float(spec.cpu_overcommit)).astype(np.int64)
    usable[:, MEMORY] -= RESERVED_MIB
    rack = np.arange(spec.hosts) // spec.hosts_per_rack
    demand = demands(spec, usable, rng)
    group, level = groups(spec, int(rack[-1]) + 1, rng)
    host = place(spec, usable, rack, demand, group, level, rng)
    if host is None:
        return None
    on: list[list[int]] = [[] for _ in range(spec.hosts)]
    for v, h in enumerate(host.tolist()):
        on[h].append(v)
    noisy, sensitive = noise(spec, on, rng)
    return Draft(
        spec=spec,
        kind=kind,
        rack=rack,
        zone=rack // spec.racks_per_zone,
        capacity=capacity,
        usable=usable,
        demand=demand,
        host=host,
        group=group,
        group_level=level,
        owner=owners(host, group, rng),
        noisy=noisy,
        sensitive=sensitive,
        requires=requires(spec, kind, host, rng),
        on=on,
    )
