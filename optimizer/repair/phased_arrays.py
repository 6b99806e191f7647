"""A problem lowered to flat arrays for the search over plans in phases: what its kernels read, and what they change.

Sums on hosts and sets of VMs of which a domain holds a few at most are lowered; VMs of which a group asks more, or that
others are moving, stay where the plan has them, and count there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import COUNT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.parameters.repair import Phased
    from optimizer.problem.atoms import Linear
    from optimizer.problem.problem import Problem

    Ints = NDArray[np.int64]
    Flags = NDArray[np.uint8]

__all__ = ["PhasedArrays", "PhasedState", "phased_arrays", "phased_state"]


class PhasedArrays(NamedTuple):
    """What no move changes; V VMs, H hosts, C amounts, S limits, K phases.

    Attributes
    ----------
    home, kind
        [V]: the host at the start; the row of `enter`.
    moving
        [V + 1]: what it costs to be away from home.
    amount
        [V + 1, C]: what VMs add to a host; nothing, the last of them.
    ceiling
        [H, C]: what no host may carry more of at any time.
    of, price
        [S]: the amount that a limit is about; what a thousandth of harm costs.
    limit, unit
        [H, S].
    enter
        uint8 [kinds, H]: 1 where VMs may come to.
    at_home
        uint8 [V]: 1 where the VM may come back home.
    movable, movable_at
        VMs that the search may move; uint8 [V], 1 for each of them.
    sets
        [V + 1]: where the list of a VM's sets begins in `set_of`.
    members
        [sets + 1]: where the list of a set's VMs begins in `member`.
    asked
        [sets, 2]: level and most VMs in a domain.
    domain
        [levels, H].
    """

    home: Ints
    kind: Ints
    moving: Ints
    amount: Ints
    ceiling: Ints
    of: Ints
    price: Ints
    limit: Ints
    unit: Ints
    enter: Flags
    at_home: Flags
    movable: Ints
    movable_at: Flags
    sets: Ints
    set_of: Ints
    members: Ints
    member: Ints
    asked: Ints
    domain: Ints


class PhasedState(NamedTuple):
    """A plan and its sums.

    Attributes
    ----------
    place
        [V, 4]: the VM's host (-1: lifted), its phase (K: at home), the next VM on the host, the one before (-1: none).
    head
        [H]: the first VM of each host.
    union
        [H, K, C]: the load in each phase, VMs that move in it counted at both ends.
    load
        [H, C]: the load at the end.
    cost
        [H]: what harm on each host costs.
    away, hot
        VMs away from home, and hosts with harm, in any order; and where each stands in the list.
    total
        Cost; number of VMs away; number of hosts with harm.
    forced
        [V]: what each pays for being where there is no room for it.
    random
        [2]: state of the random numbers.
    """

    place: Ints
    head: Ints
    union: Ints
    load: Ints
    cost: Ints
    away: Ints
    away_at: Ints
    hot: Ints
    hot_at: Ints
    total: Ints
    forced: Ints
    random: Ints


def phased_arrays(problem: Problem, move: int, given: Phased) -> PhasedArrays:
    """Lower a problem; `move` is what the mean VM's move costs."""
    sums = list(problem.demands.sums.items())
    columns: list[NDArray[np.int64]] = []
    column: list[int] = []
    for _, atom in sums:
        at = next((i for i, c in enumerate(columns) if np.array_equal(c, atom.amount)), len(columns))
        if at == len(columns):
            columns.append(atom.amount)
        column.append(at)
    ceiling = np.full((problem.hosts, len(columns)), UNLIMITED, np.int64)
    harming = []
    for (number, atom), at in zip(sums, column, strict=True):
        start = problem.start_loads[number]
        hardness = atom.asked.hardness
        if hardness is not Hardness.SHOULD:
            own = np.maximum(atom.limit, start) - atom.base
            ceiling[:, at] = np.minimum(ceiling[:, at], own)
        if hardness is Hardness.SHOULD or (hardness is Hardness.MUST and (start > atom.limit).any()):
            harming.append((atom, at))
    kind, enter, at_home = _ways(problem)
    movable = _movable(problem)
    moving = problem.moving / max(1.0, float(problem.moving[problem.movable].mean()))
    sets, asked, members = _sets(problem)
    firsts, flat = _of_each(problem.vms, members)
    return PhasedArrays(
        home=problem.start.astype(np.int64),
        kind=kind,
        moving=np.append(np.maximum(np.rint(move * moving), 1), 0).astype(np.int64),
        amount=np.concatenate([np.stack(columns, axis=1), np.zeros((1, len(columns)), np.int64)]),
        ceiling=ceiling,
        of=np.array([at for _, at in harming], np.int64),
        price=np.array([_price(a, move, given) for a, _ in harming], np.int64),
        limit=np.stack([np.minimum(a.limit, UNLIMITED // 2) - a.base for a, _ in harming], axis=1),
        unit=np.stack([np.maximum(a.unit, 1) for a, _ in harming], axis=1),
        enter=enter,
        at_home=at_home,
        movable=np.flatnonzero(movable),
        movable_at=movable.astype(np.uint8),
        sets=firsts,
        set_of=flat,
        members=sets,
        member=np.concatenate([*members, np.zeros(0, np.int64)]).astype(np.int64),
        asked=asked,
        domain=problem.domain.astype(np.int64),
    )


def _price(atom: Linear, move: int, given: Phased) -> int:
    must = atom.asked.hardness is Hardness.MUST
    return int(move * atom.asked.weight * (given.must if must else given.should))


def _ways(problem: Problem) -> tuple[Ints, NDArray[np.uint8], NDArray[np.uint8]]:
    """Return each VM's kind, where each kind may come to, and who may come back home: nobody that has to leave it."""
    classes, hosts = problem.enter_class
    kind, rows = classes.astype(np.int64), list(hosts)
    at_home = np.ones(problem.vms, np.uint8)
    for atom in problem.demands.leaves.values():
        touched, inverse = np.unique(kind[atom.vms], return_inverse=True)
        kind[atom.vms] = len(rows) + inverse
        rows.extend(rows[k] & ~atom.hosts for k in touched.tolist())
        home = problem.start[atom.vms]
        at_home[atom.vms[(home != ABSENT) & atom.hosts[home]]] = 0
    return kind, np.array(rows, np.uint8), at_home


def _movable(problem: Problem) -> NDArray[np.bool_]:
    """Return who may be moved: nobody of a group of which more is asked, or of which others are moving one."""
    still = problem.also_at == ABSENT
    movable = problem.movable & still
    for atom in problem.demands.groups.values():
        for side in atom.sides:
            for i in range(len(side)):
                if atom.shape is not COUNT or not still[side[i]].all():
                    movable[side[i]] = False
    return np.asarray(movable)


def _sets(problem: Problem) -> tuple[Ints, Ints, list[Ints]]:
    """Return where the members of each set begin, level and limit of each, and the members."""
    members, asked = [], []
    for atom in problem.demands.counts.values():
        for i in range(len(atom.sets)):
            placed = atom.sets[i][problem.start[atom.sets[i]] != ABSENT]
            members.append(placed.astype(np.int64))
            asked.append((atom.level, int(atom.k[i])))
    first = np.concatenate([[0], np.cumsum([m.size for m in members])]).astype(np.int64)
    return first, np.array(asked, np.int64).reshape(-1, 2), members


def _of_each(vms: int, members: list[Ints]) -> tuple[Ints, Ints]:
    """Return where each VM's list of sets begins, and the lists."""
    which = np.repeat(np.arange(len(members)), [m.size for m in members]) if members else np.zeros(0, np.int64)
    flat = np.concatenate(members) if members else np.zeros(0, np.int64)
    order = np.argsort(flat, kind="stable")
    first = np.searchsorted(flat[order], np.arange(vms + 1))
    return first.astype(np.int64), which[order].astype(np.int64)


def phased_state(problem: Problem, fixed: PhasedArrays, phases: int) -> PhasedState:
    """Return the state of the start."""
    hosts, vms, columns = problem.hosts, problem.vms, fixed.amount.shape[1]
    load = np.zeros((hosts, columns), np.int64)
    for ends in (problem.start, problem.also_at):
        placed = np.flatnonzero(ends != ABSENT)
        np.add.at(load, ends[placed], fixed.amount[placed])
    place, head = np.full((vms, 4), -1, np.int64), np.full(hosts, -1, np.int64)
    place[:, 0], place[:, 1] = problem.start, phases
    for vm in np.flatnonzero(problem.start != ABSENT).tolist():
        host = int(problem.start[vm])
        first = int(head[host])
        place[vm, 2] = first
        if first >= 0:
            place[first, 3] = vm
        head[host] = vm
    over = np.maximum(load[:, fixed.of] - fixed.limit, 0)
    cost = (fixed.price * -(-1000 * over // fixed.unit)).sum(axis=1)
    hot = np.flatnonzero(cost > 0)
    listed, at = np.zeros(hosts, np.int64), np.full(hosts, -1, np.int64)
    listed[: hot.size], at[hot] = hot, np.arange(hot.size)
    return PhasedState(
        place=place,
        head=head,
        union=np.repeat(load[:, None, :], phases, axis=1).copy(),
        load=load,
        cost=cost.astype(np.int64),
        away=np.zeros(vms, np.int64),
        away_at=np.full(vms, -1, np.int64),
        hot=listed,
        hot_at=at,
        total=np.array([int(cost.sum()), 0, hot.size], np.int64),
        forced=np.zeros(vms, np.int64),
        random=np.ones(2, np.int64),
    )
