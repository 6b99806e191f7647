"""Pairs of hosts judged all at once, against judging them one by one, on random packings."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.whatif.pairs import Part, clashes, go_together

HOSTS, RESOURCES = 12, 3


def parts(rng: np.random.Generator) -> dict[int, Part]:
    found = {}
    for host in range(HOSTS):
        if rng.random() < 0.2:
            continue
        to = rng.choice([h for h in range(HOSTS) if h != host], size=rng.integers(0, 4), replace=False)
        gets = {int(h): rng.integers(0, 5, RESOURCES) for h in to}
        meets = frozenset((0, int(g), int(rng.integers(0, 3))) for g in rng.choice(6, size=rng.integers(0, 3)))
        found[host] = Part(host, (), gets, meets, 0)
    return found


@pytest.mark.parametrize("seed", range(30))
def test_all_pairs_at_once_say_what_each_pair_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = parts(rng), parts(rng)
    left = rng.integers(-2, 9, (RESOURCES, HOSTS))
    clash = clashes(first, second, left)
    alone = [{h for h, one in some.items() if go_together([one], left)} for some in (first, second)]
    for a in range(HOSTS):
        for b in range(HOSTS):
            if a not in first or b not in second:
                assert clash[a, b]
            elif a != b and a in alone[0] and b in alone[1]:
                assert clash[a, b] == (not go_together([first[a], second[b]], left)), (seed, a, b)
    assert clash.any() and not clash.all()
