"""A plan survives being written and read, field for field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.plan import (
    Batch,
    Cause,
    Part,
    Plan,
    PlannedMove,
    Proof,
    Reason,
    Remaining,
    StageResult,
    Status,
    Unevaluated,
)
from optimizer.sources.plan_json import plan_document, plan_from_document, read_plan, write_plan
from tests.sources.samples import full_plan

ids = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"]), min_size=1, max_size=12)
maybe_id = st.none() | ids
prose = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"]), max_size=20)
counts = st.integers(0, 2**62)
signed = st.integers(-(2**62), 2**62)
seconds = st.floats(0, 1e9)
digests = st.integers(0, 2**256 - 1).map(lambda n: f"sha256:{n:064x}")
offsets = st.integers(-12 * 60, 12 * 60).map(lambda m: timezone(timedelta(minutes=m)) if m else UTC)
times = st.datetimes(datetime(1971, 1, 1), datetime(2500, 1, 1), timezones=offsets)


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


causes = st.none() | st.builds(Cause, ids, prose, prose, prose, prose, counts, prose, prose)
names = st.lists(ids, max_size=3, unique=True).map(tuple)
parts = st.builds(Part, names, names, counts, prose, some(st.tuples(counts, counts)))
stages = st.lists(
    st.builds(StageResult, ids, st.integers(1, 2**62), counts, maybe_id), max_size=4, unique_by=lambda s: s.stage
).map(lambda found: tuple(StageResult(s.stage, max(s.value, s.bound), s.bound, s.stopped_by) for s in found))


@st.composite
def move_lists(draw: st.DrawFn) -> tuple[PlannedMove, ...]:
    """Moves in batches 1..3; each waits for some of earlier batches."""
    moves: list[PlannedMove] = []
    for name in draw(st.lists(ids, max_size=6, unique=True)):
        batch = draw(st.integers(1, 3))
        earlier = [m.id for m in moves if m.batch < batch]
        after = draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True)) if earlier else []
        ends = draw(st.lists(ids, min_size=2, max_size=2, unique=True))
        reasons = draw(some(st.builds(Reason, ids, ids, signed, signed, maybe_id, maybe_id)))
        rest = (draw(st.booleans()), draw(seconds), draw(counts), reasons, draw(prose))
        moves.append(PlannedMove(name, draw(ids), ends[0], ends[1], tuple(after), batch, *rest))
    return tuple(moves)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    moves = draw(move_lists())
    batches = {n: tuple(m.id for m in moves if m.batch == n) for n in sorted({m.batch for m in moves})}
    return Plan(
        id=draw(ids),
        fleet=draw(ids),
        taken_at=draw(times),
        fleet_digest=draw(digests),
        policy_digest=draw(digests),
        made_at=draw(times),
        expires_at=draw(times),
        status=draw(st.sampled_from(Status)),
        objective=draw(stages),
        proof=draw(some(st.builds(Proof, ids, counts, some(parts)))),
        moves=moves,
        batches=tuple(Batch(n, listed, draw(seconds)) for n, listed in batches.items()),
        remaining=draw(some(st.builds(Remaining, ids, ids, counts, prose, prose, maybe_id, maybe_id, causes, prose))),
        not_evaluated=draw(some(st.builds(Unevaluated, ids, ids, counts, counts))),
        stats=draw(st.dictionaries(ids, st.integers(0, 9) | ids | st.booleans(), max_size=3)),
        reason=draw(prose),
    )


@pytest.mark.slow
@given(plans())
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_round_trip(plan: Plan) -> None:
    assert plan_from_document(plan_document(plan), "x") == plan


@pytest.mark.parametrize("name", ["p.json", "p.json.gz", "p.json.xz"])
def test_round_trip_through_a_file(tmp_path, name: str) -> None:
    plan = plan_from_document(full_plan(), "x")
    write_plan(tmp_path / name, plan)
    assert read_plan(tmp_path / name) == plan


def test_the_document_is_the_contracts() -> None:
    """All fields of the sample come back; members that it leaves out get their defaults, gaps six decimals."""
    expected = full_plan()
    expected["made_at"] = "2026-11-21T12:00:01.500000Z"
    expected["expires_at"] = "2026-11-21T12:15:00Z"
    expected["objective"][2]["gap"] = 0.10859
    expected["moves"][1] |= {"reasons": [], "why": ""}
    expected["not_evaluated"][1]["vms"] = 0
    assert plan_document(plan_from_document(full_plan(), "x")) == expected


def test_reading_keeps_every_fact() -> None:
    plan = plan_from_document(full_plan(), "x")
    first, second = plan.moves
    assert (first.source, first.target, first.staging, first.copied_mib) == ("h3", "h9", True, 36864)
    assert first.reasons[1] == Reason("anti_affinity", "g", 2, 1, None, "rack:r0")
    assert (second.after, second.batch, second.seconds) == (("m0001",), 2, 3.0)
    assert plan.proof[0].parts[1].curve == ((0, 4000), (1, 0))
    assert [s.gap for s in plan.objective] == [0.0, 0.0, 0.10859]
    assert plan.not_evaluated == (Unevaluated("journey", "created_at", 8, 0), Unevaluated("headroom", "x", 0, 3))
    assert plan.taken_at == datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_plan_may_expire_before_it_is_made() -> None:
    """Its life counts from the snapshot, and that may be old."""
    plan = plan_from_document(full_plan() | {"made_at": "2027-01-01T00:00:00Z"}, "x")
    assert plan.expires_at < plan.made_at
