"""The fleet as it is: one column of a numpy array for each fact, indexed by host or by VM.

A fleet of 100,000 VMs is a few arrays, never 100,000 objects. An absent optional fact is `ABSENT` in an integer
column, NaN in a float column, and a missing key in a sparse one (a dict by index).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from numpy.typing import NDArray

__all__ = [
    "ABSENT",
    "AMOUNT_LIMIT",
    "Busy",
    "Fleet",
    "Group",
    "GroupRule",
    "HostState",
    "Hosts",
    "InFlight",
    "Interference",
    "Mobility",
    "MoveOutcome",
    "PastMove",
    "Pressure",
    "Resource",
    "VmState",
    "Vms",
    "Window",
]

ABSENT = -1
"""Stands in an integer column where the snapshot says nothing."""

AMOUNT_LIMIT = 10**12
"""Largest amount of one resource on one host or VM (an exbibyte in MiB): a million of them still sum in int64."""


class HostState(IntEnum):
    """What a host may do; see FORMATS."""

    ACTIVE = 0
    DRAINING = 1  # VMs must leave, none come
    DISABLED = 2  # takes none
    DOWN = 3  # neither gives nor takes


class VmState(IntEnum):
    """What a VM is doing."""

    RUNNING = 0
    PAUSED = 1
    STOPPED = 2
    ERROR = 3
    UNKNOWN = 4


class Mobility(IntEnum):
    """How a VM can be moved."""

    LIVE = 0
    COLD = 1
    NONE = 2


class Busy(Enum):
    """Passing reasons for which a host takes nothing right now."""

    CREATE = "create"
    RESTORE = "restore"
    PDU_REBOOT = "pdu_reboot"
    IPMI_REBOOT = "ipmi_reboot"
    NODE_UNRESPONSIVE = "node_unresponsive"


class Pressure(IntEnum):
    """Columns of the `pressure` and `noise` arrays: fractions of time."""

    CPU_STEAL = 0
    CPU = 1
    IO = 2
    MEMORY = 3


class MoveOutcome(Enum):
    """How a past move ended."""

    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of capacity; `copied`: it has to travel with the VM, so it sets how long a move takes."""

    name: str
    copied: bool


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window, epoch seconds; it holds at `t` when ``start <= t < end``."""

    start: float
    end: float
    reason: str


@dataclass(frozen=True, slots=True)
class Hosts:
    """Columns over the H hosts.

    Attributes
    ----------
    ids
        H unique names.
    domain
        int32 [levels, H]: number of the host's domain at each level; row 0 is ``arange(H)``.
    capacity
        int64 [H, R], physical; `ABSENT` where the host does not name the resource (then it does not count there).
    overcommit_millionths
        int64 [H, R]; `ABSENT` where not given (then 1, or what a policy says by label).
    reserved
        int64 [H, R]; 0 where not given.
    measured
        int64 [H, R]: what the host itself reports in use; `ABSENT` where not given.
    state
        int8 [H] of `HostState`.
    error_count, max_vms
        int64 [H]; `ABSENT` where not given.
    busy, maintenance
        By host index, only where given.
    pressure
        float64 [H, 4], columns of `Pressure`; NaN where not given. `pressure_window_s`: float64 [H].
    migration_mib_per_s, observed_at, signals_at
        float64 [H]; NaN where not given; the times in epoch seconds.
    labels
        H mappings.
    names
        By host index, only where given: what people call it.
    unobserved
        By host index, only where given: why it is not known what happens there.
    full_in_s
        By host index, only where given: seconds until a resource is full as it grows now.
    """

    ids: tuple[str, ...]
    domain: NDArray[np.int32]
    capacity: NDArray[np.int64]
    overcommit_millionths: NDArray[np.int64]
    reserved: NDArray[np.int64]
    measured: NDArray[np.int64]
    state: NDArray[np.int8]
    error_count: NDArray[np.int64]
    max_vms: NDArray[np.int64]
    busy: Mapping[int, tuple[Busy, ...]]
    maintenance: Mapping[int, tuple[Window, ...]]
    pressure: NDArray[np.float64]
    pressure_window_s: NDArray[np.float64]
    migration_mib_per_s: NDArray[np.float64]
    observed_at: NDArray[np.float64]
    signals_at: NDArray[np.float64]
    labels: tuple[Mapping[str, str], ...]
    names: Mapping[int, str] = field(default_factory=dict)
    unobserved: Mapping[int, str] = field(default_factory=dict)
    full_in_s: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Vms:
    """Columns over the V VMs.

    Attributes
    ----------
    ids
        V unique names.
    host
        int32 [V]: index of the host; `ABSENT` for a VM that is not placed yet.
    demand
        int64 [V, R]; 0 where not named.
    owner
        int32 [V]: index into `owner_ids`; `ABSENT` where not given.
    created_at, no_move_until
        float64 [V], epoch seconds; NaN where not given.
    state, mobility
        int8 [V] of `VmState` (RUNNING where not given) and `Mobility` (LIVE where not given).
    requires
        By VM index: label -> values of which the host must have one.
    forbidden_hosts
        By VM index: host indices, ascending.
    sensitive
        bool [V].
    noise, pressure
        float64 [V, 4], columns of `Pressure`; NaN where not given. What it does to others; what it suffers.
    dirty_mib_per_s
        float64 [V]; NaN where not given.
    move_cost_milli
        int64 [V]; `ABSENT` where not given.
    labels
        V mappings.
    names
        By VM index, only where given: what people call it.
    unobserved
        By VM index, only where given: why it is not known what it does.
    """

    ids: tuple[str, ...]
    host: NDArray[np.int32]
    demand: NDArray[np.int64]
    owner: NDArray[np.int32]
    owner_ids: tuple[str, ...]
    created_at: NDArray[np.float64]
    no_move_until: NDArray[np.float64]
    state: NDArray[np.int8]
    mobility: NDArray[np.int8]
    mobility_reason: Mapping[int, str]
    requires: Mapping[int, Mapping[str, tuple[str, ...]]]
    forbidden_hosts: Mapping[int, tuple[int, ...]]
    sensitive: NDArray[np.bool_]
    noise: NDArray[np.float64]
    pressure: NDArray[np.float64]
    dirty_mib_per_s: NDArray[np.float64]
    move_cost_milli: NDArray[np.int64]
    labels: tuple[Mapping[str, str], ...]
    names: Mapping[int, str] = field(default_factory=dict)
    unobserved: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class GroupRule:
    """What a snapshot asks of one group; `rule` is the name of a rule of the catalogue.

    `at_most` belongs to anti_affinity, `at_least` to spread, `other` (a group id; the document's ``with``) to apart
    and needs. `level` is a name among the fleet's levels. `must` is False for a ``should``.
    """

    rule: str
    level: str
    must: bool = True
    weight: int = 1
    at_most: int | None = None
    at_least: int | None = None
    other: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """VMs that belong together; `declared` is False where only VMs name it (then anti-affine on hosts)."""

    id: str
    members: NDArray[np.int32]
    rules: tuple[GroupRule, ...]
    declared: bool = True


@dataclass(frozen=True, slots=True)
class Interference:
    """Evidence that `noisy` hurts `suffers` (VM indices) where both share a host."""

    noisy: int
    suffers: int
    kind: str
    score: float


@dataclass(frozen=True, slots=True)
class InFlight:
    """A move that somebody has in flight: until it is seen done the VM counts at both ends."""

    id: str
    vm: int
    source: int
    target: int
    started_at: float
    by: str


@dataclass(frozen=True, slots=True)
class PastMove:
    """A finished move; names, not indices, since deleted VMs and hosts are welcome."""

    vm: str
    source: str
    target: str
    started_at: float
    ended_at: float
    outcome: MoveOutcome
    by: str


@dataclass(frozen=True, eq=False)
class Fleet:
    """A snapshot: everything that is known about a fleet at `taken_at`.

    `domain_ids[level][number]` names the domains; level 0 is ``host``. `move_within` is a level number: no move
    leaves its domain. `simulated`: a simulation left it so, and `taken_at` is by its clock; no host was read.
    `groups` are all groups, declared or not; `digest` identifies the document it came from. `awaited`: ids of VMs that
    no hypervisor has yet: room is kept for them where they stand.
    """

    id: str
    taken_at: datetime
    resources: tuple[Resource, ...]
    levels: tuple[str, ...]
    domain_ids: tuple[tuple[str, ...], ...]
    hosts: Hosts
    vms: Vms
    groups: tuple[Group, ...] = ()
    interference: tuple[Interference, ...] = ()
    in_flight: tuple[InFlight, ...] = ()
    history: tuple[PastMove, ...] = ()
    history_since: float = float("nan")
    move_within: int | None = None
    simulated: bool = False
    digest: str = field(default="", repr=False)
    awaited: frozenset[str] = frozenset()

    @property
    def now(self) -> float:
        """The snapshot's time in epoch seconds: rules that speak of time mean this one."""
        return self.taken_at.timestamp()

    @cached_property
    def resource_index(self) -> dict[str, int]:
        """Column of each resource by name."""
        return {r.name: i for i, r in enumerate(self.resources)}

    @cached_property
    def host_index(self) -> dict[str, int]:
        """Index of each host by id."""
        return {name: i for i, name in enumerate(self.hosts.ids)}

    @cached_property
    def vm_index(self) -> dict[str, int]:
        """Index of each VM by id."""
        return {name: i for i, name in enumerate(self.vms.ids)}

    @cached_property
    def level_index(self) -> dict[str, int]:
        """Number of each level by name."""
        return {name: i for i, name in enumerate(self.levels)}

    @cached_property
    def group_index(self) -> dict[str, int]:
        """Index of each group by id."""
        return {g.id: i for i, g in enumerate(self.groups)}

    @cached_property
    def looked_up(self) -> dict[object, Any]:
        """What was looked up in this fleet and may be asked for of every VM, by what was asked."""
        return {}

    @cached_property
    def also_at(self) -> NDArray[np.int32]:
        """int32 [V]: where a VM that somebody is moving is as well, beside `vms.host`; `ABSENT` for all others."""
        out = np.full(len(self.vms), ABSENT, np.int32)
        for move in self.in_flight:
            out[move.vm] = move.target if self.vms.host[move.vm] == move.source else move.source
        return out

    @cached_property
    def unexplained(self) -> NDArray[np.int64]:
        """int64 [H, R]: what hosts report in use beyond the VMs (at either end) on them; it stays with the host."""
        return np.where(self.hosts.measured == ABSENT, 0, np.maximum(self.hosts.measured - self.explained, 0))

    @cached_property
    def explained(self) -> NDArray[np.int64]:
        """int64 [H, R]: what is allocated to the VMs (at either end) on each host."""
        return self.explained_by(self.vms.host, self.also_at)

    def explained_by(self, *places: NDArray[np.int32]) -> NDArray[np.int64]:
        """int64 [H, R]: what is allocated to the VMs at these places, each an int32 [V] of hosts or `ABSENT`."""
        out = np.zeros_like(self.hosts.capacity)
        for where in places:
            placed = np.flatnonzero(where != ABSENT)
            np.add.at(out, where[placed], self.vms.demand[placed])
        return out
