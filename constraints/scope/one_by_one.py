"""Hosts that are emptied one after the other: under a limit, each counts as a whole, emptied or not.

One VM less on a host that is to be emptied is worth nothing if the rest stays: what is asked is a `Linear` whose unit
is a thousand times what it counts, so that any excess is one unit of harm, and none is none.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from constraints.hard import counted
from constraints.scope.wrapped import Wrapped
from optimizer.problem.atoms import UNLIMITED, Linear
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness, Violation
from optimizer.problem.shapes import LEAVE, shape_of
from optimizer.scope import WAITING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom, Leave

__all__ = ["PER_HOST", "OneByOne", "must_leave"]

PER_HOST = 1_000_000
"""Harm of a host that is not emptied: as much as a thousand VMs that have to leave, so that hosts come first."""


@dataclass(frozen=True)
class OneByOne(Wrapped):
    """A rule that empties hosts, each as a whole.

    Parameters
    ----------
    homes
        VMs that can leave, and the host (ids) that each is to leave, where that host counts as a whole; every other VM
        counts for itself, as the rule says.
    why
        Why each of these hosts is to be emptied.
    elsewhere
        VMs of which another rule asks the same already.
    """

    homes: Mapping[str, str]
    why: Mapping[str, str]
    elsewhere: frozenset[str] = frozenset()

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Take the VMs out of `Leave`, and count them on their hosts instead."""
        home = {fleet.vm_index[vm]: fleet.host_index[host] for vm, host in self.homes.items()}
        out = [*home, *(fleet.vm_index[vm] for vm in self.elsewhere)]
        for atom in self.inner.lower(fleet):
            if leave := must_leave(atom):
                itself = ~np.isin(leave.vms, out)
                if itself.any():
                    yield replace(leave, vms=leave.vms[itself])
                apart = np.isin(leave.vms, list(home))
                if apart.any():
                    yield _counted(leave, leave.vms[apart], home, fleet)
            else:
                yield atom

    def check(self, state: State) -> Iterator[Violation]:
        """Count, on each host that is to be emptied as a whole, which of its VMs are (also) there."""
        fleet, counted_here = state.fleet, self.homes.keys() | self.elsewhere
        for v in self.inner.check(state):
            if v.hardness is not Hardness.MUST or v.subject not in counted_here:
                yield v
        size: dict[str, int] = defaultdict(int)
        for host in self.homes.values():
            size[host] += 1
        there: dict[str, set[int]] = defaultdict(set)
        for vm, at in zip(*(ends.tolist() for ends in state.presence), strict=True):
            if fleet.vms.ids[vm] in self.homes and fleet.hosts.ids[at] in size:
                there[fleet.hosts.ids[at]].add(vm)
        for host in size:
            if there[host]:
                yield Violation(
                    rule=self.name,
                    subject=host,
                    hardness=Hardness.MUST,
                    resource=WAITING,
                    value=len(there[host]),
                    limit=0,
                    excess=len(there[host]),
                    unit=MILLI * size[host],
                    weight=PER_HOST,
                    vms=tuple(sorted(there[host])),
                )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say how many VMs have to leave, and why."""
        if violation.resource != WAITING:
            return self.inner.explain(violation, fleet)
        host = violation.subject
        has = "has" if violation.value == 1 else "have"
        return f"{host}: it is to be emptied ({self.why[host]}); {counted(violation.value, 'VM')} {has} to leave"


def must_leave(atom: Atom) -> Leave | None:
    """Return the atom if it asks VMs to leave hosts, as a must."""
    if shape_of(atom) is not LEAVE:
        return None
    leave = cast("Leave", atom)
    return leave if leave.asked.hardness is Hardness.MUST else None


def _counted(leave: Leave, vms: NDArray[np.int32], home: Mapping[int, int], fleet: Fleet) -> Linear:
    hosts = len(fleet.hosts)
    amount = np.zeros(len(fleet.vms), np.int64)
    amount[vms] = 1
    size = np.bincount([home[v] for v in vms.tolist()], minlength=hosts)
    return Linear(
        asked=replace(leave.asked, weight=PER_HOST),
        resource=WAITING,
        level=0,
        amount=amount,
        limit=np.where(size > 0, 0, UNLIMITED).astype(np.int64),
        unit=np.maximum(MILLI * size, 1).astype(np.int64),
        base=np.zeros(hosts, np.int64),
    )
