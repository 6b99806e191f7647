"""`remora stop` at any instant, and leaders that are paused or compete: a share each day, all by `__main__`."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.execute.ledger import ledger
from optimizer.execute.ledger.controls import Controls
from optimizer.execute.ledger.ledger import Ledger
from tests.execute import postgres_server
from tests.execute.crashes.leaders import Schedule
from tests.execute.crashes.places import KINDS, places
from tests.execute.crashes.stops import Stopped, instant
from tests.execute.simulation.simulate import without_admission

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.execute.crashes.places import Places

STOPS, SCHEDULES, CHUNKS = 200, 104, 16


@pytest.fixture(params=KINDS)
def new(request: pytest.FixtureRequest) -> Iterator[Places]:
    if request.param == "postgres" and (why := postgres_server.missing()):
        if os.environ.get("CI") == "true" and "postgres" not in os.environ.get("REMORA_WITHOUT", ""):
            pytest.fail(why)
        pytest.skip(why)
    with without_admission(), places(request.param) as given:
        yield given


@pytest.mark.rotating(shares=16)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_submit_follows_a_stop(new: Places, chunk: int) -> None:
    running = 0
    for seed in range(chunk, STOPS, CHUNKS):
        trial = Stopped(seed, instant(seed, STOPS), new, abort=seed % 16 >= 8)
        assert trial.run() == [], f"stop {seed} of {STOPS}"
        running += trial.was_running
    assert running >= STOPS // CHUNKS // 4


@pytest.mark.rotating(shares=16)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_an_old_leader_has_no_effect(new: Places, chunk: int) -> None:
    taken_over = 0
    for seed in range(chunk, SCHEDULES, CHUNKS):
        schedule = Schedule(seed, new)
        assert schedule.run() == [], f"schedule {seed}"
        taken_over += schedule.taken_over
    assert (
        taken_over
    )  # who was paused where is for the whole run to count: a share is small, and its timing the machine's


@pytest.mark.slow
def test_a_leader_that_does_not_look_at_its_epoch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def leading(self: Any, lead: Any, step: str) -> Iterator[Any]:
        with self._writing(lead.fleet, step) as db:
            yield db

    monkeypatch.setattr(Ledger, "_leading", leading)
    with without_admission(), places("sqlite") as new:
        assert any(Schedule(seed, new).run() for seed in range(20))


@pytest.mark.slow
def test_a_button_that_nobody_looks_at_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "unpressed", lambda *_: None)
    seen = Controls.of  # the loop's own look comes so often that the ledger's would hardly matter

    def unseen(self: Controls, fleet: str) -> dict[str, Any]:
        return {name: control for name, control in seen(self, fleet).items() if name != "stop"}

    monkeypatch.setattr(Controls, "of", unseen)
    with without_admission(), places("sqlite") as new:
        assert any(Stopped(n, instant(n % 10, 10), new, abort=False).run() for n in range(60))
