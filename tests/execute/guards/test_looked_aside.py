"""What is in flight is looked at while a gate or a hook is waited for, and what ends meanwhile is written down."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.concurrency import Concurrency
from optimizer.execute.apply import apply, settings_of
from optimizer.execute.caps import Caps
from optimizer.execute.drivers import MoveRefused
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.drivers.world import World
from optimizer.execute.guards.guards import Guards
from optimizer.execute.ledger import open_ledger
from optimizer.policy import Policy
from tests.execute.plans import line_fleet, move, plan_of
from tests.execute.simulation.simulate import without_admission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from optimizer.execute.drivers import JobReading, Request
    from optimizer.execute.ledger import Ledger

FLEET = line_fleet()
HANGS_S = 300
FIRST, IN_FLIGHT = "m0001", ("accepted", "preparing", "copying")


class Slow:
    """Gates, and hooks, that answer after minutes; `seen`: how the first move stood in the ledger, second by second."""

    def __init__(self, driver: SimulatedDriver, ledger: Ledger, when: str) -> None:
        self._driver, self._ledger, self._when = driver, ledger, when
        self.seen: list[str] = []

    def ask(self, *asked: Any) -> Sequence[str]:
        if self._first() in IN_FLIGHT:
            self._hang("gate", asked[-1])
        return ()

    def before(self, values: Mapping[str, str], meanwhile: Callable[[], None]) -> str:
        self._hang(f"before {values['move']}", meanwhile)
        return ""

    def after(self, moves: Sequence[Mapping[str, str]], meanwhile: Callable[[], None]) -> list[tuple[str, str]]:
        for values in moves:
            self._hang(f"after {values['move']}", meanwhile)
        return []

    def _hang(self, which: str, meanwhile: Callable[[], None]) -> None:
        for _ in range(HANGS_S if which == self._when else 0):
            self._driver.clock.sleep(1.0)
            meanwhile()
            self.seen.append(self._first())

    def _first(self) -> str:
        moves = self._ledger.moves("tiny", "plan-1")
        return next((m.flying.state.value for m in moves if m.flying.key.move == FIRST), "")


@pytest.mark.parametrize("when", ["gate", "before m0002", "after m0002"])
def test_what_ends_while_a_guard_is_waited_for_is_written_down(when: str, tmp_path: Path) -> None:
    """The first move takes a minute, the second ends sooner, and then the gates are due."""
    long, *others = (move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}") for n in range(3))
    plan = plan_of(FLEET, replace(long, seconds=60.0), *(replace(m, seconds=5.0) for m in others))
    policy = Policy("slow", (), concurrency=Concurrency(2, per_domain={}))
    driver = SimulatedDriver(FLEET)
    with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger, without_admission():
        slow = Slow(driver, ledger, when)
        guards = Guards(slow if when == "gate" else None, None if when == "gate" else slow)
        settings = replace(settings_of(policy, Caps(FLEET, policy.concurrency), driver, guards), canary=0, gate_every=1)
        applied = apply(FLEET, policy, plan, driver, ledger, act=True, guards=guards, settings=settings)
    assert applied.done and not applied.stopped
    assert len(slow.seen) == HANGS_S
    assert slow.seen[0] in IN_FLIGHT
    assert slow.seen[-1] == "done"


class Refusing(SimulatedDriver):
    """Refuses the second move for good, so that its end is an answer."""

    def submit(self, request: Request) -> str:
        if request.move == "m0002":
            raise MoveRefused("no")
        return super().submit(request)


@pytest.mark.parametrize("apart", [False, True])
def test_hooks_after_moves_wait_until_every_answer_is_taken_in(apart: bool, tmp_path: Path) -> None:
    """The core that looks aside knows all that the ledger does: who was refused, who was told to copy."""
    moves = [replace(move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}"), seconds=20.0) for n in range(4)]
    concurrency = Concurrency(1 if apart else 2, per_domain={})
    policy, caps = Policy("slow", (), concurrency=concurrency), Caps(FLEET, concurrency, apart=apart)
    world = World(FLEET, preparing_s=5 if apart else 0)
    driver = (SimulatedDriver if apart else Refusing)(FLEET, world=world, holds_back=apart)
    with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger, without_admission():
        guards = Guards(None, Always(driver, after_s=40))
        settings = replace(settings_of(policy, caps, driver, guards), canary=0, apart=apart, breaker_hosts=9)
        settings = replace(settings, breaker_share=1.1)
        applied = apply(
            FLEET, policy, plan_of(FLEET, *moves), driver, ledger, act=True, guards=guards, settings=settings
        )
    assert (len(applied.done), len(applied.failed)) == ((4, 0) if apart else (3, 1))
    assert not applied.stopped


class Always:
    """Hooks that take their time: so long before a move, so long after each."""

    def __init__(self, driver: SimulatedDriver, *, before_s: int = 0, after_s: int = 0) -> None:
        self._driver, self._before_s, self._after_s = driver, before_s, after_s

    def before(self, _: Mapping[str, str], meanwhile: Callable[[], None]) -> str:
        self._linger(self._before_s, meanwhile)
        return ""

    def after(self, moves: Sequence[Mapping[str, str]], meanwhile: Callable[[], None]) -> list[tuple[str, str]]:
        self._linger(self._after_s * len(moves), meanwhile)
        return []

    def _linger(self, seconds: int, meanwhile: Callable[[], None]) -> None:
        for _ in range(seconds):
            self._driver.clock.sleep(1.0)
            meanwhile()


class Watched(SimulatedDriver):
    """Writes down when jobs are looked at."""

    def __init__(self) -> None:
        super().__init__(FLEET)
        self.looks: list[float] = []

    def observe(self, request: Request) -> JobReading | None:
        self.looks.append(self.clock.monotonic())
        return super().observe(request)


def test_moves_of_many_hours_are_looked_at_as_seldom_while_a_hook_is_waited_for(tmp_path: Path) -> None:
    moves = [replace(move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}"), seconds=60_000.0) for n in range(2)]
    policy, driver = Policy("slow", (), concurrency=Concurrency(2, per_domain={})), Watched()
    with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger, without_admission():
        guards = Guards(None, Always(driver, before_s=HANGS_S))
        settings = replace(settings_of(policy, Caps(FLEET, policy.concurrency), driver, guards), canary=0)
        settings = replace(settings, least_timeout_s=1e6, stall_s=1e6)
        began = driver.clock.monotonic()
        applied = apply(
            FLEET, policy, plan_of(FLEET, *moves), driver, ledger, act=True, guards=guards, settings=settings
        )
    assert len(applied.done) == 2
    second_hook = [at - began - HANGS_S for at in driver.looks if HANGS_S < at - began < 2 * HANGS_S]
    assert len(second_hook) == HANGS_S / 60 - 1, second_hook
