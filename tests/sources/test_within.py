"""Calls in threads of their own: what fails is raised, and who waits for what."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from optimizer.sources.within import each, each_to_its_end


def test_answers_are_in_the_order_of_the_calls() -> None:
    first = threading.Event()

    def late() -> int:
        assert first.wait(10)
        return 1

    def soon() -> int:
        first.set()
        return 2

    assert each([late, soon], 2, "test") == [1, 2]


def test_the_first_that_fails_is_raised_and_nothing_is_waited_for() -> None:
    never = threading.Event()

    def fails() -> bool:
        raise ValueError("second")

    with pytest.raises(ValueError, match="second"):
        each([never.wait, fails], 2, "test")
    never.set()


def test_to_its_end_the_first_in_order_is_raised_once_none_is_under_way() -> None:
    """Readings are made again each second: those of hosts that hang must not pile up beside one that fails at once."""
    failed, under_way = threading.Event(), [0]

    def hangs() -> None:
        under_way[0] += 1
        assert failed.wait(10)
        under_way[0] -= 1
        raise ValueError("first")

    def fails() -> None:
        failed.set()
        raise ValueError("second")

    for _ in range(5):
        failed.clear()
        with pytest.raises(ValueError, match="first"):
            each_to_its_end([hangs, fails], 2, "test")
        assert under_way == [0]


HANGS = """
import signal, threading
from optimizer.sources.within import each_to_its_end
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
never = threading.Event()
def hangs():
    print("asked", flush=True)
    never.wait()
each_to_its_end([hangs, hangs], 2, "test")
"""


def test_an_interrupted_process_does_not_wait_for_those_that_hang() -> None:
    with subprocess.Popen([sys.executable, "-c", HANGS], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(2)] == [b"asked"] * 2
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert b"KeyboardInterrupt" in said
