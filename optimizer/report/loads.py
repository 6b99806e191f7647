"""Loads of hosts against their limits, before a plan and after it, as the rules' linear demands see them."""

from __future__ import annotations

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
    out = []
    for meter in found:
        atom, before, limit = meter.atom, int(meter.load[host]), int(meter.atom.limit[host])
        coming = sum(int(atom.amount[m.vm]) for m in moves if m.target == host)
        going = sum(int(atom.amount[m.vm]) for m in moves if m.source == host)
        known = None if limit >= UNLIMITED else limit
        out.append(
            Load(atom.asked.rule, atom.asked.hardness, atom.resource, before, before + coming - going, known),
        )
    return tuple(out)


def host_changes(fleet: Fleet, atoms: Iterable[Atom], moves: Sequence[Move]) -> tuple[HostChange, ...]:
    """Return each host that the moves touch, in the fleet's order, with its tightest load of each resource.

    Guards are left out: they bind who comes, and a host may stand above one without anything being wrong.
    """
    found = tuple(m for m in meters(fleet, atoms) if m.atom.asked.hardness is not Hardness.GUARD)
    at: dict[int, list[Move]] = {}
    for move in moves:
        at.setdefault(move.source, []).append(move)
        at.setdefault(move.target, []).append(move)
    standing = np.bincount(fleet.vms.host[fleet.vms.host != ABSENT], minlength=len(fleet.hosts))
    out = []
    for host in sorted(at):
        gained = sum((m.target == host) - (m.source == host) for m in at[host])
        count = int(standing[host])
        loads = _tightest(loads_of(found, host, at[host]))
        out.append(HostChange(fleet.hosts.ids[host], count, count + gained, loads))
    return tuple(out)


def _tightest(loads: Iterable[Load]) -> tuple[Load, ...]:
    best: dict[str, Load] = {}
    for load in loads:
        if load.limit is not None and (load.resource not in best or load.share > best[load.resource].share):
            best[load.resource] = load
    return tuple(best.values())
