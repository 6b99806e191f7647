"""Local search for cooler hosts at equal cost: other targets, exchanges of targets, exchanges of who moves.

The hottest host is made cooler first, then the next one. What a step may not do is wait: there is room for what comes
while those who leave are still there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.repair.minimize_heat import minimize_heat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.parameters import EvenOut
    from optimizer.repair.targets import Targets

__all__ = ["Cooling", "cool_by_exchanges", "cool_by_other_vms", "cool_by_targets"]


class Cooling:
    """A placement that is made cooler, what it may not cost more than, and what may be spent on it.

    `copied` (int64 [V]) is how much is copied when each VM moves.
    """

    def __init__(
        self, targets: Targets, deadline: Deadline, given: EvenOut, seed: int, copied: NDArray[np.int64]
    ) -> None:
        self.targets, self.deadline, self.given, self.seed = targets, deadline, given, seed
        self.work, self.problem = targets.work, targets.work.problem
        self.values = self.work.values()
        self.copied = copied
        self.most = targets.work_done + given.base + given.per_move * len(self.moved)

    @property
    def moved(self) -> list[int]:
        """VMs that are not at home, in order."""
        return sorted(self.work.displaced)

    def over(self) -> bool:
        """Whether to stop."""
        return self.targets.work_done > self.most or self.deadline.over()

    def hottest(self, hosts: Iterable[int]) -> int | None:
        """Return the hottest of some hosts; None of none."""
        among = np.array(sorted(hosts), np.int64)
        return int(among[np.argmax(self.targets.heat(among))]) if among.size else None

    def heat(self, *hosts: int) -> float:
        """Return the heat of the hottest of the hosts."""
        return float(self.targets.heat(np.array(hosts)).max())

    def targets_now(self) -> set[int]:
        """Return the hosts that receive anything."""
        return {int(self.work.placement[v]) for v in self.work.displaced}

    def arrived(self, host: int) -> list[int]:
        """Return the VMs that came to a host."""
        return [v for v in self.moved if self.work.placement[v] == host]

    def each(self, hosts: Callable[[], set[int]], cool: Callable[[int], bool]) -> None:
        """Cool hosts, hottest first, until none can be made cooler."""
        settled: set[int] = set()
        while (host := self.hottest(hosts() - settled)) is not None and not self.over():
            if not cool(host):
                settled.add(host)

    def changed(self, to: Mapping[int, int], hosts: Iterable[int]) -> bool:
        """Send VMs to hosts if all of them together cost the same, wait for nothing and leave `hosts` cooler."""
        before, hottest = {v: int(self.work.placement[v]) for v in to}, self.heat(*hosts)
        for v in to:
            self.work.put(v, int(self.problem.start[v]))
        fits = all(self._put_if_it_fits(v, host) for v, host in to.items())
        if fits and self.work.values() == self.values and self.heat(*hosts, *to.values()) < hottest:
            return True
        for v in to:
            self.work.put(v, int(self.problem.start[v]))
        for v, host in before.items():
            self.work.put(v, host)
        return False

    def _put_if_it_fits(self, vm: int, host: int) -> bool:
        if host == self.problem.start[vm]:
            return True
        fits = self.targets.fits(vm, host)
        if fits:
            self.work.put(vm, host)
        return fits


def cool_by_targets(cooling: Cooling) -> None:
    """Choose other targets, each at the same cost, and exchange them; ask a model of a few VMs where that is stuck."""
    cooling.each(cooling.targets_now, lambda host: _elsewhere(cooling, host) or _exchanged(cooling, host, _each_alone))
    _by_models(cooling, together=False)


def cool_by_exchanges(cooling: Cooling) -> None:
    """Choose other targets and exchange them at the same cost together, whatever each VM's would be alone."""
    cooling.each(cooling.targets_now, lambda host: _exchanged(cooling, host, _together) or _elsewhere(cooling, host))
    _by_models(cooling, together=True)


def cool_by_other_vms(cooling: Cooling) -> None:
    """Send VMs that moved home, and move others that stayed instead, where that cools the hottest host of all."""
    while (host := cooling.hottest(_concerned(cooling))) is not None and _instead(cooling, host):
        pass


def _by_models(cooling: Cooling, *, together: bool) -> None:
    targets, work = cooling.targets, cooling.work
    if together and not any(work.tally.sets_of.get(v) for v in work.displaced):
        return
    for _ in range(cooling.given.models):
        hottest = cooling.hottest(cooling.targets_now())
        if hottest is None or cooling.over():
            return
        moved, given = work.displaced, cooling.given
        if not minimize_heat(targets, moved, hottest, cooling.deadline, cooling.seed, given, together=together):
            return


def _elsewhere(cooling: Cooling, host: int) -> bool:
    return any(_one_elsewhere(cooling, vm, host) for vm in cooling.arrived(host))


