from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.problem.rounding import capacity_limit, demand_milli, harm, limit_milli, share_of

amounts = st.integers(0, 10**12)


@pytest.mark.parametrize(
    ("physical", "reserved", "overcommit", "limit"),
    [
        (64_000, 0, 1_600_000, 102_400),
        (131_072, 4_096, 1_000_000, 126_976),
        (7, 0, 1_500_000, 10),  # 10.5 is rounded down
        (10, 3, 333_333, 2),  # 2.333331 is rounded down
        (10, 12, 8_000_000, 0),  # reserved beyond what there is: nothing to sell, never a negative limit
        (10**12, 0, 999_999_999, 999_999_999 * 10**6),  # no float on the way
    ],
)
def test_capacity_is_rounded_down(physical: int, reserved: int, overcommit: int, limit: int) -> None:
    assert capacity_limit(physical, reserved, overcommit) == limit


@pytest.mark.parametrize(
    ("excess", "unit", "weight", "expected"),
    [(0, 7, 3, 0), (1, 1000, 1, 1), (1, 1001, 1, 1), (1, 999, 1, 2), (3, 1, 5, 15_000), (10**12, 1, 1000, 10**18)],
)
def test_harm_is_rounded_up_before_it_is_weighed(excess: int, unit: int, weight: int, expected: int) -> None:
    assert harm(excess, unit, weight) == expected


@given(excess=amounts, unit=st.integers(1, 10**12), weight=st.integers(1, 1000))
@settings(derandomize=True, deadline=None)
def test_harm_is_the_least_integer_that_is_not_below(excess: int, unit: int, weight: int) -> None:
    exact = Fraction(1000 * excess, unit)
    assert harm(excess, unit, weight) % weight == 0
    assert exact <= harm(excess, unit, weight) // weight < exact + 1


@given(amount=amounts, per_mille=st.integers(0, 1000))
@settings(derandomize=True, deadline=None)
def test_a_share_is_read_as_the_decimal_that_it_prints_as(amount: int, per_mille: int) -> None:
    assert share_of(amount, per_mille / 1000) == amount * per_mille // 1000


def test_a_share_does_not_suffer_from_binary_fractions() -> None:
    assert share_of(10, 0.7) == 7  # 0.7 in binary is a little less, and would floor to 6
    assert share_of(100, 0.29) == 29
    assert share_of(3, Fraction(1, 3)) == 1


@pytest.mark.parametrize(
    ("value", "demanded", "allowed"),
    [(0.0, 0, 0), (0.3, 300, 300), (0.0001, 1, 0), (0.9999, 1000, 999), (0.1 + 0.2, 301, 300)],
)
def test_what_is_measured_goes_up_and_what_is_allowed_goes_down(value: float, demanded: int, allowed: int) -> None:
    assert demand_milli(value) == demanded
    assert limit_milli(value) == allowed
