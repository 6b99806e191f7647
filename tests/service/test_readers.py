"""A reading that hangs: it is left behind at its deadline, and none is started beside it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from optimizer.clock import SystemClock
from optimizer.errors import SafetyStop
from optimizer.service.ending import Ended, Ending
from optimizer.service.readers import StageLate, WithDeadline
from optimizer.service.roles import Reading
from tests.service.test_cycle import at_ease

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_it_is_left_behind_and_none_is_started_beside_it(let_go: threading.Event) -> None:
    begun: list[int] = []

    def hang() -> Reading:
        begun.append(1)
        let_go.wait(10)
        return Reading(at_ease())

    read = WithDeadline(hang, 0.05, Ending(SystemClock()))
    with pytest.raises(StageLate, match=r"the fleet was not read within 0\.05 s") as late:
        read()
    assert not isinstance(late.value, SafetyStop)  # nothing was stopped: the cycle failed
    with pytest.raises(StageLate, match="has not ended yet"):
        read()
    assert begun == [1]
    let_go.set()
    read._aside._behind.join(5)  # type: ignore[union-attr]
    assert read().fleet.id == "tiny"


def test_a_service_that_ends_waits_for_none(let_go: threading.Event) -> None:
    def hang() -> Reading:
        let_go.wait(10)
        return Reading(at_ease())

    ending = Ending(SystemClock())
    ending.ask("SIGTERM")
    with pytest.raises(Ended):
        WithDeadline(hang, 5.0, ending)()
