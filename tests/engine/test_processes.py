"""Processes of this machine: answers in order, a worker that is killed, a function that fails, and stopping."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from optimizer.engine import TRIES, LocalEngine
from optimizer.engine.processes import Processes
from optimizer.errors import EngineError
from tests.engine.tasks import Always, Never, There, die, fail, shout, wait_for_stop

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [b"one", b"two", b"three", b"four"]


@pytest.mark.slow
def test_answers_come_in_the_order_of_the_tasks_and_say_who_gave_them() -> None:
    here, there = LocalEngine().map(shout, WORDS, Never()), Processes(2).map(shout, WORDS, Never())
    assert [d.result for d in here if d] == [d.result for d in there if d] == [w.upper() for w in WORDS]
    assert len({d.worker for d in here if d}) == 1
    assert {d.worker for d in there if d}.isdisjoint(d.worker for d in here if d)
    assert all(d.tries == 1 for d in there if d)


@pytest.mark.slow
def test_a_process_that_always_dies_ends_in_an_error_that_says_what_to_do() -> None:
    with pytest.raises(EngineError, match=rf"part 1 of 1: .* died {TRIES} times .*exit code -9.*: ask for more parts"):
        Processes(2).map(die, [b"x"], Never())


def test_a_function_that_fails_is_an_error_with_its_trace() -> None:
    with pytest.raises(EngineError, match=r"(?s)part 1 of 1 failed .*Traceback.*no tea today"):
        Processes(1).map(fail, [b"tea"], Never())


@pytest.mark.slow
def test_those_that_are_told_to_stop_hand_in_what_they_have_and_nothing_more_is_begun(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    done = Processes(1).map(partial(wait_for_stop, str(begun)), WORDS, There(begun))
    assert [d and d.result for d in done] == [b"one", None, None, None]
    assert LocalEngine().map(shout, WORDS, Always()) == [None] * 4


@pytest.mark.slow
def test_no_process_outlives_the_call() -> None:
    import multiprocessing

    Processes(2).map(shout, WORDS, Never())
    assert multiprocessing.active_children() == []
