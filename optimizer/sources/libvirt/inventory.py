"""The source libvirt: every host of a hosts file as it is now, as a fleet.

A VM is named by its domain's metadata, or else by the domain's name. Capacities are the hosts file's, or else the CPUs
and the memory that the host itself reports, rounded down. Groups are not known to libvirt: an overlay says them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.sources.kinds import key_path, time_text
from optimizer.sources.libvirt.domains import MILLICORES, Role, declared, read_domain, unless_gone, vm_id
from optimizer.sources.libvirt.hosts import READABLE, read_hosts
from optimizer.sources.libvirt.hypervisor import Hypervisor, Unreachable, load_libvirt
from optimizer.sources.within import each

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.sources.libvirt.domains import Domain
    from optimizer.sources.libvirt.hosts import LibvirtHost, LibvirtHosts
    from optimizer.sources.settings import SourceSettings

__all__ = ["read_inventory"]

Document = dict[str, Any]

AT_ONCE = 32
"""Hosts that are asked side by side, at most."""

NOT_COPIED = frozenset({"cpu_millicores"})
"""All else that a domain says that it takes travels with it: memory, and the disks that its metadata names."""


def read_inventory(settings: SourceSettings) -> Document:
    """Read the hosts of a hosts file.

    Raises
    ------
    InputError
        The file is wrong, a host does not answer (one that is down says so in the file), or a VM is on two hosts.
    """
    hosts = read_hosts(settings.where)
    libvirt = load_libvirt("--source")
    asked = [host for host in hosts.hosts.values() if host.inventory.get("state") != "down"]
    found = each([partial(_ask, host, hosts, libvirt) for host in asked], AT_ONCE, "libvirt")
    answers = dict(zip((host.id for host in asked), found, strict=True))
    domains = [domain for _, found in answers.values() for domain in found]
    placed = _placed(domains, hosts.where)
    vms = [_vm(domain, hosts) for domain in placed]
    levels = dict.fromkeys(level for host in hosts.hosts.values() for level in host.inventory.get("domains", {}))
    return {
        "format": "remora-fleet/1",
        "fleet": hosts.fleet or settings.fleet,
        "taken_at": time_text(settings.taken_at),
        "resources": [{"name": name, "copied": name not in NOT_COPIED} for name in _resources(vms, hosts)],
        "levels": ["host", *(level for level in levels if level != "host")],
        "hosts": [_host(host, answers.get(host.id, ({}, ()))[0]) for host in hosts.hosts.values()],
        "vms": vms,
        "in_flight": _in_flight(domains, time_text(settings.taken_at)),
    }


def _ask(host: LibvirtHost, hosts: LibvirtHosts, libvirt: Any) -> tuple[dict[str, int], Sequence[Domain]]:
    """Return what the host has, and its domains."""

    def question(connection: Any) -> tuple[dict[str, int], list[Domain]]:
        info = connection.getInfo()
        read = (unless_gone(libvirt, partial(domain_of, domain)) for domain in connection.listAllDomains(0))
        found = [domain for domain in read if domain is not None]
        return {"cpu_millicores": MILLICORES * info[2], "memory_mib": info[1]}, found

    def domain_of(domain: Any) -> Domain:
        said = declared(libvirt, domain)
        name = vm_id(domain.UUIDString(), domain.name(), said, lambda _: False)
        return read_domain(libvirt, domain, host.id, name, said)

    try:
        return Hypervisor(host, hosts, libvirt).ask(question)
    except Unreachable as error:
        hint = "`state: down` for one that is down"
        raise InputError(hosts.where, key_path("hosts", host.id), str(error), "a host that answers", hint) from error


def _placed(domains: Iterable[Domain], where: str) -> list[Domain]:
    """Return one domain for each VM: of a migration the end that it leaves."""
    found: dict[str, Domain] = {}
    for domain in sorted(domains, key=lambda d: d.role is Role.ARRIVING):
        other = found.setdefault(domain.id, domain)
        if other is not domain and domain.role is not Role.ARRIVING:
            raise InputError(where, "hosts", domain.id, "a VM on one host", f"it is on {other.host} and {domain.host}")
    return sorted(found.values(), key=lambda d: d.id)


def _vm(domain: Domain, hosts: LibvirtHosts) -> Document:
    read = {"cpu_millicores": MILLICORES * domain.vcpus, "memory_mib": domain.memory_mib}
    vm = {
        "id": domain.id,
        "host": domain.host,
        "demand": {**{name: read[name] for name in hosts.demand}, **domain.declared.demand},
        "state": domain.state.name.lower(),
    }
    return vm if domain.declared.mobility is None else vm | {"mobility": domain.declared.mobility.name.lower()}


def _resources(vms: Iterable[Document], hosts: LibvirtHosts) -> list[str]:
    amounts = [vm["demand"] for vm in vms] + [host.inventory.get("capacity", {}) for host in hosts.hosts.values()]
    return list(dict.fromkeys([*READABLE, *(name for named in amounts for name in named)]))


def _host(host: LibvirtHost, reports: dict[str, int]) -> Document:
    return {"id": host.id, **host.inventory, "capacity": {**reports, **host.inventory.get("capacity", {})}}


def _in_flight(domains: Iterable[Domain], taken_at: str) -> list[Document]:
    """Return the migrations of which both ends are seen."""
    ends = {role: {d.id: d for d in domains if d.role is role} for role in Role}
    leaving, arriving = ends[Role.LEAVING], ends[Role.ARRIVING]
    return [
        {
            "id": f"libvirt-{vm}",
            "vm": vm,
            "from": leaving[vm].host,
            "to": arriving[vm].host,
            "started_at": taken_at,
            "by": "other",
        }
        for vm in sorted(leaving.keys() & arriving.keys())
    ]
