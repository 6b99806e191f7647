from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import AlreadyApplied, InputError, SafetyStop
from optimizer.execute.ledger import IllegalTransition, Ledger, MoveState, RebalanceState
from tests.execute.plans import line_fleet, move, plan_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from optimizer.execute.ledger import FlyingMove

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLEET = line_fleet()
PLAN = plan_of(FLEET, move(FLEET, 1, "v0", "h0", "h8"), move(FLEET, 2, "v1", "h1", "h9"))
FIRST, SECOND = PLAN.moves


def free(_: Sequence[FlyingMove]) -> None:
    """Let any move start."""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.sqlite")


@pytest.fixture
def ledger(path: str) -> Iterator[Ledger]:
    with Ledger.create_or_open(path) as opened:
        yield opened


def test_a_move_passes_through_its_states_and_all_are_kept(ledger: Ledger) -> None:
    ledger.begin(PLAN, NOW)
    assert ledger.intend(PLAN, FIRST, NOW, free) is None
    ledger.record(PLAN, FIRST, MoveState.SUBMITTED, NOW)
    assert [f.vm for f in ledger.in_flight("tiny")] == ["v0"]
    ledger.record(PLAN, FIRST, MoveState.DONE, NOW)
    ledger.record(PLAN, SECOND, MoveState.SKIPPED, NOW, "because")
    ledger.end(PLAN, RebalanceState.FAILED, NOW)
    assert ledger.in_flight("tiny") == ()
    assert ledger.states("tiny", PLAN.id) == {"m0001": MoveState.DONE, "m0002": MoveState.SKIPPED}
    assert ledger.events("tiny", PLAN.id) == (
        (None, "running"),
        ("m0001", "intended"),
        ("m0001", "submitted"),
        ("m0001", "done"),
        ("m0002", "skipped"),
        (None, "failed"),
    )


def test_caps_and_intent_are_one_transaction(ledger: Ledger) -> None:
    ledger.begin(PLAN, NOW)
    seen: list[tuple[str, ...]] = []

    def only_one(flying: Sequence[FlyingMove]) -> str | None:
        seen.append(tuple(f.move for f in flying))
        return "one at a time" if flying else None

    assert ledger.intend(PLAN, FIRST, NOW, only_one) is None
    assert ledger.intend(PLAN, SECOND, NOW, only_one) == "one at a time"
    assert seen == [(), ("m0001",)]
    assert ledger.states("tiny", PLAN.id) == {"m0001": MoveState.INTENDED}


def test_a_refusal_that_raises_leaves_no_intent(ledger: Ledger) -> None:
    ledger.begin(PLAN, NOW)

    def broken(_: Sequence[FlyingMove]) -> str | None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        ledger.intend(PLAN, FIRST, NOW, broken)
    assert ledger.states("tiny", PLAN.id) == {}
    assert ledger.intend(PLAN, FIRST, NOW, free) is None


def test_a_vm_flies_once(ledger: Ledger, path: str) -> None:
    ledger.begin(PLAN, NOW)
    again = move(FLEET, 3, "v0", "h0", "h9")
    ledger.intend(PLAN, FIRST, NOW, free)
    assert ledger.intend(PLAN, again, NOW, free) == "v0 is in flight"
    # and the database itself would not have it, whatever the code above it did
    with sqlite3.connect(path) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("INSERT INTO moves VALUES ('tiny', 'plan-1', 'm0003', 'v0', 'h0', 'h9', 'submitted')")
    raw.close()


def test_a_plan_is_applied_once(ledger: Ledger, path: str) -> None:
    ledger.begin(PLAN, NOW)
    ledger.end(PLAN, RebalanceState.DONE, NOW)
    with Ledger.create_or_open(path) as second, pytest.raises(AlreadyApplied, match="already applied"):
        second.begin(PLAN, NOW)
    other = plan_of(FLEET, FIRST, id="plan-2")
    ledger.begin(other, NOW)
    assert ledger.rebalance("tiny", "plan-2") is RebalanceState.RUNNING


def test_the_same_plan_id_of_another_fleet_is_another_plan(ledger: Ledger) -> None:
    ledger.begin(PLAN, NOW)
    ledger.begin(plan_of(FLEET, FIRST, fleet="other"), NOW)
    assert ledger.intend(plan_of(FLEET, FIRST, fleet="other"), FIRST, NOW, free) is None


