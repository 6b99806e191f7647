"""Prices for VMs of which nothing is known: against looking at every VM that is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from optimizer.repair.spread_prices import spread


@pytest.mark.parametrize("seed", range(50))
def test_prices_are_those_of_the_dearest_that_is_no_larger_and_may_go_as_far(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    amount, kind = rng.integers(0, 6, (n, 2)), rng.integers(0, 3, n)
    known = rng.permutation(n)[: int(rng.integers(0, n + 1))]
    price = np.asarray(rng.integers(0, 5, len(known)) * 0.5, np.float64)
    hosts: Any = SimpleNamespace(amount=amount, fixed=SimpleNamespace(kind=kind))
    found = spread(hosts, known, price)
    assert (found[known] == price).all()
    for at in np.setdiff1d(np.arange(n), known).tolist():
        smaller = (amount[known] <= amount[at]).all(axis=1) & (kind[known] == kind[at])
        assert found[at] == pytest.approx(price[smaller].max(initial=0.0))
