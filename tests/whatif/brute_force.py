"""What-if questions by trying everything: each placement of new VMs, judged by every rule's own `check`.

Of the program, this knows the judge alone (`check` of the rules, states of a fleet); neither atoms nor rooms.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from optimizer.fleet import State
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from optimizer.fleet import Fleet, Move
    from optimizer.problem.rule import Rule


def holds(
    fleet: Fleet,
    rules: Sequence[Rule],
    created: Iterable[tuple[int, int]],
    moves: Sequence[Move] = (),
    after: Sequence[Move] = (),
) -> bool:
    """Whether VMs made on hosts, once moves were made in any order, break nothing and make nothing worse.

    `after`: moves whose order is not judged here.
    """
    start = State.start(fleet)
    states = [start.begin(moves), start.finish([*moves, *after]).create(created)]
    for rule in rules:
        had = {v.instance: v.excess for v in rule.check(start)}
        for state in states if moves else states[1:]:
            if any(v.excess > had.get(v.instance, 0) for v in rule.check(state) if v.hardness is not Hardness.SHOULD):
                return False
    return True


def numbers(hosts: int, vms: int) -> Iterator[tuple[int, ...]]:
    """Yield every way of how many VMs of one kind are on each host, `vms` in all at most."""
    return (each for each in product(range(vms + 1), repeat=hosts) if sum(each) <= vms)


def pairs(vms: Sequence[int], each: Sequence[int]) -> list[tuple[int, int]]:
    """Return (VM, host): as many of the VMs on each host as `each` says."""
    hosts = [h for h, n in enumerate(each) for _ in range(n)]
    return list(zip(vms, hosts, strict=False))


def most(fleet: Fleet, rules: Sequence[Rule], vms: Sequence[int]) -> int:
    """Return how many of the VMs, which are all alike, can be made together."""
    hosts = len(fleet.hosts)
    return max(sum(each) for each in numbers(hosts, len(vms)) if holds(fleet, rules, pairs(vms, each)))
