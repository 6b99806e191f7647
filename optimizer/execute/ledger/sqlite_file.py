"""What a file can be that is no ledger, and where no ledger may be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

__all__ = ["NETWORK", "cut_short", "fault_of_place", "file_system_of", "remedy"]

NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "glusterfs"}
    | {"gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs", "smb3", "smbfs"}
)
"""File systems whose locks and syncs cannot be trusted between machines (https://www.sqlite.org/lockingv3.html)."""

MOUNTS = Path("/proc/self/mountinfo")
UNWRITABLE = "a place that may not be written"


def fault_of_place(path: Path, *, write: bool, mounts: Path = MOUNTS) -> str:
    """Say why no ledger may be written here; empty where one may."""
    kind = file_system_of(path, mounts) if write else ""
    if kind in NETWORK:
        return f"a file on the network file system {kind}, whose locks do not hold between machines"
    if write and path.parent.is_dir() and not os.access(path if path.exists() else path.parent, os.W_OK):
        return UNWRITABLE
    return ""


def file_system_of(path: Path, mounts: Path = MOUNTS) -> str:
    """Return the type of the file system that a path is on; empty where the machine does not say."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    here = str(path.absolute().parent.resolve())
    best, kind = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        words = before.split()
        if len(words) < 5 or not after:
            continue
        point = words[4].encode().decode("unicode_escape")
        inside = point == "/" or here == point or here.startswith(f"{point}/")
        if inside and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind


def cut_short(db: sqlite3.Connection) -> bool:
    """Whether the file is shorter than its header says; SQLite looks only for pages that it needs."""
    size = int(db.execute("PRAGMA page_size").fetchone()[0])
    path = db.execute("PRAGMA database_list").fetchone()[2]
    db.execute("BEGIN")
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from here on nobody can write
        with Path(path).open("rb") as file:
            pages = int.from_bytes(file.read(32)[28:], "big")
            return file.seek(0, os.SEEK_END) != pages * size
    finally:
        db.execute("ROLLBACK")


def remedy(fault: str) -> str:
    """Say what to do about a file that is no ledger."""
    if fault == UNWRITABLE:
        return "name a file that may be written, or let this user write there"
    if "another program" in fault or "regular file" in fault:
        return "name another file"
    if "network file system" in fault:
        return "name a file on a local disk, or use PostgreSQL (postgresql://...)"
    if "version" in fault:
        return "use the release that wrote it, or name another file once none of its moves may be in flight"
    return (
        "restore it from a copy; without one, make sure that no VM is migrating, put the file aside under another "
        "name, take a new snapshot and make a new plan"
    )
