"""How large a problem's sums may become: up to here every part of the program counts them exactly, or refuses to.

Loads, harm and costs are whole numbers in int64 arrays, in CP-SAT models (whose sums have to stay below 2^62) and in
plans. `check_exact` looks at what a problem could add up to at most, before anything is solved or judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.errors import InputError
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import Problem, Stage, stage_of
from optimizer.problem.rounding import MILLI, harm
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import COMPANY, COUNT, LEAVE, OCCUPANCY, PAIR, SUM, TOGETHER, ByShape

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Apart, Asked, AtLeast, AtMost, Leave, Linear, Needs, Same

__all__ = ["LARGEST_SUM", "check_exact"]

LARGEST_SUM = 10**18
"""What the harm, the cost of moving, or the load of one resource may add up to in a whole fleet."""

TEN_THOUSANDTHS = 10_000

ROUNDS = 4
"""How often each VM may move in a plan that is still counted: staging hops come on top of one move each."""


class _Most(NamedTuple):
    """What something can add up to, and what contributes most."""

    amount: int
    field: str
    value: int
    remedy: str


def check_exact(problem: Problem, where: str) -> None:
    """Refuse a problem whose sums might not be exact.

    Parameters
    ----------
    where
        What was handed in, for the message.

    Raises
    ------
    InputError
        Naming what makes the sum too large, its value, and the limit.
    """
    found: dict[Stage, list[_Most]] = {}
    for number, total in problem.demands.sums.items():
        _check_loads(problem, total, problem.start_loads[number], where)
    for number, atom in problem.demands.harming.items():
        if atom.asked.hardness in (Hardness.MUST, Hardness.SHOULD):
            found.setdefault(stage_of(atom.asked)[0], []).append(_HARMS[atom](problem, number, atom))
    moving = _moving(problem)
    _check_sum([moving], "cost of moving", where)
    if Stage.PRICED in problem.stages:
        found.setdefault(Stage.PRICED, []).append(moving._replace(amount=MILLI * moving.amount))
    for stage, most in found.items():
        _check_sum(most, f"{stage.value}", where)


def _check_sum(most: list[_Most], what: str, where: str) -> None:
    total = sum(m.amount for m in most)
    if total > LARGEST_SUM:
        worst = max(most, key=lambda m: m.amount)
        expected = f"{what} that adds up to at most {LARGEST_SUM} in the whole fleet"
        raise InputError(where, worst.field, worst.value, expected, f"it could be {total}; {worst.remedy}")


# -- loads ---------------------------------------------------------------------------------------------------------


def _check_loads(problem: Problem, atom: Linear, load: NDArray[np.int64], where: str) -> None:
    """No load may leave int64, nor the highest one as a share of its limit."""
    total = sum(atom.amount.tolist()) + sum(atom.base.tolist())
    field = f"{atom.asked.rule}: {atom.resource}"
    larger = f"give {atom.resource} in a larger unit"
    if total > LARGEST_SUM:
        worst = int(atom.amount.max(initial=0))
        _check_sum([_Most(total, f"{field}: the largest of {problem.vms} VMs", worst, larger)], "a load", where)
    if atom.level or atom.asked.hardness is not Hardness.MUST:
        return
    limit = atom.limit
    for h in np.flatnonzero((limit > 0) & (limit < UNLIMITED) & (load > limit)).tolist():
        share = TEN_THOUSANDTHS * int(load[h]) // int(limit[h])
        name = f"{field} on {problem.host_ids[h]}, of which {int(limit[h])} may be used"
        _check_sum([_Most(share, name, int(load[h]), larger)], "a load in 10^-4 of its limit", where)


# -- harm ----------------------------------------------------------------------------------------------------------


def _linear(problem: Problem, number: int, atom: Linear) -> _Most:
    """Judge a `Linear` by what is over at the start; a should by all that could stand in each domain."""
    must = atom.asked.hardness is Hardness.MUST
    load = problem.start_loads[number] if must else atom.base + int(atom.amount.sum())
    _, weight = stage_of(atom.asked)
    over = np.flatnonzero(load > atom.limit).tolist()
    each = {d: harm(int(load[d]) - int(atom.limit[d]), int(atom.unit[d]), weight) for d in over}
    worst = max(each, key=lambda d: each[d], default=None)
    if worst is None:
        return _Most(0, "", 0, "")
    return _Most(
        sum(each.values()),
        f"{atom.asked.rule}: {atom.resource} on {problem.domain_ids[atom.level][worst]}, of which "
        f"{int(atom.limit[worst])} may be used",
        int(load[worst]),
        f"give the rule {atom.asked.rule} a smaller weight than {weight}, or correct {atom.resource}",
    )


def _counts(asked: Asked, sizes: list[int], what: str) -> _Most:
    _, weight = stage_of(asked)
    total = MILLI * weight * sum(sizes)
    worst = max(sizes, default=0)
    return _Most(total, f"{asked.rule}: {what}", worst, f"give it a smaller weight than {weight}, or a smaller number")


def _at_least(problem: Problem, number: int, atom: AtLeast) -> _Most:
    return _counts(atom.asked, [int(k) for k in atom.k], "at_least")


def _group(problem: Problem, number: int, atom: AtMost | Same) -> _Most:
    return _counts(atom.asked, [2 * int(n) for n in np.diff(atom.sets.indptr)], "VMs of a group")


def _groups(problem: Problem, number: int, atom: Apart | Needs) -> _Most:
    sizes = np.diff(atom.left.indptr) + np.diff(atom.right.indptr)
    return _counts(atom.asked, [2 * int(n) for n in sizes], "VMs of two groups")


def _leave(problem: Problem, number: int, atom: Leave) -> _Most:
    return _counts(atom.asked, [len(atom.vms)], "VMs that have to leave")


_HARMS: ByShape[Callable[..., _Most]] = ByShape(
    "the check of exact sums",
    {
        SUM: _linear,
        COUNT: _group,
        PAIR: _groups,
        OCCUPANCY: _at_least,
        COMPANY: _groups,
        TOGETHER: _group,
        LEAVE: _leave,
    },
)
"""The most harm of each kind of demand: that of a must is what it is at the start, since none gets worse."""


# -- moving --------------------------------------------------------------------------------------------------------


def _moving(problem: Problem) -> _Most:
    costs = problem.moving[problem.movable].tolist()
    if not costs:
        return _Most(0, "", 0, "")
    worst = max(costs)
    vm = problem.vm_ids[int(np.flatnonzero(problem.movable & (problem.moving == worst))[0])]
    field = f"the cost of moving VM {vm}, as least: {problem.least.value} counts it"
    return _Most(ROUNDS * sum(costs), field, worst, "count moves by something else (least: moves)")
