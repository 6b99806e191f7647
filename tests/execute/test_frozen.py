"""Another of a frozen record: as the standard library makes it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest

from optimizer.execute.core.model import Flight, Pace
from optimizer.execute.frozen import replace
from optimizer.execute.ledger.records import Key
from optimizer.execute.states import MoveState

FLIGHT = Flight(Key("plan", "m1"), "v0", "h0", "h1", 100, 1, MoveState.COPYING, 5.0, job="job-1")


def test_it_is_as_the_standard_library_makes_it() -> None:
    for changes in ({}, {"state": MoveState.DONE}, {"left_mib": 3.5, "aborts": 2}):
        assert replace(FLIGHT, **changes) == dataclasses.replace(FLIGHT, **changes)
    assert FLIGHT.left_mib is None, "the old one stays as it was"
    assert replace(Pace(3), limit=4).limit == 4


def test_a_field_that_there_is_not_is_an_error() -> None:
    with pytest.raises(TypeError, match="Flight has no field lefft_mib"):
        replace(FLIGHT, lefft_mib=3.5)  # type: ignore[call-arg]


def test_records_without_slots_or_with_checks_are_refused() -> None:
    @dataclass(frozen=True)
    class Loose:
        number: int = 0

    @dataclass(frozen=True, slots=True)
    class Checked:
        number: int = 0

        def __post_init__(self) -> None:
            assert self.number >= 0

    for record in (Loose(), Checked()):
        with pytest.raises(TypeError, match="has to have slots"):
            replace(record, number=1)
