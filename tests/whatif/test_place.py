"""`whatif place` against every placement there is, on random fleets with every rule."""

from __future__ import annotations

from itertools import product

import pytest

from optimizer.clock import SystemClock
from optimizer.fleet import with_copies
from optimizer.whatif.effort import Effort
from optimizer.whatif.judge import made_worse
from optimizer.whatif.place import place
from tests.whatif.brute_force import holds
from tests.whatif.requests import Asked, asked


def most_placed(case: Asked, counts: tuple[int, ...]) -> int:
    """Return how many of the VMs can have a host together, by trying everything."""
    larger, copies = with_copies(case.fleet, dict(zip(case.vms, counts, strict=True)))
    vms = [v for kind in case.vms for v in copies[kind].tolist()]
    nowhere = -1
    best = 0
    for at in product((nowhere, *range(len(case.fleet.hosts))), repeat=len(vms)):
        pairs = [(v, h) for v, h in zip(vms, at, strict=True) if h != nowhere]
        if len(pairs) > best and holds(larger, case.policy.judges, pairs):
            best = len(pairs)
    return best


@pytest.mark.parametrize("chunk", [0, *(pytest.param(c, marks=pytest.mark.rotating) for c in range(1, 65))])
def test_as_many_are_placed_as_trying_everything_finds(chunk: int) -> None:
    seen = set()
    for number in range(chunk * 8, (chunk + 1) * 8):
        case = asked(number, entries=2)
        counts = (1 + number % 2, 1)
        clock = SystemClock()
        found = place(
            case.fleet, case.policy, list(zip(case.vms, counts, strict=True)), Effort(clock, clock.monotonic() + 60, 1)
        )
        expected = most_placed(case, counts)
        assert (len(found.created), found.bound) == (expected, expected), f"request {number}"
        assert made_worse(found.fleet, case.policy.judges, found.created) == []
        seen.add(expected)
    assert chunk or len(seen) > 1
