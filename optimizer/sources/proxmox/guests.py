"""What a guest's configuration says: which disks it has on which storage, and what binds it to its node.

What keeps a VM from moving is what `qm migrate` of Proxmox VE 9 refuses: devices of the node, local media, snapshots of
local disks while it runs. A container only moves by a restart, which nothing here does.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from optimizer.sources.proxmox.answers import flag, properties

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from optimizer.sources.proxmox.answers import Cluster, Guest

__all__ = ["Disk", "bound", "created_at", "disks_of", "local", "wants_own_cpu"]

DRIVE = re.compile(r"(ide|sata|scsi|virtio|efidisk|tpmstate|unused|mp)\d+|rootfs")
DEVICE = re.compile(r"(usb|hostpci|serial|parallel|virtiofs)\d+|hostusb|hostpci|ivshmem|amd-sev")
CLOUD_INIT = re.compile(r"vm-\d+-cloudinit")
SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)")
MIB = {"": 2**-20, "K": 2**-10, "M": 1, "G": 2**10, "T": 2**20}
CTIME = re.compile(r"\d{1,11}")


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk or a medium of a guest.

    Attributes
    ----------
    storage
        Empty for what is no volume of a storage: a device or a file of its node.
    size_mib
        Rounded up; None where the configuration does not say.
    """

    key: str
    storage: str
    size_mib: int | None
    is_medium: bool = False
    is_everywhere: bool = False


def disks_of(config: Mapping[str, Any]) -> Iterator[Disk]:
    """Yield what a configuration has of disks and media."""
    for key in sorted(config):
        if not DRIVE.fullmatch(key):
            continue
        said = properties(config[key], "file")
        volume = said.get("file") or said.get("volume", "")
        if volume == "none":
            continue
        medium = said.get("media") == "cdrom" and not CLOUD_INIT.search(volume)
        storage = "" if volume.startswith("/") or ":" not in volume else volume.partition(":")[0]
        yield Disk(key, storage, _mib(said.get("size", "")), medium, flag(said.get("shared")))


def _mib(size: str) -> int | None:
    match = SIZE.fullmatch(size)
    return math.ceil(float(match[1]) * MIB[match[2]]) if match else None


def local(disk: Disk, guest: Guest, cluster: Cluster) -> bool:
    """Say whether a disk lies on its node alone."""
    row = cluster.storages.get(disk.storage, {}).get(guest.node, {})
    return not (disk.is_everywhere or flag(row.get("shared")))


def bound(guest: Guest, cluster: Cluster) -> Iterator[str]:
    """Yield why a guest cannot be moved by `qm migrate`."""
    if guest.row["type"] == "lxc":
        yield "a container, which moves only by a restart"
    if flag(guest.row.get("template")):
        yield "a template"
    lock = guest.row.get("lock") or guest.config.get("lock")
    if lock and lock != "migrate":
        yield f"locked: {lock}"
    if guest.row.get("hastate") == "error":
        yield "its HA state is error"
    yield from _devices(guest.config)
    for disk in disks_of(guest.config):
        if local(disk, guest, cluster):
            yield from _local(disk, guest, cluster)


def _devices(config: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(config):
        value = str(config[key])
        if not DEVICE.fullmatch(key) or (key.startswith("serial") and value == "socket"):
            continue
        if key.startswith("usb") and properties(value, "host").get("host", "").lower() == "spice":
            continue
        yield f"{key} is a device of its node: {value}"


def _local(disk: Disk, guest: Guest, cluster: Cluster) -> Iterator[str]:
    """Yield what is wrong with a disk that its node alone has."""
    if disk.is_medium:
        yield f"{disk.key} is a medium that its node alone has"
    elif not disk.storage:
        yield f"{disk.key} is a device or a file of its node"
    elif disk.storage not in cluster.storages:
        yield f"{disk.key} is on the storage {disk.storage}, which is in no list"
    elif disk.size_mib is None:
        yield f"{disk.key} is on the local storage {disk.storage}, and its size is not known"
    elif guest.config.get("parent") and guest.row.get("status") != "stopped":
        yield f"it has a snapshot ({guest.config['parent']}), and {disk.key} is on the local storage {disk.storage}"


def wants_own_cpu(config: Mapping[str, Any]) -> bool:
    """Say whether a guest sees the CPUs of its node as they are: it runs on only on the same ones."""
    return properties(config.get("cpu"), "cputype").get("cputype") in ("host", "max")


def created_at(config: Mapping[str, Any]) -> datetime | None:
    """Return when it was made; None where it was made by a release that did not write that down."""
    at = properties(config.get("meta"), "").get("ctime", "")
    return datetime.fromtimestamp(int(at), UTC) if CTIME.fullmatch(at) else None