def test_after_a_crash_the_plan_is_refused_and_its_moves_are_named(path: str) -> None:
    with Ledger.create_or_open(path) as crashed:
        crashed.begin(PLAN, NOW)
        crashed.intend(PLAN, FIRST, NOW, free)
    with Ledger.create_or_open(path) as after:
        with pytest.raises(AlreadyApplied, match=r"cut off.*m0001 \(v0: h0 to h8\).*put the ledger aside"):
            after.begin(PLAN, NOW)
        with pytest.raises(SafetyStop, match="plan plan-1 is being applied or was cut off"):
            after.begin(plan_of(FLEET, SECOND, id="plan-2"), NOW)
        assert [f.state for f in after.in_flight("tiny")] == [MoveState.INTENDED]


def test_a_rebalance_does_not_end_while_a_move_may_be_under_way(ledger: Ledger) -> None:
    ledger.begin(PLAN, NOW)
    ledger.intend(PLAN, FIRST, NOW, free)
    with pytest.raises(IllegalTransition):
        ledger.end(PLAN, RebalanceState.DONE, NOW)
    ledger.record(PLAN, FIRST, MoveState.FAILED, NOW)
    ledger.end(PLAN, RebalanceState.FAILED, NOW)
    with pytest.raises(IllegalTransition):
        ledger.end(PLAN, RebalanceState.DONE, NOW)
    with pytest.raises(IllegalTransition):
        ledger.record(PLAN, SECOND, MoveState.SKIPPED, NOW)


def test_peeking_writes_nothing(path: str, tmp_path: Path) -> None:
    assert Ledger.peek(path) is None
    assert list(tmp_path.iterdir()) == []
    with Ledger.create_or_open(path) as ledger:
        ledger.begin(PLAN, NOW)
    before = (tmp_path / "ledger.sqlite").read_bytes()
    peeked = Ledger.peek(path)
    assert peeked is not None
    with peeked:
        assert peeked.rebalance("tiny", PLAN.id) is RebalanceState.RUNNING
        with pytest.raises(SafetyStop, match="cannot be written"):
            peeked.end(PLAN, RebalanceState.DONE, NOW)
    assert [f.name for f in tmp_path.iterdir()] == ["ledger.sqlite"]
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be one" * 40, b"SQLite format 3\0" + b"\7" * 4096]
)
@pytest.mark.parametrize("opener", [Ledger.create_or_open, Ledger.peek])
def test_what_is_no_database_is_refused_and_kept(path: str, tmp_path: Path, content: bytes, opener: Any) -> None:
    file = tmp_path / "ledger.sqlite"
    file.write_bytes(content)
    with pytest.raises(InputError, match="expected a Remora ledger"):
        opener(path)
    assert file.read_bytes() == content


def test_the_database_of_another_program_is_refused_and_kept(path: str, tmp_path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE moves (theirs TEXT)")
    raw.commit()
    raw.close()
    before = (tmp_path / "ledger.sqlite").read_bytes()
    with pytest.raises(InputError, match="another program"):
        Ledger.create_or_open(path)
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


def test_a_ledger_of_another_version_is_refused(path: str) -> None:
    Ledger.create_or_open(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 2")
    raw.close()
    with pytest.raises(InputError, match="version 2"):
        Ledger.create_or_open(path)


def test_a_damaged_ledger_is_refused(path: str, tmp_path: Path) -> None:
    with Ledger.create_or_open(path) as ledger:
        ledger.begin(PLAN, NOW)
        for i in range(20):
            ledger.record(PLAN, move(FLEET, i + 10, "v0", "h0", "h8"), MoveState.SKIPPED, NOW, "x" * 3000)
    file = tmp_path / "ledger.sqlite"
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 9] = b"\xff" * (4096 * 6)
    file.write_bytes(content)
    with pytest.raises(InputError, match="expected a Remora ledger"):
        Ledger.create_or_open(path)


@pytest.mark.parametrize("where", [".", "missing/ledger.sqlite"])
def test_a_place_that_cannot_hold_a_ledger_is_refused(tmp_path: Path, where: str) -> None:
    with pytest.raises(InputError):
        Ledger.create_or_open(str(tmp_path / where))
