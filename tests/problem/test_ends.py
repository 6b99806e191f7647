"""VMs that may turn out to be in any of several domains, beside all combinations."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from optimizer.problem.ends import fewest_domains, most_lone


def some(rng: Random, domains: int, most: int) -> list[frozenset[int]]:
    return [frozenset(rng.sample(range(domains), rng.randint(1, min(3, domains)))) for _ in range(rng.randint(0, most))]


def test_as_all_combinations_have_it() -> None:
    for seed in range(3000):
        rng = Random(seed)
        domains = rng.randint(1, 6)
        left = {d: rng.randint(1, 3) for d in range(domains) if rng.random() < 0.6}
        right = {d for d in range(domains) if rng.random() < 0.3}
        mine, theirs = some(rng, domains, 3), some(rng, domains, 3)
        fewest = min(len(right.union(at)) for at in product(*mine, *theirs))
        assert fewest_domains(right, [*mine, *theirs]) == fewest, seed
        most = 0
        for at in product(*theirs):
            held = right.union(at)
            most = max(most, sum(n for d, n in left.items() if d not in held) + sum(not f <= held for f in mine))
        assert most_lone(left, right, mine, theirs) == most, seed


def test_hundreds_that_share_nothing_take_no_time() -> None:
    pairs = [frozenset((i, 1000 + i)) for i in range(800)]
    assert fewest_domains(set(), pairs) == 800
    assert most_lone({1000 + i: 1 for i in range(800)}, set(), (), pairs) == 800


@pytest.mark.slow
def test_a_chain_of_hundreds_is_no_search() -> None:
    chain = [frozenset((i, i + 1)) for i in range(1500)]
    assert fewest_domains(set(), chain) == 750
    assert most_lone(dict.fromkeys(range(1501), 1), set(), (), chain) == 751
    numbers = Random(1).sample(range(1501), 1501)
    assert most_lone(dict.fromkeys(range(1501), 1), set(), (), [frozenset(numbers[d] for d in f) for f in chain]) == 751


def test_a_ring_whose_vms_of_the_left_float_as_well_is_no_search() -> None:
    ring = [frozenset((i, (i + 1) % 200)) for i in range(200)]
    assert most_lone(dict.fromkeys(range(200), 1), set(), ring, ring) == 300  # all that float lack one of their ends
