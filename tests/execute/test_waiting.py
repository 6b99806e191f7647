"""A long wait is cut into pieces, so that the user, the button and the lease are not kept waiting by it."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from optimizer.clock import SimulatedClock, SystemClock, pieces
from optimizer.execute.ledger.postgres import LEASE_S
from optimizer.execute.loop import HEED_S, KEEP_S


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 0.5, 1.0, 2.0, 30.0, 3600.25])
@pytest.mark.parametrize("most", [HEED_S, KEEP_S])
def test_pieces_are_short_and_add_up(seconds: float, most: float) -> None:
    found = list(pieces(SystemClock(), seconds, most))
    assert found
    assert max(found) <= most
    assert math.isclose(sum(found), seconds, abs_tol=1e-9)


def test_simulated_time_is_not_cut() -> None:
    assert list(pieces(SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC)), 1e9, HEED_S)) == [1e9]


def test_a_lease_outlives_what_is_slept_between_two_renewals() -> None:
    assert 2 * KEEP_S < LEASE_S
