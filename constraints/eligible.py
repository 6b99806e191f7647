"""Eligible: may this host *receive*? It judges arrivals, never evicts; every refusal keeps its reason and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.capacity import Capacity, Overcommit
from constraints.common import CONFIG
from constraints.hard import HardParameters, ends_of
from constraints.readings import Reading, load_of, members_by_owner, presence
from constraints.refusals import refused
from optimizer.fleet import ABSENT, Busy, HostState, State
from optimizer.problem.atoms import UNLIMITED, Asked, AtMost, Enter, Linear, Sets
from optimizer.problem.names import MAY_BE_EMPTY
from optimizer.problem.rounding import MILLION, limit_milli
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.problem.atoms import Atom

__all__ = ["Eligible"]

CPU, MEMORY, DISK = "cpu_millicores", "memory_mib", "disk_mib"
Passing = Literal["create", "restore", "pdu_reboot", "ipmi_reboot"]


class _Refusal(NamedTuple):
    reason: str
    value: int
    limit: int
    resource: str | None = None
    domain: str | None = None


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Eligible(HardParameters):
    """Which hosts may receive which VMs; see docs/rules/eligible.md for every reason.

    Parameters
    ----------
    errors
        A host with more errors than this takes nothing; any number if absent.
    vms_per_cpu
        The old scheduler's overage: a host takes VMs up to that many for each of its physical CPUs (steps of 0.001).
    vm_cap
        No host takes VMs beyond this; a host's own `max_vms` counts as well, the lower of the two.
    cpus, disk, memory
        Whether a host takes a VM that asks more CPUs than it physically has; more disk or memory than it has left.
    memory_floor_mib
        Physical memory that has to stay free after an arrival.
    busy
        What keeps a host from receiving for now.
    owner_vms
        A host takes a VM only while it holds fewer than this many others of the same owner (1: the owner is not there).
    overcommit
        What disk and memory are measured against; that of the rule capacity unless the policy says it here.
    """

    kind: ClassVar[str] = "eligible"
    shared: ClassVar[frozenset[str]] = frozenset({"overcommit"})
    understands: ClassVar[frozenset[str]] = frozenset({"host_state", "busy", "max_vms", "move_within"})
    facts: ClassVar[frozenset[str]] = frozenset(
        {"error_count", "owner", *(f"capacity.{r}" for r in (CPU, MEMORY, DISK))}
    )

    errors: int | None = Field(default=None, ge=0, le=1_000_000)
    vms_per_cpu: float | None = Field(default=None, ge=0.001, le=1000)
    vm_cap: int | None = Field(default=None, ge=0, le=1_000_000)
    cpus: bool = True
    disk: bool = True
    memory: bool = True
    memory_floor_mib: int | None = Field(default=None, ge=0, le=10**9)
    busy: Annotated[tuple[Passing, ...], MAY_BE_EMPTY] = ("create", "restore", "pdu_reboot", "ipmi_reboot")
    owner_vms: int | None = Field(default=None, ge=1, le=1_000_000)
    overcommit: tuple[Overcommit, ...] = ()

    # -- lower ---------------------------------------------------------------------------------------------------

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """`Enter` for what holds throughout, a guard for what is counted as VMs come and go."""
        count, ceiling = self._count_limits(fleet), self._floor_limits(fleet)
        vms, hosts = presence(State.start(fleet))
        full = np.bincount(hosts, minlength=len(fleet.hosts)) > count
        closed = self._closed(fleet) | full | (load_of(fleet, MEMORY, vms, hosts) > ceiling)
        if closed.any():
            yield Enter(self.name, None, ~closed)
        yield from self._too_few_cpus(fleet)
        yield from self._outside(fleet)
        yield from self._guards(fleet, count, ceiling)
        yield from self._owners(fleet, vms, hosts)

    def _closed(self, fleet: Fleet) -> NDArray[np.bool_]:
        closed: NDArray[np.bool_] = fleet.hosts.state != HostState.ACTIVE
        if self.errors is not None:
            closed |= fleet.hosts.error_count > self.errors
        stops = {Busy.NODE_UNRESPONSIVE, *(Busy(b) for b in self.busy)}
        closed[[h for h, busy in fleet.hosts.busy.items() if stops & set(busy)]] = True
        return closed

    def _count_limits(self, fleet: Fleet) -> NDArray[np.int64]:
        """Return int64 [H]: how many VMs a host may hold with the last arrival."""
        limit = np.where(fleet.hosts.max_vms == ABSENT, UNLIMITED, fleet.hosts.max_vms)
        if self.vm_cap is not None:
            limit = np.minimum(limit, self.vm_cap)
        if self.vms_per_cpu is not None and CPU in fleet.resource_index:
            cpu = fleet.hosts.capacity[:, fleet.resource_index[CPU]]
            by_cpu = cpu * limit_milli(self.vms_per_cpu) // MILLION
            limit = np.minimum(limit, np.where(cpu == ABSENT, UNLIMITED, by_cpu))
        return limit.astype(np.int64)

    def _floor_limits(self, fleet: Fleet) -> NDArray[np.int64]:
        """Return int64 [H]: the memory in use at which exactly the floor is left."""
        limit = np.full(len(fleet.hosts), UNLIMITED, np.int64)
        if self.memory_floor_mib is not None and MEMORY in fleet.resource_index:
            memory = fleet.hosts.capacity[:, fleet.resource_index[MEMORY]]
            limit = np.where(memory == ABSENT, UNLIMITED, memory - self.memory_floor_mib)
        return limit

    def _too_few_cpus(self, fleet: Fleet) -> Iterator[Enter]:
        """One `Enter` for each class of VMs that fit the same hosts: as many as there are sizes of host."""
        if not self.cpus or CPU not in fleet.resource_index:
            return
        r = fleet.resource_index[CPU]
        has = np.where(fleet.hosts.capacity[:, r] == ABSENT, UNLIMITED, fleet.hosts.capacity[:, r])
        sizes = np.unique(has)
        needs = np.searchsorted(sizes, fleet.vms.demand[:, r])
        for size in np.unique(needs[needs > 0]).tolist():
            fits = has >= sizes[size] if size < len(sizes) else np.zeros(len(has), np.bool_)
            yield Enter(self.name, np.flatnonzero(needs == size).astype(np.int32), fits)

    def _outside(self, fleet: Fleet) -> Iterator[Enter]:
        if fleet.move_within is None:
            return
        if fleet.move_within == 0:
            yield Enter(self.name, None, np.zeros(len(fleet.hosts), np.bool_))
            return
        domain = fleet.hosts.domain[fleet.move_within]
        placed = np.flatnonzero(fleet.vms.host != ABSENT)
        if not placed.size:
            return
        home = domain[fleet.vms.host[placed]]
        order = np.argsort(home, kind="stable")
        found, first = np.unique(home[order], return_index=True)
        for d, vms in zip(found.tolist(), np.split(placed[order], first[1:]), strict=True):
            yield Enter(self.name, np.sort(vms).astype(np.int32), domain == d)

    def _guards(self, fleet: Fleet, count: NDArray[np.int64], ceiling: NDArray[np.int64]) -> Iterator[Linear]:
        """Memory left and the floor are one guard: a host that is under the floor at the start takes nothing."""
        limits = Capacity(overcommit=self.overcommit).limits(fleet) if self.disk or self.memory else None
        for name, wanted, also in ((DISK, self.disk, None), (MEMORY, self.memory, ceiling)):
            r = fleet.resource_index.get(name)
            if r is None:
                continue
            limit = np.full(len(fleet.hosts), UNLIMITED, np.int64) if also is None else also
            if wanted and limits is not None:
                named = fleet.hosts.capacity[:, r] != ABSENT
                limit = np.minimum(limit, np.where(named, limits[:, r], UNLIMITED))
            if (limit < UNLIMITED).any():
                yield self._guard(name, fleet.vms.demand[:, r], limit, fleet.unexplained[:, r])
        if (count < UNLIMITED).any():
            yield self._guard("vms", np.ones(len(fleet.vms), np.int64), count, np.zeros_like(count))

    def _guard(self, name: str, amount: NDArray[np.int64], limit: NDArray[np.int64], base: NDArray[np.int64]) -> Linear:
        return Linear(
            asked=Asked(self.name, Hardness.GUARD),
            resource=name,
            level=0,
            amount=amount,
            limit=np.maximum(limit, 0),
            unit=np.ones_like(limit),
            base=base,
        )

    def _owners(self, fleet: Fleet, vms: NDArray[np.int32], hosts: NDArray[np.int32]) -> Iterator[Atom]:
        """Close hosts that hold too many of an owner to that owner's VMs; count them elsewhere."""
        if self.owner_vms is None:
            return
        members = members_by_owner(fleet.vms.owner)
        crowd = {o: m for o, m in members.items() if len(m) > self.owner_vms}
        if not crowd:
            return
        of = fleet.vms.owner[vms].astype(np.int64)
        pairs, held = np.unique((of * len(fleet.hosts) + hosts)[of != ABSENT], return_counts=True)
        shut: dict[int, list[int]] = {}
        for pair in pairs[held > self.owner_vms].tolist():
            shut.setdefault(pair // len(fleet.hosts), []).append(pair % len(fleet.hosts))
        alike: dict[tuple[int, ...], list[NDArray[np.int32]]] = {}
        for owner, where in shut.items():
            alike.setdefault(tuple(where), []).append(members[owner])
        for where_shut, who in alike.items():
            free = np.ones(len(fleet.hosts), np.bool_)
            free[list(where_shut)] = False
            yield Enter(self.name, np.sort(np.concatenate(who)), free)
        sets = Sets.of((fleet.vms.owner_ids[o], m) for o, m in crowd.items())
        yield AtMost(Asked(self.name, Hardness.GUARD), 0, sets, np.full(len(sets), self.owner_vms, np.int64))

    # -- check ---------------------------------------------------------------------------------------------------

    def check(self, state: State) -> Iterator[Violation]:
        """Judge the target of every move that was made or is in flight."""
        if not state.arrivals:
            return
        now, start = Reading(state), Reading(State.start(state.fleet))
        limits = Capacity(overcommit=self.overcommit).limits(state.fleet)
        for vm, host in state.arrivals:
            for found in self._refusals(state, now, start, limits, vm, host):
                yield Violation(
                    rule=self.name,
                    subject=state.fleet.hosts.ids[host],
                    hardness=Hardness.HARD,
                    value=found.value,
                    limit=found.limit,
                    excess=1,
                    resource=found.resource,
                    domain=found.domain,
                    vms=(vm,),
                    reason=found.reason,
                )

    def _refusals(
        self, state: State, now: Reading, start: Reading, limits: NDArray[np.int64], vm: int, host: int
    ) -> Iterator[_Refusal]:
        yield from self._by_host(state.fleet, host)
        yield from self._by_pair(state.fleet, vm, host)
        there = now if host in ends_of(state, vm) else start
        yield from self._by_count(there, start, host)
        yield from self._by_load(there, start, limits[host], host)
        yield from self._by_owner(there, start, vm, host)

    def _by_host(self, fleet: Fleet, host: int) -> Iterator[_Refusal]:
        state, errors = HostState(int(fleet.hosts.state[host])), int(fleet.hosts.error_count[host])
        busy = fleet.hosts.busy.get(host, ())
        if state is not HostState.ACTIVE:
            yield _Refusal("state", int(state), 0)
        if self.errors is not None and errors > self.errors:
            yield _Refusal("errors", errors, self.errors)
        passing = [b for b in busy if b.value in self.busy]
        if passing:
            yield _Refusal("busy", len(passing), 0)
        if Busy.NODE_UNRESPONSIVE in busy:
            yield _Refusal("unresponsive", 1, 0)

    def _by_pair(self, fleet: Fleet, vm: int, host: int) -> Iterator[_Refusal]:
        r = fleet.resource_index.get(CPU)
        if self.cpus and r is not None:
            asks, has = int(fleet.vms.demand[vm, r]), int(fleet.hosts.capacity[host, r])
            if has != ABSENT and asks > has:
                yield _Refusal("cpus", asks, has, resource=CPU)
        level, home = fleet.move_within, int(fleet.vms.host[vm])
        if level is not None and home != ABSENT and fleet.hosts.domain[level, home] != fleet.hosts.domain[level, host]:
            name = fleet.domain_ids[level][int(fleet.hosts.domain[level, host])]
            yield _Refusal("move_within", 1, 0, domain=f"{fleet.levels[level]}:{name}")

    def _by_count(self, now: Reading, start: Reading, host: int) -> Iterator[_Refusal]:
        held, before = now.held(host), start.held(host)
        for reason, limit in self.count_limits_of(now.fleet, host):
            if held > limit or before > limit:
                yield _Refusal(reason, max(held, before), limit)

    def count_limits_of(self, fleet: Fleet, host: int) -> Iterator[tuple[str, int]]:
        """Yield each limit on the number of VMs of a host, by the word of its refusal."""
        cpu = int(fleet.hosts.capacity[host, fleet.resource_index[CPU]]) if CPU in fleet.resource_index else ABSENT
        if self.vms_per_cpu is not None and cpu != ABSENT:
            yield "vm_count_cpus", cpu * limit_milli(self.vms_per_cpu) // MILLION
        caps = [n for n in (self.vm_cap, int(fleet.hosts.max_vms[host])) if n is not None and n != ABSENT]
        if caps:
            yield "vm_count_cap", min(caps)

    def _by_load(self, now: Reading, start: Reading, limits: NDArray[np.int64], host: int) -> Iterator[_Refusal]:
        fleet = now.fleet
        for reason, name, wanted in (("disk", DISK, self.disk), ("memory", MEMORY, self.memory)):
            r = fleet.resource_index.get(name)
            if not wanted or r is None or fleet.hosts.capacity[host, r] == ABSENT:
                continue
            limit, load = int(limits[r]), now.load(host, r)
            if load > limit and load > start.load(host, r):
                yield _Refusal(reason, load, limit, resource=name)
        r = fleet.resource_index.get(MEMORY)
        if self.memory_floor_mib is not None and r is not None and fleet.hosts.capacity[host, r] != ABSENT:
            free = int(fleet.hosts.capacity[host, r]) - max(now.load(host, r), start.load(host, r))
            if free < self.memory_floor_mib:
                yield _Refusal("memory_floor", free, self.memory_floor_mib, resource=MEMORY)

    def _by_owner(self, now: Reading, start: Reading, vm: int, host: int) -> Iterator[_Refusal]:
        owner = int(now.fleet.vms.owner[vm])
        if self.owner_vms is None or owner == ABSENT:
            return
        held, before = now.held(host, owner), start.held(host, owner)
        if held > self.owner_vms or before > self.owner_vms:
            yield _Refusal("owner", max(held, before), self.owner_vms)

    # -- in words ------------------------------------------------------------------------------------------------

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say why the host may not receive, and what would have to change."""
        return refused(violation, fleet)

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name what hosts and VMs do not say of what a limit reads, or what is required."""
        if self.errors is not None or "error_count" in self.require:
            yield from self._silent("error_count", fleet.hosts.error_count)
        counts = {CPU: self.vms_per_cpu is not None, MEMORY: self.memory_floor_mib is not None, DISK: False}
        for name in (n for n, wanted in counts.items() if wanted or f"capacity.{n}" in self.require):
            r = fleet.resource_index.get(name)
            none = np.full(len(fleet.hosts), ABSENT)
            yield from self._silent(f"capacity.{name}", none if r is None else fleet.hosts.capacity[:, r])
        missing = int((fleet.vms.owner == ABSENT).sum())
        if missing and (self.owner_vms is not None or "owner" in self.require):
            yield NotEvaluated(self.name, "owner", vms=missing)

    def _silent(self, what: str, column: NDArray[np.int64]) -> Iterator[NotEvaluated]:
        silent = int((column == ABSENT).sum())
        if silent:
            yield NotEvaluated(self.name, what, hosts=silent)

    def notes(self, fleet: Fleet) -> list[str]:
        """Point out each limit that another one makes unreachable, and on how many hosts."""
        lower: dict[str, list[int]] = {}
        for host in range(len(fleet.hosts)):
            limits = dict(self.count_limits_of(fleet, host))
            least = min(limits.values(), default=0)
            for reason in (r for r, n in limits.items() if n > least):
                lower.setdefault(reason, []).append(host)
        out = []
        for reason, hosts in sorted(lower.items()):
            first = dict(self.count_limits_of(fleet, hosts[0]))
            other, least = min(first.items(), key=lambda item: item[1])
            out.append(
                f"{self.name}: {reason} ({first[reason]} VMs at {fleet.hosts.ids[hosts[0]]}) is out of reach on "
                f"{len(hosts)} of {len(fleet.hosts)} hosts: {other} stops at {least}"
            )
        return [*out, *self._floor_note(fleet)]

    def _floor_note(self, fleet: Fleet) -> Iterator[str]:
        r = fleet.resource_index.get(MEMORY)
        if self.memory_floor_mib is None or r is None or not self.memory:
            return
        sold = Capacity(overcommit=self.overcommit).limits(fleet)[:, r]
        kept = (fleet.hosts.capacity[:, r] != ABSENT) & (sold < self._floor_limits(fleet))
        if kept.any():
            yield (
                f"{self.name}: memory_floor ({self.memory_floor_mib} MiB) is out of reach on {int(kept.sum())} of "
                f"{len(fleet.hosts)} hosts: what is reserved there is more"
            )
