"""Which VMs are where, by the inventory calls of a template."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from optimizer.errors import shorten
from optimizer.execute.drivers import Unreadable
from optimizer.execute.drivers.command.outputs import looked_up
from optimizer.execute.readings import standing
from optimizer.fleet import HostState, VmState
from optimizer.sources.within import each_to_its_end

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.execute.drivers.command.asking import Asker
    from optimizer.execute.drivers.command.location import Location
    from optimizer.execute.drivers.command.outputs import Row
    from optimizer.fleet import Fleet

__all__ = ["Inventory", "Sighting"]

AT_ONCE = 8
"""Hosts that are asked side by side, at most."""

AGREE = 3
"""How often calls whose rows belong together are made until they show the same VMs: one may have gone in between."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A VM as one host has it.

    Attributes
    ----------
    role
        One of the template's roles, or ``nowhere``.
    state
        None where the template does not read it.
    """

    vm: str
    host: str
    role: str
    state: VmState | None
    row: Row


class Inventory:
    """Asks where VMs are.

    Where each host is asked by itself, a VM is looked for where it may be: where the snapshot has it, and at the ends
    of every move of it that was heard of. All of these have to answer. Only where it is on none of them all hosts are
    asked.
    """

    def __init__(self, fleet: Fleet, location: Location, asker: Asker) -> None:
        self._fleet, self._location, self._asker = fleet, location, asker
        self._template = location.template.vms
        self._ids = {values["name"]: name for name, values in location.hosts.items() if "name" in values}
        for name, values in location.hosts.items():
            for value in values.values():
                self._ids.setdefault(value, name)
        self._likely: dict[str, dict[str, None]] = {}
        for host, vms in zip(fleet.hosts.ids, standing(fleet), strict=True):
            for vm in vms:
                self.expect(vm, host)
        states = zip(fleet.hosts.ids, fleet.hosts.state.tolist(), strict=True)
        self._down = {host for host, state in states if HostState(state) is HostState.DOWN}

    def host_id(self, name: str) -> str:
        """Return a host's id in the fleet by the platform's name for it; that name where it is not in the fleet."""
        return self._ids.get(name, name)

    def vm_of(self, name: str) -> str:
        """Return a VM's id by what the platform calls it: in any of the columns of its row."""
        if name in self._fleet.vm_index or self._template.each != "fleet":
            return name
        return next((s.vm for s in self._everywhere() if name in s.row.values()), name)

    def expect(self, vm: str, *hosts: str) -> None:
        """Look for a VM on these hosts as well from now on."""
        self._likely.setdefault(vm, {}).update(dict.fromkeys(h for h in hosts if h in self._location.hosts))

    def of(self, vm: str) -> list[Sighting]:
        """Return every place at which a VM is seen."""
        if self._template.each == "fleet":
            return [s for s in self._everywhere() if s.vm == vm]
        likely = list(self._likely.get(vm, ()))
        found = self._seen(vm, likely)
        roles = [s.role for s in found]
        if roles == ["resting"] or len(roles) > 1:
            return found
        others = [h for h in self._location.hosts if h not in likely and h not in self._down]
        further = self._seen(vm, others)
        self.expect(vm, *(s.host for s in further))
        return [*found, *further]

    def at(self, vm: str, host: str) -> Sighting | None:
        """Return a VM as one host has it."""
        return next((s for s in self.on(host) if s.vm == vm), None)

    def on(self, host: str) -> list[Sighting]:
        """Return all VMs on a host."""
        if self._template.each == "fleet":
            return [s for s in self._everywhere() if s.host == host]
        return self._read(host)

    def moving(self) -> frozenset[str]:
        """Return the VMs that leave or arrive anywhere."""
        if self._template.each == "fleet":
            seen: Iterable[Sighting] = self._everywhere()
        else:
            hosts = [h for h in self._location.hosts if h not in self._down]
            seen = (s for found in self._each(hosts) for s in found)
        return frozenset(s.vm for s in seen if s.role in ("leaving", "arriving"))

    def _seen(self, vm: str, hosts: Sequence[str]) -> list[Sighting]:
        return [s for found in self._each(hosts) for s in found if s.vm == vm]

    def _each(self, hosts: Sequence[str]) -> list[list[Sighting]]:
        if len(hosts) < 2:
            return [self._read(host) for host in hosts]
        return each_to_its_end([partial(self._read, host) for host in hosts], AT_ONCE, "inventory")

    def _everywhere(self) -> list[Sighting]:
        return self._read(None)

    def _read(self, host: str | None) -> list[Sighting]:
        """Ask one host, or of all of them."""
        values = {}
        if host is not None:
            own = self._location.hosts[host]
            values = {"host": host, **{f"host.{name}": value for name, value in own.items()}}
        what = "vms" if host is None else f"vms of {host}"
        for again in range(AGREE):
            tables = [self._by_vm(self._asker.rows(call, values, what), what) for call in self._template.calls]
            if all(table.keys() == tables[0].keys() for table in tables):
                break
            self._asker.forget()
            if again + 1 == AGREE:
                odd = sorted({vm for t in tables for vm in t if any(vm not in other for other in tables)})
                raise Unreadable(f"{what}: its calls do not agree on {shorten(', '.join(odd))}")
        joined = [{k: v for table in tables for k, v in table[vm].items()} for vm in tables[0]]
        return self._sightings(joined, host, what)

    def _by_vm(self, rows: Iterable[Row], what: str) -> dict[str, Row]:
        table: dict[str, Row] = {}
        for row in rows:
            if not row["vm"]:
                raise Unreadable(f"{what}: a row without a VM")
            if row["vm"] in table:
                raise Unreadable(f"{what}: {shorten(row['vm'])} twice")
            table[row["vm"]] = row
        return table

    def _sightings(self, rows: Iterable[Row], host: str | None, what: str) -> list[Sighting]:
        found: dict[tuple[str, str], Sighting] = {}
        for row in rows:
            role = looked_up(self._template.roles, row.get("role", "")) or "resting"
            where = host if host is not None else self.host_id(row.get("host", ""))
            if role == "none":
                continue
            if not where:
                role = "nowhere"  # there is such a VM, and it is on no host, or on one that is not shown
            one = Sighting(self._id(row), where, role, self._state(row), row)
            if (one.vm, where) in found:
                raise Unreadable(f"{what}: two of them are {shorten(one.vm)}")
            found[one.vm, where] = one
        return list(found.values())

    def _id(self, row: Row) -> str:
        names = [row[column] for column in self._template.name if row.get(column)]
        return next((name for name in names if name in self._fleet.vm_index), names[-1] if names else row["vm"])

    def _state(self, row: Row) -> VmState | None:
        if "state" not in row or not self._template.states:
            return None
        return VmState[(looked_up(self._template.states, row["state"]) or "unknown").upper()]
