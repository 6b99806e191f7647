"""Problems small enough to work out by hand, built from atoms directly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import Asked, Linear, Sets
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Sequence


MUST = Asked("r")
SHOULD = Asked("r", Hardness.SHOULD, weight=3)
PRICED = Asked("r", Hardness.SHOULD, price=2)
GUARD = Asked("r", Hardness.GUARD)


def problem(
    start: Sequence[int],
    atoms: Sequence[Any] = (),
    *,
    hosts: int = 3,
    racks: Sequence[int] | None = None,
    also_at: dict[int, int] | None = None,
    moving: Sequence[int] | None = None,
    stages: Sequence[Stage] = (Stage.HARM, Stage.MOVING, Stage.PLACEMENT),
) -> Problem:
    """VMs v0, v1, ... standing on `start`; levels host and rack (one rack unless given)."""
    also = np.full(len(start), ABSENT, np.int32)
    for vm, host in (also_at or {}).items():
        also[vm] = host
    rack = np.array(racks if racks is not None else [0] * hosts, np.int32)
    return Problem(
        host_ids=tuple(f"h{h}" for h in range(hosts)),
        vm_ids=tuple(f"v{v}" for v in range(len(start))),
        levels=("host", "rack"),
        domain=np.array([np.arange(hosts), rack], np.int32),
        domain_ids=(tuple(f"h{h}" for h in range(hosts)), tuple(f"r{r}" for r in range(int(rack.max()) + 1))),
        start=np.array(start, np.int32),
        also_at=also,
        moving=np.array(moving if moving is not None else [1] * len(start), np.int64),
        atoms=tuple(atoms),
        stages=tuple(stages),
    )


def room(
    amount: Sequence[int],
    limit: Sequence[int],
    *,
    asked: Asked = MUST,
    level: int = 0,
    unit: int = 10,
    base: Sequence[int] | None = None,
    union: bool = False,
) -> Linear:
    """Sum of amounts in each domain <= limit."""
    return Linear(
        asked=asked,
        resource="memory_mib",
        level=level,
        amount=np.array(amount, np.int64),
        limit=np.array(limit, np.int64),
        unit=np.full(len(limit), unit, np.int64),
        base=np.array(base if base is not None else [0] * len(limit), np.int64),
        union=union,
    )


def sets(*members: Sequence[int], name: str = "g") -> Sets:
    return Sets.of((f"{name}{i}", vms) for i, vms in enumerate(members))
