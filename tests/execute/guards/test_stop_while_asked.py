"""A stop takes effect while a gate or a hook does not answer, long before its deadline."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from optimizer.concurrency import Concurrency
from optimizer.execute.apply import apply, settings_of
from optimizer.execute.caps import Caps
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.guards.guards import open_guards
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.records import Order
from optimizer.execution import Execution, Gate, Gates, Hook, Hooks
from optimizer.policy import Policy
from tests.execute.agents.running import until
from tests.execute.plans import line_fleet, move, plan_of
from tests.execute.simulation.simulate import without_admission

if TYPE_CHECKING:
    from pathlib import Path

FLEET = line_fleet()


def asking(kind: str, asked: Path) -> Execution:
    """Return a gate or a hook that says when it is asked, and hangs."""
    hangs = ("sh", "-c", 'touch "$0"; exec sleep 50', str(asked))
    if kind == "gate":
        return Execution(gates=Gates(ask=(Gate("slow", 45.0, command=hangs),)))
    return Execution(hooks=Hooks(before=(Hook(hangs, 45.0),)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gate", "hook"])
def test_a_stop_does_not_wait_for_what_does_not_answer(kind: str, tmp_path: Path) -> None:
    policy = Policy("slow", (), concurrency=Concurrency(2, per_domain={}), execution=asking(kind, tmp_path / "asked"))
    plan = plan_of(FLEET, *(move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}") for n in range(3)))
    driver, path = SimulatedDriver(FLEET), str(tmp_path / "ledger.sqlite")
    guards = open_guards(policy, os.environ)
    settings = replace(settings_of(policy, Caps(FLEET, policy.concurrency), driver, guards), canary=1)

    def press() -> None:
        until(lambda: (tmp_path / "asked").exists(), 30)
        with open_ledger(path) as other:
            other.controls.set("tiny", "stop", "", Order("me", "why"), driver.clock.now())

    thread, began = threading.Thread(target=press), time.monotonic()
    with open_ledger(path) as ledger, without_admission():
        thread.start()
        applied = apply(FLEET, policy, plan, driver, ledger, act=True, guards=guards, settings=settings)
        thread.join()
    assert applied.stopped == "stopped by me: why"
    assert len(applied.done) == (1 if kind == "gate" else 0)
    assert time.monotonic() - began < 40
