"""A stand-in for the module libvirt: hosts by their URI, domains that migrate in a moment, and every fault on demand.

Only what the source and the driver call. `World.module()` is what `import libvirt` returns.
"""

from __future__ import annotations

import threading
import time
import types
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from optimizer.fleet import Fleet

__all__ = ["CONSTANTS", "FakeDomain", "FakeError", "World", "world_of"]

CONSTANTS = {
    "VIR_DOMAIN_NOSTATE": 0,
    "VIR_DOMAIN_RUNNING": 1,
    "VIR_DOMAIN_BLOCKED": 2,
    "VIR_DOMAIN_PAUSED": 3,
    "VIR_DOMAIN_SHUTDOWN": 4,
    "VIR_DOMAIN_SHUTOFF": 5,
    "VIR_DOMAIN_CRASHED": 6,
    "VIR_DOMAIN_PMSUSPENDED": 7,
    "VIR_DOMAIN_PAUSED_MIGRATION": 2,
    "VIR_DOMAIN_PAUSED_STARTING_UP": 11,
    "VIR_DOMAIN_JOB_NONE": 0,
    "VIR_DOMAIN_JOB_BOUNDED": 1,
    "VIR_DOMAIN_JOB_UNBOUNDED": 2,
    "VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT": 5,
    "VIR_DOMAIN_METADATA_ELEMENT": 2,
    "VIR_CONNECT_LIST_DOMAINS_PAUSED": 32,
    "VIR_MIGRATE_LIVE": 1,
    "VIR_MIGRATE_PEER2PEER": 2,
    "VIR_MIGRATE_PERSIST_DEST": 8,
    "VIR_MIGRATE_UNDEFINE_SOURCE": 16,
    "VIR_MIGRATE_NON_SHARED_DISK": 64,
    "VIR_MIGRATE_UNSAFE": 512,
    "VIR_MIGRATE_OFFLINE": 1024,
    "VIR_MIGRATE_AUTO_CONVERGE": 8192,
    "VIR_MIGRATE_PARAM_URI": "migrate_uri",
    "VIR_MIGRATE_PARAM_BANDWIDTH": "bandwidth",
    "VIR_ERR_NO_SUPPORT": 3,
    "VIR_ERR_INVALID_ARG": 8,
    "VIR_ERR_OPERATION_FAILED": 9,
    "VIR_ERR_OPERATION_DENIED": 29,
    "VIR_ERR_SYSTEM_ERROR": 38,
    "VIR_ERR_NO_DOMAIN": 42,
    "VIR_ERR_AUTH_FAILED": 45,
    "VIR_ERR_OPERATION_INVALID": 55,
    "VIR_ERR_CONFIG_UNSUPPORTED": 67,
    "VIR_ERR_ARGUMENT_UNSUPPORTED": 74,
    "VIR_ERR_NO_DOMAIN_METADATA": 80,
    "VIR_ERR_MIGRATE_UNSAFE": 81,
    "VIR_ERR_OPERATION_UNSUPPORTED": 84,
    "VIR_ERR_ACCESS_DENIED": 88,
    "VIR_ERR_CPU_INCOMPATIBLE": 91,
}
"""As libvirt has them; `test_libvirt_driver` holds them against the real module where there is one."""

C = types.SimpleNamespace(**CONSTANTS)


