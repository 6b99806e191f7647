"""Where each VM is, by what the hosts say: readings of the libvirt driver."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from optimizer.execute.drivers import HostReading, VmReading
from optimizer.execute.readings import host_reading, standing, vm_reading
from optimizer.fleet import ABSENT, HostState, Mobility, VmState
from optimizer.sources.libvirt.domains import MILLICORES, Role, declared, read_domain, unless_gone, vm_id
from optimizer.sources.libvirt.hypervisor import Hypervisor, Unreachable
from optimizer.sources.within import each_to_its_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from optimizer.execute.drivers import Request
    from optimizer.fleet import Fleet
    from optimizer.sources.libvirt.domains import Domain
    from optimizer.sources.libvirt.hosts import LibvirtHost, LibvirtHosts

__all__ = ["Places", "host_as_it_is", "vm_as_it_is"]

T = TypeVar("T")

AT_ONCE = 32
"""Hosts that are asked side by side, at most."""

NOBODY_KNOWS = "an unknown host"


class Places:
    """Asks hosts where VMs are.

    A VM is looked for on the hosts where it may be: where the snapshot has it, and the ends of every move of it that
    was heard of. All of them have to answer. Only where it is on none of them all hosts are asked.
    """

    def __init__(self, fleet: Fleet, hosts: LibvirtHosts, libvirt: Any) -> None:
        self._fleet, self._libvirt = fleet, libvirt
        self._hypervisors = {name: Hypervisor(host, hosts, libvirt) for name, host in hosts.hosts.items()}
        self._likely: dict[str, dict[str, None]] = {}
        for host, vms in zip(fleet.hosts.ids, standing(fleet), strict=True):
            for vm in vms:
                self.expect(vm, host)
        down = (HostState(state) is HostState.DOWN for state in fleet.hosts.state)
        self._down = {host for host, is_down in zip(fleet.hosts.ids, down, strict=True) if is_down}
        self._names: dict[str, str] = {}

    def expect(self, vm: str, *hosts: str) -> None:
        """Look for a VM on these hosts as well from now on."""
        self._likely.setdefault(vm, {}).update(dict.fromkeys(h for h in hosts if h in self._hypervisors))

    def hypervisor(self, host: str) -> Hypervisor:
        """Return a host."""
        return self._hypervisors[host]

    def of(self, vm: str) -> Sequence[Domain]:
        """Return each domain that is the VM.

        Raises
        ------
        Unreachable
            A host on which it may be does not answer.
        """
        likely = list(self._likely.get(vm, ()))
        found = [d for d in self._each(likely, lambda host: self.at(vm, host)) if d is not None]
        roles = [domain.role for domain in found]
        if roles == [Role.RESTING] or {Role.LEAVING, Role.ARRIVING} <= set(roles):
            return found
        others = [h for h in self._hypervisors if h not in likely and h not in self._down]
        further = [d for d in self._each(others, lambda host: self.at(vm, host)) if d is not None]
        for domain in further:
            self.expect(vm, domain.host)
        return [*found, *further]

    def at(self, vm: str, host: str) -> Domain | None:
        """Return the domain that is the VM on one host."""
        return self.on_domain(
            vm, host, lambda domain: read_domain(self._libvirt, domain, host, vm, declared(self._libvirt, domain))
        )

    def on_domain(self, vm: str, host: str, ask: Callable[[Any], T]) -> T | None:
        """Return what `ask` returns of the domain that is the VM on a host; None where there is none, or no more."""

        def question(connection: Any) -> T | None:
            found = [domain for domain in connection.listAllDomains(0) if self._name(domain) == vm]
            if len(found) > 1:
                raise Unreachable(f"host {host}: {len(found)} domains are {vm}")
            return ask(found[0]) if found else None

        return self._hypervisors[host].ask(lambda connection: self._but_gone(lambda: question(connection)))

    def on(self, host: str) -> frozenset[str]:
        """Return the VMs of all domains on a host."""

        def question(connection: Any) -> frozenset[str]:
            names = (self._but_gone(partial(self._name, domain)) for domain in connection.listAllDomains(0))
            return frozenset(name for name in names if name is not None)

        return self._hypervisors[host].ask(question)

    def arriving(self) -> frozenset[str]:
        """Return the VMs that arrive at a host; only what is paused can, so few domains have to be asked."""
        hosts = [host for host in self._hypervisors if host not in self._down]
        return frozenset().union(*self._each(hosts, self._arriving))

    def _arriving(self, host: str) -> frozenset[str]:
        libvirt = self._libvirt
        reasons = (libvirt.VIR_DOMAIN_PAUSED_MIGRATION, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP)

        def name(domain: Any) -> str | None:
            state, reason = domain.state(0)
            return self._name(domain) if state == libvirt.VIR_DOMAIN_PAUSED and reason in reasons else None

        def question(connection: Any) -> frozenset[str]:
            paused = connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PAUSED)
            names = (self._but_gone(partial(name, domain)) for domain in paused)
            return frozenset(found for found in names if found is not None)

        return self._hypervisors[host].ask(question)

    def _name(self, domain: Any) -> str:
        """Return the VM that a domain is; asked once of each, since an id is for good."""
        uuid = domain.UUIDString()
        if uuid not in self._names:
            said = declared(self._libvirt, domain)
            self._names[uuid] = vm_id(uuid, domain.name(), said, self._fleet.vm_index.__contains__)
        return self._names[uuid]

    def _but_gone(self, ask: Callable[[], T]) -> T | None:
        return unless_gone(self._libvirt, ask)

    def _each(self, hosts: Sequence[str], ask: Callable[[str], T]) -> list[T]:
        if len(hosts) < 2:
            return [ask(host) for host in hosts]
        return each_to_its_end([partial(ask, host) for host in hosts], AT_ONCE, "places")


def vm_as_it_is(
    fleet: Fleet, hosts: LibvirtHosts, vm: str, found: Sequence[Domain], flying: Request | None
) -> VmReading:
    """Return a VM by the domains that are it; `flying` is the move of it that this process waits for."""
    v = fleet.vm_index.get(vm)
    known = vm_reading(fleet, v, ABSENT) if v is not None else None
    resting = [d for d in found if d.role is Role.RESTING]
    leaving = [d for d in found if d.role is Role.LEAVING]
    arriving = [d for d in found if d.role is Role.ARRIVING]
    if flying is not None:
        host: str | None = flying.source
        moving_to: str | None = flying.target
    else:
        at = [*leaving, *_active_first(resting)]
        host = at[0].host if at else None
        moving_to = arriving[0].host if arriving else NOBODY_KNOWS if leaving else None
    ends = {host, moving_to}
    copies = frozenset(d.host for d in found if d.host not in ends)
    one = next((d for d in found if d.host == host), found[0] if found else None)
    return VmReading(
        id=vm,
        host=host,
        state=one.state if one else known.state if known else VmState.UNKNOWN,
        mobility=(one.declared.mobility if one else None) or (known.mobility if known else Mobility.LIVE),
        demand={**(known.demand if known else {}), **(_demand(hosts, one, fleet) if one else {})},
        moving_to=moving_to,
        copies=copies,
    )


def host_as_it_is(fleet: Fleet, host: LibvirtHost, vms: Iterable[str]) -> HostReading:
    """Return a host with these VMs; what the hosts file says of it goes before what the snapshot says."""
    h = fleet.host_index.get(host.id)
    said = host.inventory
    state, capacity = said.get("state"), said.get("capacity")
    if h is None:
        return HostReading(host.id, HostState[str(state or "active").upper()], dict(capacity or {}), (), frozenset(vms))
    known = host_reading(fleet, h, vms)
    named = {r.name for r in fleet.resources}
    declared_capacity = {r: int(c) for r, c in (capacity or {}).items() if r in named}
    return HostReading(
        id=known.id,
        state=HostState[state.upper()] if state else known.state,
        capacity={**known.capacity, **declared_capacity},
        busy=known.busy,
        vms=known.vms,
    )


def _active_first(domains: Sequence[Domain]) -> list[Domain]:
    return sorted(domains, key=lambda d: d.state is VmState.STOPPED)


def _demand(hosts: LibvirtHosts, domain: Domain, fleet: Fleet) -> dict[str, int]:
    """Return what libvirt and the domain's metadata say of its demand, for resources of the fleet."""
    read = {"cpu_millicores": MILLICORES * domain.vcpus, "memory_mib": domain.memory_mib}
    said = {**{name: read[name] for name in hosts.demand}, **domain.declared.demand}
    return {r.name: said[r.name] for r in fleet.resources if r.name in said}
