"""What a host says of a domain, and which VM of the fleet it is.

A domain may say itself, in its metadata, which VM it is and what it takes; metadata moves with the domain::

    <metadata>
      <remora:vm xmlns:remora="urn:remora:vm" id="v7" mobility="live">
        <remora:demand resource="memory_mib">4096</remora:demand>
      </remora:vm>
    </metadata>

Without an id there, it is the VM whose id is the domain's UUID, or else its name. What the metadata does not say of its
demand, libvirt does: ``cpu_millicores`` is 1000 for each virtual CPU, ``memory_mib`` the most memory it may have.

========================  =================================  =======
libvirt                   in what role                       state
========================  =================================  =======
running, blocked                                             running
being shut down                                              running
paused, suspended                                            paused
paused: migration         source if it has a job, or target  paused
paused: starting up       target                             paused
shut off                                                     stopped
crashed                                                      error
no state                                                     unknown
========================  =================================  =======
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree import ElementTree

from optimizer.fleet import Mobility, VmState
from optimizer.sources.libvirt.hypervisor import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "NAMESPACE",
    "Declared",
    "Domain",
    "Gone",
    "Progress",
    "Role",
    "declared",
    "read_domain",
    "unless_gone",
    "vm_id",
]

T = TypeVar("T")

NAMESPACE = "urn:remora:vm"

MIB = 1024 * 1024
KIB_PER_MIB = 1024
MILLICORES = 1000


class Gone(Exception):
    """A domain without a definition has just ended: it is still listed, and nothing can be asked of it any more."""


class Role(Enum):
    """What a domain has to do with a migration."""

    RESTING = "resting"
    LEAVING = "leaving"
    ARRIVING = "arriving"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the migration of a domain that leaves has come."""

    processed_mib: float
    remaining_mib: float
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Declared:
    """What a domain's metadata says."""

    id: str = ""
    mobility: Mobility | None = None
    demand: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain as a host has it."""

    id: str
    host: str
    uuid: str
    name: str
    state: VmState
    role: Role
    switching: bool
    memory_mib: int
    vcpus: int
    declared: Declared
    progress: Progress | None = None


def vm_id(uuid: str, name: str, declared: Declared, known: Callable[[str], bool]) -> str:
    """Return the id of the VM that a domain is; its name where the fleet has none such (`known` says)."""
    return declared.id or (uuid if known(uuid) else name)


def declared(libvirt: Any, domain: Any) -> Declared:
    """Return what a domain's metadata says.

    Raises
    ------
    Unreachable
        It says something that cannot be read.
    Gone
        There is no such domain any more.
    """
    try:
        text = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_NO_SUPPORT):
            return Declared()
        if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID:
            raise Gone(domain.name()) from error
        raise
    try:
        element = ElementTree.fromstring(text)
        named = ((d.get("resource", ""), int(d.text or "")) for d in element if d.tag.rpartition("}")[2] == "demand")
        mobility = element.get("mobility")
        return Declared(element.get("id", ""), Mobility[mobility.upper()] if mobility else None, dict(named))
    except (ElementTree.ParseError, ValueError, KeyError) as error:
        raise Unreachable(f"domain {domain.name()}: its metadata cannot be read: {error}") from error


def read_domain(libvirt: Any, domain: Any, host: str, name: str, said: Declared) -> Domain:
    """Return a domain as it is now; `name` is the VM that it is."""
    state, reason = domain.state(0)
    if state == libvirt.VIR_DOMAIN_SHUTOFF and not domain.isPersistent():
        raise Gone(name)
    memory, vcpus = domain.info()[1], domain.info()[3]
    progress = _progress(libvirt, domain) if state != libvirt.VIR_DOMAIN_SHUTOFF else None
    paused = state == libvirt.VIR_DOMAIN_PAUSED
    switching = paused and reason == libvirt.VIR_DOMAIN_PAUSED_MIGRATION
    arriving = switching or (paused and reason == libvirt.VIR_DOMAIN_PAUSED_STARTING_UP)
    role = Role.LEAVING if progress else Role.ARRIVING if arriving else Role.RESTING
    return Domain(
        id=name,
        host=host,
        uuid=domain.UUIDString(),
        name=domain.name(),
        state=_state(libvirt, state),
        role=role,
        switching=switching,
        memory_mib=-(-memory // KIB_PER_MIB),
        vcpus=vcpus,
        declared=said,
        progress=progress,
    )


def unless_gone(libvirt: Any, ask: Callable[[], T]) -> T | None:
    """Return what `ask` returns; None for a domain that went away between two questions."""
    try:
        return ask()
    except Gone:
        return None
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def _state(libvirt: Any, state: int) -> VmState:
    return {
        libvirt.VIR_DOMAIN_RUNNING: VmState.RUNNING,
        libvirt.VIR_DOMAIN_BLOCKED: VmState.RUNNING,
        libvirt.VIR_DOMAIN_SHUTDOWN: VmState.RUNNING,
        libvirt.VIR_DOMAIN_PAUSED: VmState.PAUSED,
        libvirt.VIR_DOMAIN_PMSUSPENDED: VmState.PAUSED,
        libvirt.VIR_DOMAIN_SHUTOFF: VmState.STOPPED,
        libvirt.VIR_DOMAIN_CRASHED: VmState.ERROR,
    }.get(state, VmState.UNKNOWN)


def _progress(libvirt: Any, domain: Any) -> Progress | None:
    """Return how far the domain's own migration has come; None where it has none."""
    try:
        stats = domain.jobStats(0)
    except libvirt.libvirtError as error:
        # the target of a migration has no statistics, a domain that just ended has none, a test driver knows none
        if error.get_error_code() in (
            libvirt.VIR_ERR_OPERATION_INVALID,
            libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
            libvirt.VIR_ERR_NO_SUPPORT,
        ):
            return None
        raise
    running = stats.get("type") in (libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED)
    if not running or stats.get("operation") != libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT:
        return None
    done, left = stats.get("data_processed", 0) / MIB, stats.get("data_remaining", 0) / MIB
    return Progress(done, left, stats.get("time_elapsed", 0) / 1000)
