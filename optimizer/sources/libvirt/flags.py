"""With which flags libvirt migrates a VM: by its state, its mobility and its storage.

One table for all: the driver makes libvirt's constants of it, and `plan --format shell` the options of virsh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.fleet import How

if TYPE_CHECKING:
    from optimizer.fleet import Carrying

__all__ = ["ALWAYS", "BY_HOW", "COPIED", "flags_of", "why_not"]

ALWAYS = ("persistent", "undefinesource")
"""The target keeps the domain's definition, the source does not."""

BY_HOW = {
    How.LIVE: ("live", "auto-converge"),
    How.PAUSED: (),  # it stays paused: nothing has to go on running meanwhile
    How.STOPPED: ("offline",),
    How.COLD: ("offline",),
}

COPIED = ("copy-storage-all",)


def flags_of(carrying: Carrying) -> tuple[str, ...]:
    """Return the flags, named as virsh names them."""
    return (*ALWAYS, *BY_HOW[carrying.how], *(COPIED if carrying.copied else ()))


def why_not(carrying: Carrying) -> str:
    """Say why libvirt cannot migrate a VM in one step; empty where it can."""
    if carrying.how is How.NOT:
        return "it cannot be migrated: its mobility is none, or its state is error or unknown"
    if carrying.how is How.COLD:
        return "mobility cold: it has to be shut down and started again, which a script of `plan --format shell` does"
    if carrying.how is How.STOPPED and carrying.copied:
        return "libvirt copies no disks of a VM that is shut off"
    return ""
