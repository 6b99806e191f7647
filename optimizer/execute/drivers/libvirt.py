"""Migrates with libvirt: peer-to-peer live migration, from host to host, without this program in between.

`--location` names a hosts file (`optimizer.sources.libvirt.hosts`). The source host's daemon carries a migration out by
itself, so one that has begun goes on where this process dies, and is found again by its VM, its hosts and its time.

=======================================================  =====================================================
libvirt says                                             state
=======================================================  =====================================================
the call was made, the source has no job yet             accepted
the source has a job, nothing is copied yet              preparing
the source has a job, its `data_processed` grows         copying, with `data_remaining` left
the source's domain is paused: migration                 switching
the source's domain is gone, the call has not returned   switching
the call returned                                        done
the call returned an error that stays (`PERMANENT`)      failed (permanent)
the call returned another error                          failed (temporary)
the connection was lost during the call                  no job, or what the hosts show, as after a restart
no call of this process, but a job on the source, a      preparing, copying, switching
domain that arrives at the target, not older than the
intent
no call of this process, and no such job                 no job: what became of it, `read_vm` shows
=======================================================  =====================================================

What libvirt cannot tell (the state of a host and its capacity unless the hosts file says them, the demand for resources
other than CPUs and memory) is what the snapshot says.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.execute.drivers import JobReading, MoveRefused, NotAborted, Unreadable
from optimizer.execute.drivers.libvirt_readings import Places, host_as_it_is, vm_as_it_is
from optimizer.execute.states import ENDED, Failure, MoveState
from optimizer.fleet import Carrying, HostState, carrying
from optimizer.sources.libvirt.domains import Role
from optimizer.sources.libvirt.flags import flags_of, why_not
from optimizer.sources.libvirt.hosts import read_hosts, shown
from optimizer.sources.libvirt.hypervisor import Unreachable, load_libvirt
from optimizer.sources.within import Overdue, within

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.execute.drivers import HostReading, Request, VmReading
    from optimizer.execute.drivers.settings import DriverSettings
    from optimizer.fleet import Fleet
    from optimizer.sources.libvirt.domains import Domain
    from optimizer.sources.libvirt.hosts import LibvirtHosts

__all__ = ["LibvirtDriver", "open_libvirt"]

CONSTANTS = {
    "persistent": "VIR_MIGRATE_PERSIST_DEST",
    "undefinesource": "VIR_MIGRATE_UNDEFINE_SOURCE",
    "live": "VIR_MIGRATE_LIVE",
    "auto-converge": "VIR_MIGRATE_AUTO_CONVERGE",
    "offline": "VIR_MIGRATE_OFFLINE",
    "copy-storage-all": "VIR_MIGRATE_NON_SHARED_DISK",
}

PERMANENT = (
    "VIR_ERR_NO_SUPPORT",
    "VIR_ERR_INVALID_ARG",
    "VIR_ERR_OPERATION_DENIED",
    "VIR_ERR_AUTH_FAILED",
    "VIR_ERR_ACCESS_DENIED",
    "VIR_ERR_CONFIG_UNSUPPORTED",
    "VIR_ERR_ARGUMENT_UNSUPPORTED",
    "VIR_ERR_MIGRATE_UNSAFE",
    "VIR_ERR_CPU_INCOMPATIBLE",
)
"""Errors after which the same migration would end the same way."""

CLOCKS_APART_S = 5.0
"""Seconds by which a job may seem older than its intent: libvirt counts whole milliseconds from a moment of its own."""


def open_libvirt(fleet: Fleet, settings: DriverSettings) -> LibvirtDriver:
    """Open the driver; `--location` names the hosts file."""
    if not settings.where:
        raise InputError("--location", "", "", "the path of a hosts file: host, and by which URI libvirt reaches it")
    if settings.fail:
        raise InputError("--fail", "", ", ".join(settings.fail), "nothing: this driver migrates for real")
    libvirt = load_libvirt("--driver")
    hosts = read_hosts(settings.where)
    for h, name in enumerate(fleet.hosts.ids):
        if name not in hosts.hosts and HostState(fleet.hosts.state[h]) is not HostState.DOWN:
            raise InputError(settings.where, "hosts", name, "every host of the fleet that is not down", "add its URI")
    return LibvirtDriver(fleet, hosts, libvirt)


@dataclass(slots=True)
class _Job:
    """A migration that this process has asked for; the thread that waits for it writes how it ended."""

    request: Request
    uuid: str
    state: MoveState = MoveState.ACCEPTED
    lost: bool = False
    failure: Failure | None = None
    detail: str = ""
    ended_at: datetime | None = None

    @property
    def goes_on(self) -> bool:
        return not self.lost and self.state not in ENDED


class LibvirtDriver:
    """Migrates the VMs of a fleet between hosts that libvirt reaches.

    Parameters
    ----------
    fleet
        The snapshot: its ids, and what libvirt cannot tell.
    hosts
        How each host is reached.
    libvirt
        The module.
    clock
        The time; the machine's own by default.
    """

    simulated = False
    settles_s = 30.0

    def __init__(self, fleet: Fleet, hosts: LibvirtHosts, libvirt: Any, clock: Clock | None = None) -> None:
        self.fleet: str = hosts.fleet or fleet.id
        self.clock: Clock = clock or SystemClock()
        self._snapshot, self._hosts, self._libvirt = fleet, hosts, libvirt
        self._places = Places(fleet, hosts, libvirt)
        self._jobs: dict[str, _Job] = {}

    def read_vm(self, vm: str) -> VmReading | None:
        """Return the VM as the hosts have it now: its own, and the ends of its moves; all of them if it is on none."""
        job = self._running().get(vm)
        found = self._read(vm)
        if not found and job is None:
            return None
        return vm_as_it_is(self._snapshot, self._hosts, vm, found, job.request if job else None)

    def read_host(self, host: str) -> HostReading | None:
        """Return the host with all domains that are on it now, and all that this process moves from or to it."""
        if host not in self._hosts.hosts:
            return None
        try:
            vms = self._places.on(host)
        except Unreachable as error:
            raise Unreadable(str(error)) from error
        ours = {vm for vm, job in self._running().items() if host in (job.request.source, job.request.target)}
        return host_as_it_is(self._snapshot, self._hosts.hosts[host], {*vms, *ours})

    def migrating(self) -> frozenset[str]:
        """Return the VMs that arrive at any host now, and all that this process moves."""
        try:
            return frozenset({*self._places.arriving(), *self._running()})
        except Unreachable as error:
            raise Unreadable(str(error)) from error

    def submit(self, request: Request) -> str:
        """Ask the source host to migrate the VM, in a thread that waits for the end of it."""
        source, how = self._may_go(request)
        flags = self._libvirt.VIR_MIGRATE_PEER2PEER
        for name in flags_of(how):
            flags |= getattr(self._libvirt, CONSTANTS[name])
        if self._hosts.unsafe:
            flags |= self._libvirt.VIR_MIGRATE_UNSAFE
        job = self._jobs[request.token] = _Job(request, source.uuid)
        threading.Thread(target=self._migrate, args=(job, flags), name=f"libvirt {request.vm}", daemon=True).start()
        return request.token

    def observe(self, request: Request) -> JobReading | None:
        """Return how the migration stands, by the thread that waits for it or by what both hosts show."""
        self._places.expect(request.vm, request.source, request.target)
        job = self._find(request)
        if job is None or job.lost:
            return self._seen(request)
        if not job.goes_on:
            return JobReading(job.request.token, job.state, None, job.failure, job.detail, job.ended_at)
        leaving = self._one(request.vm, request.source)
        if job.goes_on:
            job.state = _state_of(job.state, leaving)
        left = leaving.progress.remaining_mib if leaving and leaving.progress else None
        return JobReading(job.request.token, job.state, left, job.failure, job.detail, job.ended_at)

    def abort(self, request: Request) -> None:
        """Ask the source host to give its job up; which is refused when the guest goes over, or there is none."""
        try:
            answer = self._places.on_domain(request.vm, request.source, lambda domain: domain.abortJob())
        except Unreachable as error:
            raise NotAborted(str(error)) from error
        if answer is None:
            raise NotAborted(f"{request.vm} is not on {request.source} any more")

    def _find(self, request: Request) -> _Job | None:
        job = self._jobs.get(request.token)
        if job is None or (job.request.vm, job.request.target) != (request.vm, request.target):
            return None
        return job

    def _running(self) -> dict[str, _Job]:
        return {job.request.vm: job for job in list(self._jobs.values()) if job.goes_on}

    def _read(self, vm: str) -> Sequence[Domain]:
        try:
            return self._places.of(vm)
        except Unreachable as error:
            raise Unreadable(str(error)) from error

    def _one(self, vm: str, host: str) -> Domain | None:
        try:
            return self._places.at(vm, host)
        except Unreachable as error:
            raise Unreadable(str(error)) from error

    def _may_go(self, request: Request) -> tuple[Domain, Carrying]:
        """Look at both ends; refuse what could not be migrated, before anything is asked for."""
        v = self._snapshot.vm_index.get(request.vm)
        for host in (request.source, request.target):
            if host not in self._hosts.hosts:
                raise MoveRefused(f"there is no host {host} in {self._hosts.where}")
        if v is None:
            raise MoveRefused(f"there is no VM {request.vm} in the fleet")
        self._places.expect(request.vm, request.source, request.target)
        try:
            source, target = (self._places.at(request.vm, host) for host in (request.source, request.target))
        except Unreachable as error:
            raise MoveRefused(str(error), temporary=True) from error
        if source is None:
            raise MoveRefused(f"{request.vm} is not on {request.source}")
        if request.vm in self._running() or source.role is not Role.RESTING:
            raise MoveRefused(f"{request.vm} is migrating already", temporary=True)
        if target is not None:
            raise MoveRefused(f"there is a {request.vm} on {request.target} already")
        known = carrying(self._snapshot, v)
        how = Carrying(source.state, source.declared.mobility or known.mobility, known.copied)
        if reason := why_not(how):
            raise MoveRefused(f"{request.vm}: {reason}")
        return source, how

    def _seen(self, request: Request) -> JobReading | None:
        """Return the job of another process, or of one that is no more, by what both hosts show."""
        leaving, arriving = self._one(request.vm, request.source), self._one(request.vm, request.target)
        if leaving is None or leaving.progress is None or arriving is None or arriving.role is not Role.ARRIVING:
            return None
        began = self.clock.now() - timedelta(seconds=leaving.progress.elapsed_s)
        if request.since is not None and began < request.since - timedelta(seconds=CLOCKS_APART_S):
            return None
        state = _state_of(MoveState.PREPARING, leaving)
        return JobReading(request.token, state, leaving.progress.remaining_mib, detail="found on its hosts")

    def _migrate(self, job: _Job, flags: int) -> None:
        """Wait for a migration to end; in a thread of its own, on a connection of its own."""
        host, target = self._places.hypervisor(job.request.source), self._hosts.hosts[job.request.target]
        libvirt, connection = self._libvirt, None
        parameters: dict[str, Any] = {}
        if target.data_uri:
            parameters[libvirt.VIR_MIGRATE_PARAM_URI] = target.data_uri
        if self._hosts.bandwidth_mib_per_s:
            parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = self._hosts.bandwidth_mib_per_s
        try:
            connection, domain = within(self._hosts.deadline_s, lambda: host.find(job.uuid), "libvirt call")
            domain.migrateToURI3(target.migration_uri, parameters, flags)
            self._end(job, MoveState.DONE)
        except Overdue as error:  # the migration was not asked for
            self._end(job, MoveState.FAILED, Failure.TEMPORARY, f"host {job.request.source}: {error}")
        except libvirt.libvirtError as error:
            if connection is not None and not host.is_alive(connection):
                job.detail, job.lost = f"the connection was lost: {host.text_of(error)}", True
                return
            codes = {getattr(libvirt, name, None) for name in PERMANENT}
            failure = Failure.PERMANENT if error.get_error_code() in codes else Failure.TEMPORARY
            self._end(job, MoveState.FAILED, failure, shown(str(error)))
        finally:  # whatever else went wrong in this thread, the job does not seem to go on for ever
            job.lost = job.lost or job.state not in ENDED

    def _end(self, job: _Job, state: MoveState, failure: Failure | None = None, detail: str = "") -> None:
        job.failure, job.detail, job.ended_at = failure, detail, self.clock.now()
        job.state = state  # the last: who sees it sees the rest


def _state_of(before: MoveState, leaving: Domain | None) -> MoveState:
    """Return the state of a migration whose call has not returned, by its domain on the source."""
    if leaving is None or leaving.switching:
        return MoveState.SWITCHING
    if leaving.progress is None:
        return before
    return MoveState.COPYING if leaving.progress.processed_mib > 0 else MoveState.PREPARING
