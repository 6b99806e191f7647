"""How large a problem's sums may become: up to here every part of the program counts them exactly, or refuses to.

Loads, harm and costs are whole numbers in int64 arrays, in CP-SAT models (whose sums have to stay below 2^62) and in
plans. `check_exact` looks at what a problem could add up to at most, before anything is solved or judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.errors import InputError
from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED, Apart, AtLeast, AtMost, Leave, Linear, Needs, Same
from optimizer.problem.problem import Problem, Stage, stage_of
from optimizer.problem.rounding import MILLI, harm
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Asked

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
    for atom in problem.atoms:
        if isinstance(atom, Linear):
            _check_loads(problem, atom, where)
        asked: Asked | None = getattr(atom, "asked", None)
        if asked is not None and asked.hardness in (Hardness.MUST, Hardness.SHOULD):
            found.setdefault(stage_of(asked)[0], []).extend(_harms(problem, atom))
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


def _check_loads(problem: Problem, atom: Linear, where: str) -> None:
    """No load may leave int64, nor the highest one as a share of its limit."""
    total = sum(atom.amount.tolist()) + sum(atom.base.tolist())
    field = f"{atom.asked.rule}: {atom.resource}"
    larger = f"give {atom.resource} in a larger unit"
    if total > LARGEST_SUM:
        worst = int(atom.amount.max(initial=0))
        _check_sum([_Most(total, f"{field}: the largest of {problem.vms} VMs", worst, larger)], "a load", where)
    if atom.level or atom.asked.hardness is not Hardness.MUST:
        return
    load, limit = start_load(problem, atom), atom.limit
    for h in np.flatnonzero((limit > 0) & (limit < UNLIMITED) & (load > limit)).tolist():
        share = TEN_THOUSANDTHS * int(load[h]) // int(limit[h])
        name = f"{field} on {problem.host_ids[h]}, of which {int(limit[h])} may be used"
        _check_sum([_Most(share, name, int(load[h]), larger)], "a load in 10^-4 of its limit", where)


def start_load(problem: Problem, atom: Linear) -> NDArray[np.int64]:
    """Return int64 [domains]: the load of each domain at the start, a VM that others move at both ends."""
    domain, start, also = problem.domain[atom.level], problem.start, problem.also_at
    load = atom.base.astype(np.int64).copy()
    placed, twice = np.flatnonzero(start != ABSENT), np.flatnonzero(also != ABSENT)
    np.add.at(load, domain[start[placed]], atom.amount[placed])
    more = twice[(start[twice] == ABSENT) | (domain[also[twice]] != domain[start[twice]])]
    np.add.at(load, domain[also[more]], atom.amount[more])
    return load


# -- harm ----------------------------------------------------------------------------------------------------------


def _harms(problem: Problem, atom: object) -> Iterator[_Most]:
    """Yield the most harm of each kind of demand: that of a must is what it is at the start, since none gets worse."""
    if isinstance(atom, Linear):
        yield _linear(problem, atom)
    elif isinstance(atom, AtLeast):
        yield _counts(atom.asked, [int(k) for k in atom.k], "at_least")
    elif isinstance(atom, AtMost | Same):
        yield _counts(atom.asked, [2 * int(n) for n in np.diff(atom.sets.indptr)], "VMs of a group")
    elif isinstance(atom, Apart | Needs):
        sizes = np.diff(atom.left.indptr) + np.diff(atom.right.indptr)
        yield _counts(atom.asked, [2 * int(n) for n in sizes], "VMs of two groups")
    elif isinstance(atom, Leave):
        yield _counts(atom.asked, [len(atom.vms)], "VMs that have to leave")


def _linear(problem: Problem, atom: Linear) -> _Most:
    """Judge a `Linear` by what is over at the start; a should by all that could stand in each domain."""
    must = atom.asked.hardness is Hardness.MUST
    load = start_load(problem, atom) if must else atom.base + int(atom.amount.sum())
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


# -- moving --------------------------------------------------------------------------------------------------------


def _moving(problem: Problem) -> _Most:
    costs = problem.moving[problem.movable].tolist()
    if not costs:
        return _Most(0, "", 0, "")
    worst = max(costs)
    vm = problem.vm_ids[int(np.flatnonzero(problem.movable & (problem.moving == worst))[0])]
    field = f"the cost of moving VM {vm}, as least: {problem.least.value} counts it"
    return _Most(ROUNDS * sum(costs), field, worst, "count moves by something else (least: moves)")
