"""A placement that a search changes: its tally, and the tally of everything that could be present on the way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.instance import Instance
from optimizer.problem.level_costs import LevelCosts
from optimizer.problem.naming import unit_of
from optimizer.problem.problem import Problem, Stage, stage_of
from optimizer.problem.rounding import MILLI, harm
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import GROUPS, LEAVE, SUM, ByShape
from optimizer.problem.tally import LinearTally, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Group, Harming, Leave, Linear
    from optimizer.problem.set_tally import SetTally

__all__ = ["Violated", "WorkingPlacement", "sizes", "staying"]


def sizes(problem: Problem) -> NDArray[np.float64]:
    """Return float64 [V]: how hard each VM is to place.

    Its share of a mean host, resource by resource, the scarce resources counting far more than the plentiful.
    """
    out = np.zeros(problem.vms)
    for atom in problem.demands.sums.values():
        if atom.asked.hardness is Hardness.SHOULD or atom.level:
            continue
        limited = atom.limit < UNLIMITED
        room = float(atom.limit[limited].sum())
        if room > 0:
            tightness = min(1.0, float(atom.amount.sum() + atom.base[limited].sum()) / room)
            out += atom.amount / (room / limited.sum()) * tightness**4
    return out


def staying(problem: Problem, atom: Leave, placement: NDArray[np.int32]) -> list[int]:
    """Return the VMs that stand, at either end, on a host that they must leave."""
    here, also = placement[atom.vms], problem.also_at[atom.vms]
    bad = ((here != ABSENT) & atom.hosts[here]) | ((also != ABSENT) & atom.hosts[also])
    return [int(v) for v in atom.vms[bad]]


COUNTED = (Hardness.MUST, Hardness.SHOULD)


class Violated(NamedTuple):
    """An instance above its limit, and the atom that it is one of."""

    instance: Instance
    atom: Harming
    excess: int
    unit: int
    tally: LinearTally | SetTally | None = None
    """Where the excess comes from; None for a VM that has to leave."""


class WorkingPlacement:
    """The present placement, changed VM by VM.

    `tally` counts each VM where it is now; `union` counts it at home as well, so what fits there fits before anything
    has left: such a move depends on no other.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.placement = problem.start.copy()
        self.tally = Tally(problem)
        self._union: Tally | None = None
        self._moving = 0
        self._leaves = _Leaves(problem)
        self.costs = LevelCosts(problem, problem.start) if problem.has_cost else None
        """Of the stage COST, where there is one."""
        self.displaced: set[int] = set()
        """VMs that are not where they were at the start."""
        self.changes = 0
        """How often a VM was put elsewhere: what was found out earlier may not hold any more."""
        self._on: dict[int, set[int]] = {}
        """VMs on each host that was asked about."""

    @property
    def union(self) -> Tally:
        """The tally of everywhere that a VM is or was; made when it is first asked for, since many never ask."""
        if self._union is None:
            self._union = Tally(self.problem, rough=True)
            for vm in np.flatnonzero(self.placement != self.problem.start).tolist():
                self._union.add(vm, int(self.placement[vm]))
        return self._union

    def put(self, vm: int, host: int) -> None:
        """Place a VM on a host, wherever it is now."""
        home, now = int(self.problem.start[vm]), int(self.placement[vm])
        if host == now:
            return
        self.changes += 1
        self._leaves.put(vm, now, host)
        if self.costs is not None:
            self.costs.move(vm, now, host)
        self._note(vm, now, host)
        self._moving += int(self.problem.moving[vm]) * (int(host != home) - int(now != home))
        if now != home and self._union is not None:
            self._union.remove(vm, now)
        if now != home:
            self.tally.spend(vm, home, now, -1)
        self.tally.remove(vm, now)
        self.tally.add(vm, host)
        if host != home and self._union is not None:
            self._union.add(vm, host)
        if host != home:
            self.tally.spend(vm, home, host)
        self.placement[vm] = host

    def _note(self, vm: int, now: int, host: int) -> None:
        """Remember who is displaced, and who is where."""
        if host == int(self.problem.start[vm]):
            self.displaced.discard(vm)
        else:
            self.displaced.add(vm)
        if now in self._on:
            self._on[now].discard(vm)
        if host in self._on:
            self._on[host].add(vm)

    def on(self, host: int) -> NDArray[np.int64]:
        """Return int64 [n]: the VMs on a host now, in order; looked up once, and followed move by move from then on."""
        if host not in self._on:
            self._on[host] = set(np.flatnonzero(self.placement == host).tolist())
        return np.array(sorted(self._on[host]), np.int64)

    def become(self, placement: NDArray[np.int32]) -> None:
        """Take over a placement."""
        for vm in np.flatnonzero(placement != self.placement).tolist():
            self.put(vm, int(placement[vm]))

    def would_stay(self, vm: int, hosts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return float64 [hosts]: harm of shoulds for which the VM should not be on each, less that of where it is."""
        return self._leaves.harm_on(vm, hosts) - self._leaves.harm_on(vm, self.placement[[vm]])

    def should_leave(self, vm: int, host: int) -> bool:
        """Whether some should asks the VM to leave the host, were it there."""
        return bool(self._leaves.harm_on(vm, np.array([host])).any())

    def violated(self) -> Iterator[Violated]:
        """Yield every violated must and should of the present placement."""
        for tally, domain, excess in self.tally.excesses():
            if tally.atom.asked.hardness in COUNTED:
                yield Violated(tally.instance(domain), tally.atom, excess, unit_of(tally.atom, domain), tally)
        for number, atom in self.problem.demands.leaves.items():
            if atom.asked.hardness in COUNTED:
                for vm in staying(self.problem, atom, self.placement):
                    yield Violated(Instance(number, vm, 0), atom, 1, 1)

    def exceeded(self) -> dict[Instance, int]:
        """Return the excess of every instance above its limit, whatever its hardness."""
        out = {tally.instance(domain): excess for tally, domain, excess in self.tally.excesses() if excess > 0}
        for number, atom in self.problem.demands.leaves.items():
            out |= {Instance(number, vm, 0): 1 for vm in staying(self.problem, atom, self.placement)}
        return out

    def current(self, violated: Violated) -> Violated | None:
        """Return what a violated instance of an earlier moment has come to; None where it holds now."""
        tally, domain = violated.tally, violated.instance.domain
        if isinstance(tally, LinearTally):
            excess = int(tally.load[domain]) - int(tally.atom.limit[domain])
        elif tally is not None:
            excess = tally.excess().get(domain, 0)
        else:
            vm = violated.instance.member
            excess = int(self._leaves.is_bad(violated.instance.atom, vm, int(self.placement[vm])))
        return violated._replace(excess=excess) if excess > 0 else None

    def movers(self, violated: Violated) -> NDArray[np.int64]:
        """Return int64 [n]: the VMs whose moves could repair an instance."""
        return _MOVERS[violated.atom](self, violated.atom, violated.instance)

    def wanted(self, violated: Violated) -> NDArray[np.bool_] | None:
        """Return bool [H]: the hosts that alone end a violation, where leaving is not enough; None where it is."""
        atom = violated.atom
        if atom.shape is LEAVE and atom.asked.hardness is Hardness.SHOULD:
            return ~cast("Leave", atom).hosts
        return None

    def _there(self, level: int, domain: int) -> NDArray[np.bool_]:
        now = self.placement
        return np.asarray((now >= 0) & (self.problem.domain[level][np.maximum(now, 0)] == domain))

    def values(self, but_not: Collection[Instance] = ()) -> dict[Stage, int]:
        """Return what the placement is worth, stage by stage, moves beyond one a VM not counted.

        Parameters
        ----------
        but_not
            Instances to leave out.
        """
        out: dict[Stage, int] = dict.fromkeys((s for s in self.problem.stages if s is not Stage.PLACEMENT), 0)
        if but_not:
            for v in self.violated():
                if v.instance not in but_not:
                    stage, weight = stage_of(v.atom.asked)
                    out[stage] += harm(v.excess, v.unit, weight)
        else:
            for harms in (self.tally.harms(), self._leaves.harms):
                for stage, total in harms.items():
                    out[stage] += total
        out[Stage.MOVING] = self._moving
        if self.costs is not None:
            out[Stage.COST] = self.costs.total
        if Stage.PRICED in out:
            out[Stage.PRICED] += MILLI * out[Stage.MOVING]
        return out

    @property
    def broken(self) -> int:
        """How many instances are above their limit, those of sums and sets as of when that was last asked about."""
        return self.tally.broken + self._leaves.staying

    def is_no_worse(self) -> bool:
        """Whether no instance of a must or a guard exceeds what it was at the start."""
        return self.tally.is_no_worse()

    def measure(self) -> tuple[int, ...]:
        """Return `values` in the order of the stages, to be compared."""
        return tuple(self.values().values())


def _adding(work: WorkingPlacement, atom: Linear, instance: Instance) -> NDArray[np.int64]:
    if not atom.level:
        here = work.on(instance.domain)
        return here[atom.amount[here] > 0]
    return np.flatnonzero(work._there(atom.level, instance.domain) & (atom.amount > 0))


def _in_it(work: WorkingPlacement, atom: Group, instance: Instance) -> NDArray[np.int64]:
    vms = np.concatenate([side[instance.member] for side in atom.sides]).astype(np.int64)
    return vms[work._there(atom.level, instance.domain)[vms]] if atom.shape.by_domain else vms


def _itself(work: WorkingPlacement, atom: Leave, instance: Instance) -> NDArray[np.int64]:
    return np.array([instance.member])


_MOVERS: ByShape[Callable[..., NDArray[np.int64]]] = ByShape(
    "the search for VMs to move", {SUM: _adding, LEAVE: _itself, **dict.fromkeys(GROUPS, _in_it)}
)


class _Leaves:
    """Harm of the `Leave` atoms by stage, kept up to date move by move."""

    def __init__(self, problem: Problem) -> None:
        self.harms: dict[Stage, int] = {}
        self.staying = 0
        self._also = problem.also_at
        self._atoms = {n: a for n, a in problem.demands.leaves.items() if a.asked.hardness in COUNTED}
        self._of: dict[int, list[int]] = {}
        for number, atom in self._atoms.items():
            for vm in atom.vms.tolist():
                self._of.setdefault(vm, []).append(number)
            self._count(atom, len(staying(problem, atom, problem.start)))

    def put(self, vm: int, now: int, host: int) -> None:
        """Follow a VM from one host to another."""
        for number in self._of.get(vm, ()):
            times = int(self.is_bad(number, vm, host)) - int(self.is_bad(number, vm, now))
            self._count(self._atoms[number], times)

    def is_bad(self, number: int, vm: int, host: int) -> bool:
        """Whether the VM, were it on this host, would stand where the atom of that number says that it must not."""
        hosts = self._atoms[number].hosts
        return any(h != ABSENT and bool(hosts[h]) for h in (host, int(self._also[vm])))

    def harm_on(self, vm: int, hosts: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return float64 [hosts]: the weighed harm of shoulds that ask the VM to leave each of the hosts."""
        harms = np.zeros(hosts.size)
        for number in self._of.get(vm, ()):
            atom = self._atoms[number]
            if atom.asked.hardness is Hardness.SHOULD:
                harms += np.where(atom.hosts[hosts], harm(1, 1, atom.asked.weight), 0)
        return harms

    def _count(self, atom: Leave, times: int) -> None:
        self.staying += times
        stage, weight = stage_of(atom.asked)
        self.harms[stage] = self.harms.get(stage, 0) + times * harm(1, 1, weight)
