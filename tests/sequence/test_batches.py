"""Batches: every move once, in order, within the limits, the longest chains first."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from optimizer.concurrency import Concurrency
from optimizer.fleet import Move
from optimizer.sequence.batches import batches
from optimizer.sequence.order import OrderedMove
from tests.build import fleet, host, vm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet

HOSTS = 8


def snapshot() -> Fleet:
    """Eight hosts, two in each rack, five VMs on each."""
    hosts = [host(f"h{i}", memory=64, rack=f"r{i // 2}") for i in range(HOSTS)]
    return fleet(hosts, [vm(f"v{i}", f"h{i % HOSTS}", memory=1) for i in range(5 * HOSTS)])


def move(number: int, source: int, target: int, after: Sequence[int] = (), vm_: int | None = None) -> OrderedMove:
    return OrderedMove(Move(number if vm_ is None else vm_, source, target), tuple(after), staging=False)


def random_moves(rng: Random, n: int) -> list[OrderedMove]:
    out = []
    for i in range(n):
        source = i % HOSTS
        target = rng.choice([h for h in range(HOSTS) if h != source])
        out.append(move(i, source, target, sorted(p for p in range(i) if rng.random() < 0.08)))
    return out


@pytest.mark.parametrize("seed", range(20))
def test_all_that_is_promised_holds(seed: int) -> None:
    rng = Random(seed)
    moves = random_moves(rng, 40)
    limits = Concurrency(rng.randint(1, 6), rng.randint(1, 2), rng.randint(1, 2), {"rack": rng.randint(1, 3)})
    made = batches(moves, snapshot(), limits)
    at = {m: i for i, batch in enumerate(made) for m in batch}
    assert sorted(m for batch in made for m in batch) == list(range(40))
    assert all(at[p] < at[m] for m in at for p in moves[m].after)
    for batch in made:
        ends = [moves[m].move for m in batch]
        racks = Counter(r for e in ends for r in {e.source // 2, e.target // 2})
        assert len(batch) <= limits.fleet_cap(0)
        assert max(Counter(e.source for e in ends).values()) <= limits.per_source
        assert max(Counter(e.target for e in ends).values()) <= limits.per_target
        assert max(racks.values()) <= limits.per_domain["rack"]
        assert max(Counter(e.vm for e in ends).values()) == 1


def test_the_longest_chain_goes_first() -> None:
    moves = [move(0, 0, 2), move(1, 2, 4), move(2, 4, 6, [1]), move(3, 6, 0, [2])]
    assert batches(moves, snapshot(), Concurrency(fleet=1)) == [[1], [2], [0], [3]]


def test_a_move_within_a_rack_counts_there_once() -> None:
    moves = [move(0, 0, 1), move(1, 2, 3)]
    assert batches(moves, snapshot(), Concurrency(per_domain={"rack": 1})) == [[0, 1]]


def test_a_vm_is_once_in_a_batch() -> None:
    moves = [move(0, 0, 2, vm_=7), move(1, 2, 4, [0], vm_=7)]
    assert batches(moves, snapshot(), Concurrency(fleet=9)) == [[0], [1]]


def test_levels_that_the_fleet_does_not_have_limit_nothing() -> None:
    moves = [move(0, 0, 2), move(1, 4, 6)]
    assert batches(moves, snapshot(), Concurrency(per_domain={"row": 1})) == [[0, 1]]


def test_no_move_no_batch() -> None:
    assert batches([], snapshot(), Concurrency()) == []
