"""Small faults that a `lower` could have: each takes an atom and returns the same with the fault, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.problem.atoms import (
    Apart,
    AtLeast,
    AtMost,
    Enter,
    Fixed,
    Flow,
    Leave,
    Linear,
    Needs,
    Same,
    Sets,
)
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from random import Random

    from optimizer.problem.atoms import Atom
    from optimizer.problem.problem import Problem

__all__ = ["MUTATIONS", "Mutation"]

Mutation = Callable[["Random", "Problem", Any], "Atom | None"]


def _without_member(rng: Random, sets: Sets) -> Sets | None:
    i = rng.randrange(len(sets))
    kept = sets[i].tolist()
    if not kept:
        return None
    kept.remove(rng.choice(kept))
    return Sets.of((name, kept if j == i else sets[j].tolist()) for j, name in enumerate(sets.ids))


def _other_level(rng: Random, problem: Problem, atom: Any) -> Atom | None:
    others = [level for level in range(len(problem.levels)) if level != atom.level]
    return replace(atom, level=rng.choice(others)) if others else None


def _drop_member(side: str) -> Mutation:
    def drop(rng: Random, problem: Problem, atom: Any) -> Atom | None:
        fewer = _without_member(rng, getattr(atom, side))
        return None if fewer is None else replace(atom, **{side: fewer})

    return drop


def _add(field: str, by: int) -> Mutation:
    return lambda rng, problem, atom: replace(atom, **{field: getattr(atom, field) + by})


def _heavier(rng: Random, problem: Problem, atom: Any) -> Atom | None:
    """Weigh more; a guard has no harm, so its weight and unit say nothing."""
    guard = atom.asked.hardness is Hardness.GUARD
    return None if guard else replace(atom, asked=replace(atom.asked, weight=atom.asked.weight + 1))


def _other_unit(rng: Random, problem: Problem, atom: Linear) -> Atom | None:
    return None if atom.asked.hardness is Hardness.GUARD else replace(atom, unit=atom.unit + 1)


def _softer(rng: Random, problem: Problem, atom: Any) -> Atom:
    other = Hardness.SHOULD if atom.asked.hardness is not Hardness.SHOULD else Hardness.MUST
    return replace(atom, asked=replace(atom.asked, hardness=other, price=None))


def _forget_amount(rng: Random, problem: Problem, atom: Linear) -> Atom | None:
    counted = np.flatnonzero(atom.amount)
    if not counted.size:
        return None
    amount = atom.amount.copy()
    amount[rng.choice(counted.tolist())] = 0
    return replace(atom, amount=amount)


def _forget_base(rng: Random, problem: Problem, atom: Linear) -> Atom | None:
    """Forget host overhead; a guard, which is judged against its start, shows that too seldom (once in 1500)."""
    judged = atom.base.any() and atom.asked.hardness is not Hardness.GUARD
    return replace(atom, base=atom.base * 0) if judged else None


def _drop_vm(rng: Random, problem: Problem, atom: Any) -> Atom | None:
    if atom.vms is None or not len(atom.vms):
        return None
    return replace(atom, vms=np.delete(atom.vms, rng.randrange(len(atom.vms))))


def _flip_host(rng: Random, problem: Problem, atom: Any) -> Atom:
    hosts = atom.hosts.copy()
    h = rng.randrange(len(hosts))
    hosts[h] = ~hosts[h]
    return replace(atom, hosts=hosts)


def _swap_sides(rng: Random, problem: Problem, atom: Any) -> Atom:
    return replace(atom, left=atom.right, right=atom.left)


_ASKED: dict[str, Mutation] = {"weight + 1": _heavier, "other hardness": _softer}

MUTATIONS: dict[type, dict[str, Mutation]] = {
    Linear: {
        "limit + 1": _add("limit", 1),
        "limit - 1": _add("limit", -1),
        "forgets a VM": _forget_amount,
        "forgets the base": _forget_base,
        "other unit": _other_unit,
        **_ASKED,
    },
    AtMost: {"k + 1": _add("k", 1), "other level": _other_level, "drops a member": _drop_member("sets"), **_ASKED},
    AtLeast: {
        "k + 1": _add("k", 1),
        "k - 1": _add("k", -1),
        "other level": _other_level,
        "drops a member": _drop_member("sets"),
        **_ASKED,
    },
    Same: {"other level": _other_level, "drops a member": _drop_member("sets"), **_ASKED},
    Apart: {
        "other level": _other_level,
        "drops a member of the left": _drop_member("left"),
        "drops a member of the right": _drop_member("right"),
        **_ASKED,
    },
    Needs: {
        "other level": _other_level,
        "drops a member of the left": _drop_member("left"),
        "drops a member of the right": _drop_member("right"),
        "swaps the sides": _swap_sides,
        **_ASKED,
    },
    Leave: {"drops a VM": _drop_vm, "other hosts": _flip_host, **_ASKED},
    Enter: {"drops a VM": _drop_vm, "other hosts": _flip_host},
    Fixed: {"drops a VM": _drop_vm},
    Flow: {"limit + 1": _add("limit", 1), "limit - 1": _add("limit", -1), "other cost": _add("cost", 1)},
}
"""By kind of atom: each fault by name. That an atom is left out altogether is tried on all of them."""
