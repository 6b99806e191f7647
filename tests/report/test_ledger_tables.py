"""What the ledger remembers fits 80 columns, a line a row beside its texts, and says what was simulated."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from optimizer.execute.ledger.records import EventRecord, FlyingMove, MoveRecord, Run, is_simulated, recorded_driver
from optimizer.execute.ledger.watch_records import Cycle, Imbalance
from optimizer.execute.states import Failure, MoveState, RunState
from optimizer.report.cycles_page import cycles_page
from optimizer.report.imbalances_page import imbalances_page
from optimizer.report.ledger_page import Status, events_page, moves_page, runs_page, status_page
from optimizer.report.page import Table
from optimizer.report.render import plain_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.report.page import Page

WIDTH = 80
AT = datetime(2026, 11, 21, 12, 0, 7, tzinfo=UTC)
PLAN = "plan-ceda520ba77b1a68"
WHY = "compute-017: disk 380 GiB of 340 GiB safe (95.0 % of capacity): over by 40 GiB; migrate that much away"


def run(driver: str = "simulated", plan: str = PLAN) -> Run:
    took = timedelta(minutes=12, seconds=31)
    who = ("remora run on compute-001.example.net", "periodic run", "ann (page)")
    return Run("nyc3", plan, RunState.SUPERSEDED, "d", "p", driver, 1234, *who, 7, AT, AT + took)


def cycle(trigger: str = "imbalance", fleet: str = "nyc3") -> Cycle:
    counts = {"violations": 1234.0, "moves": 120.0, "done": 118.0}
    return Cycle(fleet, 12345, trigger, "me", AT, AT + timedelta(seconds=75), "proposed", PLAN, counts, WHY, 7)


def flying(move: str = "m0001") -> FlyingMove:
    return FlyingMove(PLAN, move, "instance-0001e06e", "compute-017", "compute-018", MoveState.FAILED, 300_000)


PAGES: dict[str, Callable[[], Page]] = {
    "cycles": lambda: cycles_page([cycle(), cycle("time")]),
    "imbalances": lambda: imbalances_page(
        [Imbalance("nyc3", "imb-3fcb66b3ece8", "anti_affinity", "web-frontend on rack-7", "", "closing", AT, AT, None,
                   AT, AT + timedelta(hours=30), {"why": WHY})]
    ),
    "runs": lambda: runs_page([run(), run("libvirt", "plan-0000000000000001")]),
    "moves": lambda: moves_page(run(), [MoveRecord(flying(), Failure.TEMPORARY, WHY, AT)]),
    "events": lambda: events_page(
        [EventRecord("nyc3", 123_456, "2026-11-21T12:00:07.123456Z", PLAN, "m0001", "submitting", WHY, "me", 7, "h")]
    ),
    "status": lambda: status_page([Status("nyc3", run(), {"done": 3}, (flying(),), None, None)]),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_it_fits(name: str) -> None:
    lines = list(plain_lines(PAGES[name](), WIDTH))
    assert max(map(len, lines)) <= WIDTH, "\n".join(lines)
    assert not [line for line in lines if line.startswith("    ") and ": " not in line and "  " in line.strip()], (
        "a second line of columns:\n" + "\n".join(lines)
    )
    assert "compute-017: disk 380 GiB" in "\n".join(lines) or name in ("runs", "status")


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_lost_where_there_is_room(name: str) -> None:
    page, wide = PAGES[name](), list(plain_lines(PAGES[name](), 400))
    for block in page.blocks:
        for row in getattr(block, "rows", ()):
            assert all(cell in "\n".join(wide) for cell in row)


def test_what_was_simulated_is_said() -> None:
    text = {name: "\n".join(plain_lines(PAGES[name](), WIDTH)) for name in PAGES}
    assert "SIMULATED: no VM was migrated in 1 run of these" in text["runs"]
    assert "nyc3: SIMULATED: no VM was migrated" in text["status"]
    assert "SIMULATED: no VM was migrated" in text["moves"]
    real = runs_page([run("libvirt")]), status_page([Status("nyc3", run("libvirt"), {}, (), None, None)])
    assert not any("SIMULATED" in line for page in real for line in plain_lines(page, WIDTH))


@pytest.mark.parametrize(
    ("counts", "shown"),
    [({"moves": 2.0, "done": 1.0}, "1 of 2"), ({"moves": 2.0}, "2"), ({"done": 7.0}, "7"), ({}, "")],
)
def test_the_moves_of_a_cycle_are_those_planned_and_those_done(counts: dict[str, float], shown: str) -> None:
    """A cycle of an older ledger that carried out a plan that had waited knows only what was done."""
    (table,) = [b for b in cycles_page([replace(cycle(), counts=counts)]).blocks if isinstance(b, Table)]
    assert table.rows[0][[h.lstrip("<>?~") for h in table.headers].index("moves")] == shown


def test_fleets_stand_there_where_there_are_several() -> None:
    assert "sfo1" not in "".join(plain_lines(cycles_page([cycle(fleet="sfo1")]), WIDTH))
    assert "sfo1" in "".join(plain_lines(cycles_page([cycle(), cycle(fleet="sfo1")]), WIDTH))


@pytest.mark.parametrize(("name", "simulated"), [("simulated", True), ("agents", True), ("agents", False), ("", True)])
def test_the_ledger_knows_whether_a_driver_moved_anything(name: str, simulated: bool) -> None:
    assert is_simulated(recorded_driver(name, simulated=simulated)) is simulated
