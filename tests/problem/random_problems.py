"""Random tiny problems made of atoms alone: every kind of atom and hardness, in numbers so tight that they bind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import (
    UNLIMITED,
    Apart,
    Asked,
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
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from optimizer.problem.atoms import Atom

__all__ = ["HARMING", "KINDS", "MOVING", "ON_THE_WAY", "make_problem", "random_problem"]

LEVELS = ("host", "rack")


def make_problem(
    start: Sequence[int],
    atoms: Sequence[Atom],
    racks: Sequence[int],
    *,
    also_at: Sequence[int] | None = None,
    moving: Sequence[int] | None = None,
) -> Problem:
    """Return a problem of levels host and rack with hosts h0.. (one for each entry of `racks`) and VMs v0.. ."""
    hosts = len(racks)
    domain = np.array([range(hosts), racks], np.int32)
    return Problem(
        host_ids=tuple(f"h{i}" for i in range(hosts)),
        vm_ids=tuple(f"v{i}" for i in range(len(start))),
        levels=LEVELS,
        domain=domain,
        domain_ids=(tuple(f"h{i}" for i in range(hosts)), tuple(f"r{i}" for i in range(max(racks) + 1))),
        start=np.array(start, np.int32),
        also_at=np.array([ABSENT] * len(start) if also_at is None else also_at, np.int32),
        moving=np.array([1] * len(start) if moving is None else moving, np.int64),
        atoms=tuple(atoms),
        stages=(Stage.HARM, Stage.MOVING, Stage.PLACEMENT),
    )


def random_problem(
    rng: Random, *, kinds: Sequence[str] = (), in_flight: bool = True, size: tuple[int, int] | None = None
) -> Problem:
    """Return a random problem of 2 to 4 hosts and 2 to 5 VMs with 1 to 3 atoms (all of `kinds`, where given).

    Parameters
    ----------
    size
        Hosts and VMs, where it is to be of a certain size.
    """
    hosts, vms = size or (rng.randint(2, 4), rng.randint(2, 5))
    racks = [0, *(rng.randint(0, 1) for _ in range(hosts - 1))]
    if max(racks) == 0:
        racks[-1] = 1
    start = [rng.randrange(hosts) if rng.random() < 0.95 else ABSENT for _ in range(vms)]
    also = [ABSENT] * vms
    if in_flight and rng.random() < 0.2:
        vm = rng.randrange(vms)
        also[vm] = rng.randrange(hosts)
        if also[vm] == start[vm] or start[vm] == ABSENT:
            also[vm] = ABSENT
    chosen = list(kinds) or [rng.choice(tuple(_ATOMS)) for _ in range(rng.randint(1, 3))]
    atoms = [_ATOMS[kind](rng, hosts, vms, racks) for kind in chosen]
    fixed = np.flatnonzero(np.array(also) != ABSENT).astype(np.int32)
    if fixed.size:
        atoms.append(Fixed("in_flight", fixed, "somebody is moving it"))
    return make_problem(start, atoms, racks, also_at=also, moving=[rng.choice((1, 1, 2, 3)) for _ in range(vms)])


def _asked(rng: Random) -> Asked:
    hardness = rng.choice((Hardness.MUST,) * 4 + (Hardness.GUARD, Hardness.SHOULD))
    price = rng.choice((None, 1, 2)) if hardness is Hardness.SHOULD else None
    return Asked("r", hardness, rng.randint(1, 2), price)


def _some(rng: Random, vms: int, least: int = 1) -> list[int]:
    return sorted(rng.sample(range(vms), rng.randint(min(least, vms), vms)))


def _sets(rng: Random, vms: int, number: int, prefix: str) -> Sets:
    return Sets.of((f"{prefix}{i}", _some(rng, vms)) for i in range(number))


def _linear(rng: Random, hosts: int, vms: int, racks: list[int]) -> Atom:
    level = rng.choice((0, 0, 0, 1))
    n = hosts if level == 0 else max(racks) + 1
    limit = [rng.randint(2, 8) if rng.random() < 0.9 else UNLIMITED for _ in range(n)]
    return Linear(
        asked=_asked(rng),
        resource="x",
        level=level,
        amount=np.array([rng.randint(0, 4) for _ in range(vms)], np.int64),
        limit=np.array(limit, np.int64),
        unit=np.array([rng.randint(2, 9) for _ in range(n)], np.int64),
        base=np.array([rng.choice((0, 0, 1)) for _ in range(n)], np.int64),
        union=rng.random() < 0.15,
    )


def _at_most(rng: Random, hosts: int, vms: int, racks: list[int]) -> Atom:
    sets = _sets(rng, vms, rng.randint(1, 2), "g")
    return AtMost(
        _asked(rng), rng.randint(0, 1), sets, np.array([rng.randint(1, 2) for _ in range(len(sets))], np.int64)
    )


def _apart(rng: Random, hosts: int, vms: int, racks: list[int]) -> Atom:
    return Apart(_asked(rng), rng.randint(0, 1), _sets(rng, vms, 1, "a"), _sets(rng, vms, 1, "b"))


def _at_least(rng: Random, hosts: int, vms: int, racks: list[int]) -> Atom:
    return AtLeast(_asked(rng), rng.randint(0, 1), _sets(rng, vms, 1, "s"), np.array([rng.randint(1, 3)], np.int64))


def _same(rng: Random, hosts: int, vms: int, racks: list[int]) -> Atom:
    return Same(_asked(rng), rng.randint(0, 1), _sets(rng, vms, 1, "t"))


def _needs(rng: Random, hosts: int, vms: int, racks: list[int]) -> Atom:
    return Needs(_asked(rng), rng.randint(0, 1), _sets(rng, vms, 1, "a"), _sets(rng, vms, 1, "b"))


def _mask(rng: Random, n: int, chance: float) -> Any:
    return np.array([rng.random() < chance for _ in range(n)], np.bool_)


def _leave(rng: Random, hosts: int, vms: int, racks: list[int]) -> Atom:
    return Leave(_asked(rng), np.array(_some(rng, vms), np.int32), _mask(rng, hosts, 0.3))


def _enter(rng: Random, hosts: int, vms: int, racks: list[int]) -> Atom:
    return Enter("e", np.array(_some(rng, vms), np.int32) if rng.random() < 0.5 else None, _mask(rng, hosts, 0.8))


def _fixed(rng: Random, hosts: int, vms: int, racks: list[int]) -> Atom:
    return Fixed("f", np.array([rng.randrange(vms)], np.int32), "it stays")


def _flow(rng: Random, hosts: int, vms: int, racks: list[int]) -> Atom:
    return Flow(
        rule="b",
        subject="all",
        vms=_mask(rng, vms, 0.7) if rng.random() < 0.3 else None,
        sources=_mask(rng, hosts, 0.7) if rng.random() < 0.3 else None,
        targets=_mask(rng, hosts, 0.7) if rng.random() < 0.3 else None,
        cost=np.array([rng.randint(0, 2) for _ in range(vms)], np.int64),
        limit=rng.randint(0, 5),
    )


_HARMING: dict[str, Callable[[Random, int, int, list[int]], Atom]] = {
    "linear": _linear,
    "at_most": _at_most,
    "apart": _apart,
    "at_least": _at_least,
    "same": _same,
    "needs": _needs,
    "leave": _leave,
}
_ATOMS = {**_HARMING, "enter": _enter, "fixed": _fixed, "flow": _flow}
_AT_THE_END = ("same", "leave")

KINDS = tuple(_ATOMS)
"""Every kind of atom: what tests draw from that are about all there is."""

HARMING = tuple(_HARMING)
"""The kinds that have an excess."""

ON_THE_WAY = tuple(kind for kind in HARMING if kind not in _AT_THE_END)
"""The kinds whose excess depends on what is in flight."""

MOVING = tuple(kind for kind in KINDS if kind != "fixed")
"""The kinds beside which VMs move."""