class FakeError(Exception):
    """libvirtError."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self._code = code

    def get_error_code(self) -> int:
        return self._code


@dataclass
class FakeDomain:
    """A domain on one host; `job` is what jobStats says."""

    name: str
    uuid: str
    state: tuple[int, int] = (1, 1)
    memory_kib: int = 1024
    vcpus: int = 1
    metadata: str = ""
    job: dict[str, Any] | None = None
    persistent: bool = True


@dataclass
class World:
    """All hosts: the domains of each by name; faults are hooks and sets that a test fills."""

    hosts: dict[str, dict[str, FakeDomain]]
    seconds: float = 0.05
    unreachable: set[str] = field(default_factory=set)
    hangs: set[str] = field(default_factory=set)
    fails: Callable[[str], Exception | None] = lambda name: None
    lost: set[str] = field(default_factory=set)
    calls: list[tuple[str, str, str, dict[str, Any], int]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    holds: bool = False

    def module(self) -> Any:
        module = types.ModuleType("libvirt")
        module.__dict__.update(CONSTANTS)
        module.__dict__.update(
            libvirtError=FakeError,
            open=lambda uri: _Connection(self, uri),
            registerErrorHandler=lambda *_: None,
            virEventRegisterDefaultImpl=lambda: None,
            virEventAddTimeout=lambda *_: None,
            virEventRunDefaultImpl=lambda: time.sleep(3600),
        )
        return module

    def host_of(self, uri: str) -> str:
        return uri.split("//")[1].split("/")[0].rpartition("@")[2]


class _Connection:
    def __init__(self, world: World, uri: str) -> None:
        self.world, self.host = world, world.host_of(uri)
        self._check()

    def _check(self) -> None:
        if self.host in self.world.hangs:
            self.world.release.wait(30)
        if self.host in self.world.unreachable:
            raise FakeError(f"unable to connect to server at 'qemu+tls://secret@{self.host}/system?pkipath=/p'", 38)

    def isAlive(self) -> bool:
        return self.host not in self.world.lost | self.world.unreachable

    def setKeepAlive(self, interval: int, count: int) -> int:
        return 0

    def getInfo(self) -> list[Any]:
        self._check()
        return ["x86_64", 65_536, 16, 2400, 1, 1, 16, 1]

    def listAllDomains(self, flags: int) -> list[_Domain]:
        self._check()
        found = list(self.world.hosts[self.host].values())
        return [_Domain(self, d) for d in found if flags == 0 or d.state[0] == C.VIR_DOMAIN_PAUSED]

    def lookupByUUIDString(self, name: str) -> _Domain:
        self._check()
        for domain in self.world.hosts[self.host].values():
            if domain.uuid == name:
                return _Domain(self, domain)
        raise FakeError("no such domain", C.VIR_ERR_NO_DOMAIN)


class _Domain:
    def __init__(self, connection: _Connection, domain: FakeDomain) -> None:
        self.connection, self.domain = connection, domain

    def UUIDString(self) -> str:
        return self.domain.uuid

    def name(self) -> str:
        return self.domain.name

    def _check(self) -> None:
        self.connection._check()
        if self.domain.name not in self.connection.world.hosts[self.connection.host]:
            raise FakeError("no such domain", C.VIR_ERR_NO_DOMAIN)

    def metadata(self, kind: int, namespace: str, flags: int) -> str:
        self._check()
        if self.domain.state[0] == C.VIR_DOMAIN_SHUTOFF and not self.domain.persistent:
            raise FakeError("transient domains do not have any persistent config", C.VIR_ERR_OPERATION_INVALID)
        if not self.domain.metadata:
            raise FakeError("no metadata", C.VIR_ERR_NO_DOMAIN_METADATA)
        return self.domain.metadata

    def state(self, flags: int) -> list[int]:
        self._check()
        return list(self.domain.state)

    def info(self) -> list[int]:
        self._check()
        return [self.domain.state[0], self.domain.memory_kib, self.domain.memory_kib, self.domain.vcpus, 0]

    def isPersistent(self) -> bool:
        return self.domain.persistent

    def jobStats(self, flags: int) -> dict[str, Any]:
        self._check()
        if self.domain.state == (C.VIR_DOMAIN_PAUSED, C.VIR_DOMAIN_PAUSED_MIGRATION) and self.domain.job is None:
            raise FakeError("only on the source host", C.VIR_ERR_OPERATION_UNSUPPORTED)
        return dict(self.domain.job or {"type": 0})

    def abortJob(self) -> int:
        self._check()
        if self.domain.job is None:
            raise FakeError("no job is active on the domain", C.VIR_ERR_OPERATION_INVALID)
        self.domain.job["aborted"] = True
        return 0

    def migrateToURI3(self, uri: str, parameters: dict[str, Any], flags: int) -> int:
        world, source, target = self.connection.world, self.connection.host, self.connection.world.host_of(uri)
        world.calls.append((self.domain.name, source, target, parameters, flags))
        here, there, name = world.hosts[source], world.hosts[target], self.domain.name
        self.domain.job = {"type": 2, "operation": 5, "time_elapsed": 0, "data_processed": 0, "data_remaining": 0}
        there[name] = FakeDomain(**{**vars(self.domain), "state": (3, 11), "job": None})
        self.domain.job |= {"data_processed": 2**20, "data_remaining": 5 * 2**20, "time_elapsed": 10}
        there[name].state = (3, 2)
        ends = time.monotonic() + world.seconds
        while time.monotonic() < ends or (world.holds and not world.release.is_set()):
            time.sleep(0.005)
            error = FakeError("aborted by client", 78) if self.domain.job.get("aborted") else world.fails(name)
            if error is not None:
                del there[name]
                self.domain.job = None
                raise error
        was = self.domain.state
        self.domain.state = (3, 2)
        there[name].state = was
        del here[name]
        return 0


def world_of(fleet: Fleet, extra: Iterable[str] = ()) -> World:
    """Return the world that a fleet says: domains named by their ids, what they take in their metadata."""
    world = World({host: {} for host in (*fleet.hosts.ids, *extra)})
    for v, vm in enumerate(fleet.vms.ids):
        demand = zip(fleet.resources, fleet.vms.demand[v], strict=True)
        said = "".join(f'<demand resource="{r.name}">{int(n)}</demand>' for r, n in demand)
        domain = FakeDomain(
            vm, str(uuid.uuid5(uuid.NAMESPACE_DNS, vm)), metadata=f'<vm xmlns="urn:remora:vm">{said}</vm>'
        )
        world.hosts[fleet.hosts.ids[int(fleet.vms.host[v])]][vm] = domain
    return world