def _one_elsewhere(cooling: Cooling, vm: int, host: int) -> bool:
    heat, targets, home = cooling.heat(host), cooling.targets, int(cooling.problem.start[vm])
    cooling.work.put(vm, home)
    hosts = targets.equal(vm, host)
    if hosts.size:
        heats = targets.heat(hosts, vm)
        best = int(np.argmin(heats))
        if heats[best] < heat and hosts[best] != home:
            cooling.work.put(vm, int(hosts[best]))
            return True
    cooling.work.put(vm, host)
    return False


def _exchanged(cooling: Cooling, host: int, may: Callable[[Cooling, int, int, int, int], bool]) -> bool:
    """Exchange the target of a VM that came to the host with that of another."""
    for vm in cooling.arrived(host):
        for other, there in _partners(cooling, vm, host):
            if cooling.over():
                return False
            if may(cooling, vm, there, other, host):
                return True
    return False


def _each_alone(cooling: Cooling, vm: int, there: int, other: int, host: int) -> bool:
    work, targets, homes = cooling.work, cooling.targets, cooling.problem.start
    heat = cooling.heat(host)
    work.put(vm, int(homes[vm]))
    work.put(other, int(homes[other]))
    if targets.may_go(vm, there, host) and targets.may_go(other, host, there):
        work.put(vm, there)
        if targets.may_go(other, host, there):
            work.put(other, host)
            if cooling.heat(host, there) < heat:
                return True
            work.put(other, int(homes[other]))
        work.put(vm, int(homes[vm]))
    work.put(vm, host)
    work.put(other, there)
    return False


def _together(cooling: Cooling, vm: int, there: int, other: int, host: int) -> bool:
    return cooling.changed({vm: there, other: host}, (host,))


def _partners(cooling: Cooling, vm: int, host: int) -> Iterator[tuple[int, int]]:
    """Yield VMs with which an exchange of targets cools the hotter host, and where they are: the coolest first."""
    homes, targets = cooling.problem.start, cooling.targets
    others = [(int(cooling.work.placement[o]), o) for o in cooling.work.displaced if o != vm]
    others = [(at, o) for at, o in sorted(others) if at not in (host, homes[vm]) and homes[o] != host]
    if not others:
        return
    at, vms = (np.array(column, np.int64) for column in zip(*others, strict=True))
    now = cooling.heat(host)
    heat = np.maximum(targets.exchanged(host, vm, vms), targets.exchanged(at, vms, vm))
    order = np.argsort(targets.heat(at), kind="stable")
    for i in order[heat[order] < now][: cooling.given.partners].tolist():
        yield int(vms[i]), int(at[i])


def _instead(cooling: Cooling, host: int) -> bool:
    """Let a VM stay at home, and one from the same host or set move in its place, off the host or not onto it."""
    homes, at = cooling.problem.start, cooling.work.placement
    for vm in cooling.moved:
        home, there = int(homes[vm]), int(at[vm])
        others = [v for v in _stayed(cooling, vm) if homes[v] == host or there == host]
        for other in others[: cooling.given.partners]:
            if cooling.over():
                return False
            if any(cooling.changed({vm: home, other: h}, (host,)) for h in _rooms(cooling, other, there)):
                return True
    return False


def _concerned(cooling: Cooling) -> set[int]:
    """Return the hosts that receive anything, and those that something leaves or could leave in its place."""
    homes = cooling.problem.start
    others = (v for vm in cooling.moved for v in (vm, *_stayed(cooling, vm)))
    return cooling.targets_now() | {int(homes[v]) for v in others}


def _stayed(cooling: Cooling, vm: int) -> list[int]:
    """Return VMs that did not move, cost the same and are copied for no more, from the home or the sets of one."""
    problem, at = cooling.problem, cooling.work.placement
    others = set(cooling.work.on(int(problem.start[vm])).tolist())
    for tally, _ in cooling.work.tally.sets_of.get(vm, ()):
        for side in tally.atom.sides:
            others.update(side[tally.member][: cooling.given.mates].tolist())
    copied = cooling.copied
    return [
        v
        for v in sorted(others, key=lambda v: (copied[v], v))
        if at[v] == problem.start[v]
        and problem.movable[v]
        and problem.moving[v] == problem.moving[vm]
        and copied[v] <= copied[vm]
    ]


def _rooms(cooling: Cooling, vm: int, first: int) -> list[int]:
    """Return where a VM could go in place of another: to that one's target, or the coolest hosts that have room."""
    targets = cooling.targets
    hosts = targets.open(vm)
    coolest = hosts[np.argsort(targets.heat(hosts, vm), kind="stable")][: cooling.given.others].tolist()
    return list(dict.fromkeys([*coolest, first]))
