"""How a VM is migrated: running or not, its disks copied or on storage that both hosts reach."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from optimizer.fleet.fleet import Mobility, VmState

if TYPE_CHECKING:
    from optimizer.fleet.fleet import Fleet

__all__ = ["Carrying", "How", "carrying", "is_memory"]

MEMORY = frozenset({"mem", "memory", "ram", "hugepages"})


class How(Enum):
    """What state a VM is migrated in."""

    LIVE = "live"  # it goes on running
    PAUSED = "paused"  # with its memory, and paused on the target as well
    COLD = "cold"  # it runs, but has to be shut down for the migration and started again
    STOPPED = "stopped"  # it is shut off, and stays so
    NOT = "not"  # it cannot be migrated, or nobody knows how


@dataclass(frozen=True, slots=True)
class Carrying:
    """How one VM is migrated.

    Attributes
    ----------
    state, mobility
        As the snapshot says.
    copied
        Whether disks have to be copied: the VM asks for some of a resource marked ``copied`` that is not memory. On
        shared storage a VM takes nothing of its host's disk, or the disk is not marked ``copied``.
    """

    state: VmState
    mobility: Mobility
    copied: bool

    @property
    def how(self) -> How:
        """What state it is migrated in."""
        if self.mobility is Mobility.NONE or self.state in (VmState.ERROR, VmState.UNKNOWN):
            return How.NOT
        if self.state is VmState.STOPPED:
            return How.STOPPED
        if self.mobility is Mobility.COLD:
            return How.COLD
        return How.PAUSED if self.state is VmState.PAUSED else How.LIVE

    @property
    def storage(self) -> str:
        """``copied`` or ``shared``."""
        return "copied" if self.copied else "shared"


def is_memory(resource: str) -> bool:
    """Whether a resource is memory, by its name: ``memory_mib``, ``ram_gib``, ``hugepages_mib``."""
    return not MEMORY.isdisjoint(resource.lower().split("_"))


def carrying(fleet: Fleet, vm: int) -> Carrying:
    """Return how a VM of a fleet is migrated."""
    disks = [i for i, r in enumerate(fleet.resources) if r.copied and not is_memory(r.name)]
    copied = bool((fleet.vms.demand[vm, disks] > 0).any())
    return Carrying(VmState(fleet.vms.state[vm]), Mobility(fleet.vms.mobility[vm]), copied)
