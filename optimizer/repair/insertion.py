"""Repair at any size: put out as little as has to go, and receive it where there is room.

Evictions come from the bound, so if every evicted VM finds room without pushing another out, value and bound meet and
the repair is proven minimal. Best-fit decreasing is Johnson's (1973); what it cannot place, `repair` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness
from optimizer.problem.tally import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from numpy.typing import NDArray

    from optimizer.bounds.bounds import Bounds
    from optimizer.bounds.eviction_relaxation import Component
    from optimizer.problem.set_tally import SetTally
    from optimizer.problem.working_placement import WorkingPlacement

__all__ = ["Insertion", "evicted", "receive"]


def evicted(bounds: Bounds, jitter: NDArray[np.float64] | None = None) -> list[int]:
    """Return the VMs that leave in the least eviction, the hardest to place first.

    Where a budget does not suffice for all, those that it pays for; if that could not be told, components come in order
    of the harm that they repair for what they spend of it.

    Parameters
    ----------
    jitter
        float64 [V]: factors on how hard VMs are to place, to try other orders.
    """
    size = bounds.size if jitter is None else bounds.size * jitter
    chosen: list[tuple[float, float, int]] = []
    if paid := bounds.affordable:
        healed = (
            v
            for component in bounds.departures.components
            if _departures_heal(component)
            for v in component.vms.tolist()
        )
        return sorted((v for v in healed if v in paid), key=lambda v: (-float(size[v]), v))
    for component, eviction in zip(bounds.departures.components, bounds.thrifty, strict=True):
        if eviction is None or not eviction.vms or not _departures_heal(component):
            continue
        spent = 0 if bounds.overdrawn is None else int(bounds.overdrawn[list(eviction.vms)].sum())
        urgency = -_repaired(component) / spent if spent else 0.0
        chosen.extend((urgency, -float(size[v]), v) for v in eviction.vms)
    return [vm for _, _, vm in sorted(chosen)]


def _departures_heal(component: Component) -> bool:
    """Whether leaving is all it takes: not so for groups that have to come to a certain place."""
    return any(row.heals for row in component.rows)


def _repaired(component: Component) -> float:
    return float(sum(row.harm(row.excess) for row in component.rows if row.asked.hardness is Hardness.MUST))


class Insertion:
    """Chooses a host for an evicted VM: no new harm first, then by how full the host would be.

    Parameters
    ----------
    tight
        True: the fullest host that still fits (best fit), which keeps large holes for large VMs. False: the host
        whose fullest resource is least full, which keeps the fleet even.
    near
        Hosts around a VM's own that are asked first, in fleets of more than twice as many.
    ignored
        Numbers of set tallies that are not asked whether they want company.
    """

    def __init__(self, work: WorkingPlacement, *, tight: bool, near: int, ignored: Collection[int] = ()) -> None:
        self.work, self.tight, self.nearest, self.ignored = work, tight, near, ignored
        linears = work.tally.linears
        self.linears = [t for t in linears if t.atom.level == 0 and t.atom.asked.hardness is not Hardness.SHOULD]
        self.limits = [np.where(t.ceiling < UNLIMITED, np.maximum(t.ceiling, 1), UNLIMITED) for t in self.linears]

    def host_for(self, vm: int, barred: Iterable[int] = ()) -> int | None:
        """Return the host to put the VM on, where it can go now without waiting if possible; None if nowhere.

        Where groups want company (AtLeast, Same, Needs), a host that repairs most comes before one without a wait.
        """
        barred = list(barred)
        near = self.near(vm)
        if near is not WHOLE:
            _, free = self._open(vm, barred, near)
            if free.size and not self.is_harmed(vm, host := self._best(vm, free)):
                return host
        hosts, free = self._open(vm, barred, WHOLE)
        return self._best(vm, free if free.size else hosts) if hosts.size else None

    def near(self, vm: int) -> slice:
        """Return the hosts to ask first: all, where there are few or the VM wants company or a certain kind of host."""
        tally, hosts = self.work.tally, self.work.problem.hosts
        if hosts <= 2 * self.nearest or any(not t.shape.leaving_repairs for t, _ in tally.sets_of.get(vm, ())):
            return WHOLE
        if self.work.should_leave(vm, int(self.work.placement[vm])):
            return WHOLE
        first = min(max(0, int(self.work.placement[vm]) - self.nearest // 2), hosts - self.nearest)
        return slice(first, first + self.nearest)

    def _open(self, vm: int, barred: list[int], among: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the hosts among some that would take the VM without harm, and those of them that need no wait."""
        first = among.start or 0
        room = self.work.tally.room(vm, among)
        if not room.any():
            none = np.zeros(0, np.int64)
            return none, none
        hosts = np.flatnonzero(room) + first
        if barred:
            hosts = hosts[~np.isin(hosts, barred)]
        hosts = self._harmless(vm, hosts)
        return hosts, hosts[self.work.union.room(vm, among)[hosts - first]] if hosts.size else hosts

    def welcomes(self, vm: int, host: int) -> bool:
        """Whether the VM can go to this host now, and does no harm there."""
        return self.work.tally.fits(vm, host) and self._harmless(vm, np.array([host])).size > 0

    def _harmless(self, vm: int, hosts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the hosts without new harm of musts; where company can be repaired, those where most of it is."""
        hosts = hosts[self._new_harm(vm, hosts, Hardness.MUST) == 0]
        company = self._company(vm, hosts, Hardness.MUST)
        least = float(company.min(initial=0.0))
        return np.asarray(hosts[company == least])

    def harm_of(self, vm: int, hosts: NDArray[np.int64], hardness: Hardness) -> NDArray[np.float64]:
        """Return float64 [hosts]: the harm of one hardness that the VM's arrival on each would add (or take away)."""
        harm = self._new_harm(vm, hosts, hardness) + self._company(vm, hosts, hardness)
        return harm + self.work.would_stay(vm, hosts) if hardness is Hardness.SHOULD else harm

    def is_harmed(self, vm: int, host: int) -> bool:
        """Whether the VM's arrival there would add harm of shoulds, or carry it there from where it is."""
        return bool(self._new_harm(vm, np.array([host]), Hardness.SHOULD)[0]) or self.work.should_leave(vm, host)

    def _best(self, vm: int, hosts: NDArray[np.int64]) -> int:
        harm = self.harm_of(vm, hosts, Hardness.SHOULD)
        hosts = hosts[harm == harm.min()]
        fullness = np.zeros(hosts.size)
        for tally, limit in zip(self.linears, self.limits, strict=True):
            if tally.atom.amount[vm]:
                share = (tally.load[hosts] + tally.atom.amount[vm]) / limit[hosts]
                fullness = fullness + share if self.tight else np.maximum(fullness, share)
        return int(hosts[np.argmax(fullness) if self.tight else np.argmin(fullness)])

    def _company(self, vm: int, hosts: NDArray[np.int64], hardness: Hardness) -> NDArray[np.float64]:
        """Harm that groups would have more (or less) if the VM went there: those whose harm is not of one domain.

        Infinite where a group that belongs together would be more split than at the start, which `room` lets pass.
        """
        harm = np.zeros(hosts.size)
        tally = self.work.tally
        for tally_set in {t.number: t for t, _ in tally.sets_of.get(vm, ())}.values():
            atom = tally_set.atom
            binds = tally_set.shape.at_end and atom.asked.hardness is not Hardness.SHOULD and hardness is Hardness.MUST
            counts = not tally_set.shape.leaving_repairs and atom.asked.hardness is hardness
            if (not binds and not counts) or tally_set.number in self.ignored:
                continue
            excess = tally.excess_in(tally_set, vm)[self.work.problem.domain[atom.level][hosts]]
            if counts:
                harm += MILLI * atom.asked.weight * (excess - tally_set.excess().get(0, 0))
            if binds:
                harm[excess > tally_set.allowed(0)] = np.inf
        return harm

    def _new_harm(self, vm: int, hosts: NDArray[np.int64], hardness: Hardness) -> NDArray[np.float64]:
        """Harm that an arrival would add, roughly: exact where it is none, which is what is looked for.

        A broken host that gave VMs away is no worse than at the start when others come; it is harmed all the same.
        """
        problem = self.work.problem
        harm = np.zeros(hosts.size)
        for tally in self.work.tally.linears:
            amount = int(tally.atom.amount[vm])
            if amount and tally.atom.asked.hardness is hardness:
                d = problem.domain[tally.atom.level][hosts]
                over = np.clip(tally.load[d] + amount - tally.atom.limit[d], 0, amount)
                harm += tally.atom.asked.weight * np.ceil(MILLI * over / tally.atom.unit[d])
        for tally_set, side in self.work.tally.sets_of.get(vm, ()):
            atom = tally_set.atom
            if atom.asked.hardness is hardness and tally_set.shape.by_domain:
                d = problem.domain[atom.level][hosts]
                crowded = self._crowded(tally_set, side)
                harm += MILLI * atom.asked.weight * np.isin(d, crowded)
        return harm

    @staticmethod
    def _crowded(tally: SetTally, side: int) -> list[int]:
        """Return the domains where one more VM of the side would be too many."""
        against = tally.count[tally.other(side)]
        return [d for d in against if tally.with_one_more(side, d, of_both=False) > 0]


def receive(
    work: WorkingPlacement,
    vms: Iterable[int],
    *,
    tight: bool,
    near: int,
    stop: Callable[[], bool],
    patience: Callable[[], Callable[[], bool]] = lambda: lambda: False,
) -> list[int]:
    """Place VMs one by one, in order; return those that found no room.

    A VM that would only carry the harm of a should from one host to another stays at home.

    Parameters
    ----------
    patience
        Called where a VM finds no place and the one before did: returns what says that none has for too long. Then it
        ends: the others may only find room where somebody makes way.
    """
    reception = Insertion(work, tight=tight, near=near)
    waiting = []
    in_vain: Callable[[], bool] | None = None
    for vm in vms:
        host = None if stop() or (in_vain and in_vain()) else reception.host_for(vm)
        if host is None:
            waiting.append(vm)
        elif _placed(work, reception, vm, host):
            in_vain = None
            continue
        in_vain = in_vain or patience()
    return waiting


def _placed(work: WorkingPlacement, reception: Insertion, vm: int, host: int) -> bool:
    """Put a VM on a host, unless it would carry the harm of a should there for nothing; return whether it went."""
    home = int(work.placement[vm])
    before = work.measure() if reception.is_harmed(vm, host) else None
    work.put(vm, host)
    if before is None or work.measure() < before:
        return True
    work.put(vm, home)
    return False
