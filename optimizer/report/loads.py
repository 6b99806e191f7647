"""Loads of hosts against their limits, before a plan and after it, as the rules' linear demands see them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.demands import Demands
from optimizer.problem.presence import load_of
from optimizer.problem.rule import Hardness
from optimizer.scope import WAITING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, Move
    from optimizer.problem.atoms import Atom, Linear
    from optimizer.problem.rule import Rule

__all__ = ["HostChange", "Load", "Meter", "host_changes", "linear_atoms", "loads_of", "meters"]


@dataclass(frozen=True, slots=True)
class Load:
    """What one rule measures of one resource on one host; `limit` is None where this host has none."""

    rule: str
    hardness: Hardness
    resource: str
    before: int
    after: int
    limit: int | None

    @property
    def share(self) -> float:
        """`after` as a share of the limit; for choosing the tightest."""
        if self.limit is None:
            return -1.0
        return self.after / self.limit if self.limit else float("inf") if self.after else 0.0


@dataclass(frozen=True, slots=True)
class HostChange:
    """A host that a plan touches: its VMs and its tightest load of each resource, before and after."""

    host: str
    vms_before: int
    vms_after: int
    loads: tuple[Load, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Meter:
    """A linear demand on hosts, with what stands there at the start: int64 [H]."""

    atom: Linear
    load: NDArray[np.int64]

    def after(self, moves: Sequence[Move]) -> NDArray[np.int64]:
        """Return int64 [H]: what stands there once the moves are made."""
        vms, sources, targets = np.array([(m.vm, m.source, m.target) for m in moves], np.int64).reshape(-1, 3).T
        load = self.load.copy()
        np.add.at(load, targets, self.atom.amount[vms])
        np.subtract.at(load, sources, self.atom.amount[vms])
        return load


def linear_atoms(fleet: Fleet, rules: Sequence[Rule]) -> Iterable[Atom]:
    """Lower the rules and keep what is linear."""
    return Demands.of(atom for rule in rules for atom in rule.lower(fleet)).sums.values()


def meters(fleet: Fleet, atoms: Iterable[Atom]) -> tuple[Meter, ...]:
    """Add up what stands on each host, for every linear demand at the level of hosts."""
    out = []
    for atom in Demands.of(atoms).sums.values():
        if atom.level == 0 and atom.resource != WAITING:
            out.append(Meter(atom, load_of(atom, fleet.hosts.domain[0], fleet.vms.host, fleet.also_at)))
    return tuple(out)


def loads_of(found: Iterable[Meter], host: int, moves: Iterable[Move] = ()) -> tuple[Load, ...]:
    """Read every meter on one host, with `moves` made."""
    moves = tuple(moves)
    return tuple(_load(meter, host, meter.after(moves)) for meter in found)


def _load(meter: Meter, host: int, after: NDArray[np.int64]) -> Load:
    """Read a meter on one host; `after`: int64 [H], what it shows at the end."""
    asked, limit = meter.atom.asked, int(meter.atom.limit[host])
    known = None if limit >= UNLIMITED else limit
    return Load(asked.rule, asked.hardness, meter.atom.resource, int(meter.load[host]), int(after[host]), known)


def host_changes(fleet: Fleet, atoms: Iterable[Atom], moves: Sequence[Move]) -> tuple[HostChange, ...]:
    """Return each host that the moves touch, in the fleet's order, with its tightest load of each resource.

    Guards are left out: they bind who comes, and a host may stand above one without anything being wrong.
    """
    found = [(m, m.after(moves)) for m in meters(fleet, atoms) if m.atom.asked.hardness is not Hardness.GUARD]
    standing = np.bincount(fleet.vms.host[fleet.vms.host != ABSENT], minlength=len(fleet.hosts))
    gained = Counter(m.target for m in moves)
    gained.subtract(Counter(m.source for m in moves))
    out = []
    for host in sorted(gained):
        count = int(standing[host])
        loads = _tightest(_load(meter, host, after) for meter, after in found)
        out.append(HostChange(fleet.hosts.ids[host], count, count + gained[host], loads))
    return tuple(out)


def _tightest(loads: Iterable[Load]) -> tuple[Load, ...]:
    best: dict[str, Load] = {}
    for load in loads:
        if load.limit is not None and (load.resource not in best or load.share > best[load.resource].share):
            best[load.resource] = load
    return tuple(best.values())
