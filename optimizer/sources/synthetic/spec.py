"""What a generated fleet is to be like: every amount is a field, and nonsense is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import datetime

from optimizer.errors import InputError

__all__ = ["TROUBLES", "Spec"]

DECIMAL = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?")
MOST_HOSTS = 1_000_000
MOST_VMS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A fleet to generate.

    Problems are shares, of all hosts unless it says otherwise; the number planted is the share rounded, at most as
    many as hosts that suit are left. Each host has one problem at most.

    Parameters
    ----------
    hosts
        How many hosts.
    vms
        How many VMs.
    seed
        The same spec and seed make the same document.
    fleet
        The fleet's id.
    taken_at
        The snapshot's time (RFC 3339 with an offset).
    memory_fill
        Mean use of memory (of what is not reserved) before problems are planted.
    disk_fill
        Mean use of disk before problems are planted.
    load_fill
        Mean measured use of CPU before problems are planted.
    cpu_overcommit
        What each host sells of its CPU, a decimal string.
    hosts_per_rack
        Hosts in a rack; the last may have fewer.
    racks_per_zone
        Racks in a zone; the last may have fewer.
    move_within_zone
        Whether the fleet says that no move leaves its zone.
    grouped
        Share of VMs in anti-affine groups of 2 to 7.
    declared
        Share of these groups that the snapshot declares; the others are left to the default.
    rack_groups
        Share of these groups that are kept on different racks rather than hosts.
    requiring
        Share of VMs that require one of two CPU models.
    noisy_vms
        Share of VMs with evidence of noise, one at most on a host.
    sensitive_vms
        Share of VMs that mind noise, never beside a noisy one.
    history
        Past moves, as a share of the VMs: done more than a day ago.
    recent_moves
        Moves done in the last hour, as a number: they use up budgets.
    full_disks
        Disk over capacity, by one VM.
    hot
        Measured CPU over capacity, by one VM.
    misplaced
        Share of the grouped VMs (not of hosts) that stand with one fellow on a host.
    memory_over
        Memory over capacity, by one VM.
    nearly_full
        Disk over an alert of 90 % and within capacity: only a policy with headroom minds.
    unexplained
        Disk over capacity, a third of it in use by nothing that the snapshot explains.
    noise
        Two noisy VMs on a host, their noise more than 1 together.
    sensitive
        A noisy VM beside a sensitive one.
    interference
        Two VMs with evidence that one hurts the other.
    draining
        Hosts that drain, by their state: all their VMs must leave.
    windows
        Hosts in a maintenance window that has begun: all their VMs must leave.
    choosy
        Full disks by a VM that requires one of two CPU models.
    forbidden
        Full disks by a VM that forbids the hosts with most room.
    together
        Groups of three that belong in one rack, one VM of which stands in another (and as many groups in order).
    spread
        Groups of two that want two racks and have one (and as many groups in order).
    needs
        Groups of two that need a third VM in their racks, one of which stands in another.
    apart
        Pairs of groups kept apart on hosts, which share one.
    owners
        Two VMs of one owner on a host.
    babies
        Full disks that either of two VMs would repair, one of which is too young to move.
    unmovable
        The same, one of which has failed to move four times in the last hours.
    bouncing
        The same, one of which has gone to and fro six times within a day.
    held
        The same, one of which has a no_move_until to come.
    immobile
        The same, one of which cannot be moved at all.
    errors
        Healthy hosts that had many errors and take no VM.
    busy
        Hosts that are in the midst of something and take no VM.
    disabled
        Hosts that are disabled and take no VM.
    full_of_vms
        Hosts with as many VMs as they may have.
    """

    hosts: int = 100
    vms: int = 1000
    seed: int = 0
    fleet: str = "generated"
    taken_at: str = "2026-11-21T12:00:00Z"
    memory_fill: float = 0.82
    disk_fill: float = 0.5
    load_fill: float = 0.42
    cpu_overcommit: str = "1.6"
    hosts_per_rack: int = 20
    racks_per_zone: int = 10
    move_within_zone: bool = False
    grouped: float = 0.25
    declared: float = 0.4
    rack_groups: float = 0.1
    requiring: float = 0.05
    noisy_vms: float = 0.02
    sensitive_vms: float = 0.02
    history: float = 0.01
    recent_moves: int = 0
    full_disks: float = 0.03
    hot: float = 0.03
    misplaced: float = 0.035
    memory_over: float = 0.0
    nearly_full: float = 0.0
    unexplained: float = 0.0
    noise: float = 0.0
    sensitive: float = 0.0
    interference: float = 0.0
    draining: float = 0.0
    windows: float = 0.0
    choosy: float = 0.0
    forbidden: float = 0.0
    together: float = 0.0
    spread: float = 0.0
    needs: float = 0.0
    apart: float = 0.0
    owners: float = 0.0
    babies: float = 0.0
    unmovable: float = 0.0
    bouncing: float = 0.0
    held: float = 0.0
    immobile: float = 0.0
    errors: float = 0.0
    busy: float = 0.0
    disabled: float = 0.0
    full_of_vms: float = 0.0

    def __post_init__(self) -> None:
        self._whole("hosts", 1, MOST_HOSTS)
        self._whole("vms", 0, MOST_VMS)
        self._whole("seed", 0, 2**63 - 1)
        self._whole("hosts_per_rack", 1, MOST_HOSTS)
        self._whole("racks_per_zone", 1, MOST_HOSTS)
        self._whole("recent_moves", 0, MOST_VMS)
        for name, most in (("memory_fill", 0.97), ("disk_fill", 0.7), ("load_fill", 0.65)):
            self._share(name, 0.01, most)
        for name in SHARES:
            self._share(name, 0.0, 1.0)
        if not self.fleet:
            raise InputError("generate", "fleet", self.fleet, "a name")
        self._ratio()
        self.time()

    def time(self) -> datetime:
        """Return `taken_at`."""
        try:
            time = datetime.fromisoformat(self.taken_at)
        except (TypeError, ValueError):
            time = None
        if time is None or time.tzinfo is None:
            raise InputError("generate", "taken_at", self.taken_at, "a time with an offset", "2026-11-21T12:00:00Z")
        return time

    def _whole(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InputError("generate", name, value, f"a whole number from {least} to {most}")

    def _share(self, name: str, least: float, most: float) -> None:
        value = getattr(self, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not least <= value <= most:  # NaN fails the comparison too
            raise InputError("generate", name, value, f"a number from {least:g} to {most:g}")

    def _ratio(self) -> None:
        text = self.cpu_overcommit
        if not (isinstance(text, str) and DECIMAL.fullmatch(text) and 1 <= float(text) <= 100):
            raise InputError("generate", "cpu_overcommit", self.cpu_overcommit, "a decimal from 1 to 100, as text")


TROUBLES = tuple(f.name for f in fields(Spec))[[f.name for f in fields(Spec)].index("full_disks") :]
"""The fields that plant problems, in the order in which they are planted where it does not matter otherwise."""

SHARES = ("grouped", "declared", "rack_groups", "requiring", "noisy_vms", "sensitive_vms", "history", *TROUBLES)
