"""The fewest domains that a set holds while its VMs travel: against trying every choice of ends."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np

from constraints.groups import fewest_held
from optimizer.fleet import Move, State
from tests.build import fleet, host, vm


def test_against_every_choice() -> None:
    rng = Random(1)
    for _ in range(300):
        hosts, vms = rng.randint(2, 6), rng.randint(1, 7)
        at = [rng.randrange(hosts) for _ in range(vms)]
        snapshot = fleet(
            [host(f"h{h}", memory=99) for h in range(hosts)], [vm(f"v{v}", f"h{at[v]}", memory=1) for v in range(vms)]
        )
        moves = [Move(v, at[v], rng.choice([h for h in range(hosts) if h != at[v]])) for v in range(vms)]
        flying = [m for m in moves if rng.random() < 0.8]
        state = State.start(snapshot).begin(flying)
        ends = [(m.source, m.target) for m in flying] + [(at[m.vm],) for m in moves if m not in flying]
        fewest = min(len(set(choice)) for choice in product(*ends))
        assert fewest_held(state, 0, np.arange(vms, dtype=np.int32)) == fewest


def test_many_on_their_way_at_once() -> None:
    """Thirty pairs of hosts without a common end: all choices of ends would be a billion."""
    snapshot = fleet([host(f"h{h}", memory=99) for h in range(60)], [vm(f"v{v}", f"h{v}", memory=1) for v in range(30)])
    state = State.start(snapshot).begin([Move(v, v, v + 30) for v in range(30)])
    assert fewest_held(state, 0, np.arange(30, dtype=np.int32)) == 30
