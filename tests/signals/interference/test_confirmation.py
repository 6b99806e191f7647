"""The life of a pair: found, separated, confirmed or refuted; every step by the table, and nothing flaps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.signals.interference import HostSeries, Observation, Outcome, Record, Settings, State, update
from optimizer.signals.interference.confirmation import TRANSITIONS
from tests.signals.interference.series import END, T, V, hog, host, observation, quiet

SETTINGS = Settings()
WINDOW = timedelta(seconds=SETTINGS.window * 15)
TOGETHER = {f"v{i}": "h0" for i in range(V)}
APART = {**TOGETHER, "v0": "h1"}


def states(outcome: Outcome) -> dict[tuple[str, str], State]:
    return {(r.noisy, r.suffers): r.state for r in outcome.records}


def found(seed: int = 1) -> Outcome:
    return update((), observation(hog(seed, victims=(1,))), SETTINGS, TOGETHER)


def after(stall_of_v1: float, samples: int, later: timedelta) -> Observation:
    """What follows a separation: v0 has gone to h1 after all but the last `samples`."""
    use, stall = quiet(9)
    stall[-samples:, 1] = stall_of_v1
    gone = use.copy()
    gone[-samples:, 0] = np.nan
    other = np.full((T, 1), np.nan)
    other[-samples:] = 0.5
    return observation(
        host(gone, stall), HostSeries("h1", "cpu", ("v0",), other * 0.1, other), ends_at=END + later
    )  # fmt: skip


def test_a_pair_is_found_separated_and_confirmed() -> None:
    first = found()
    (record,) = first.records
    assert (record.state, record.noisy, record.suffers, record.host) == (State.EVIDENT, "v0", "v1", "h0")
    assert [(c.before, c.after) for c in first.changes] == [(None, State.EVIDENT)]
    second = update(first.records, after(0.02, 10, WINDOW / 3), SETTINGS, APART)
    assert states(second) == {("v0", "v1"): State.SEPARATED}
    third = update(second.records, after(0.02, 40, WINDOW * 40 / 30), SETTINGS, APART)
    (record,) = third.records
    assert record.state is State.CONFIRMED
    assert record.stall_after == pytest.approx(0.02)
    assert record.counts
    assert [(c.before, c.after) for c in third.changes] == [(State.SEPARATED, State.CONFIRMED)]


def test_where_the_stall_does_not_fall_the_pair_is_refuted_and_rests() -> None:
    first = found()
    before = first.records[0].stall_before
    second = update(first.records, after(before, 10, WINDOW / 3), SETTINGS, APART)
    third = update(second.records, after(before, 40, WINDOW * 40 / 30), SETTINGS, APART)
    assert states(third) == {("v0", "v1"): State.SEPARATED}  # one window is not yet the last word
    fourth = update(third.records, after(before, 70, WINDOW * 70 / 30), SETTINGS, APART)
    assert states(fourth) == {("v0", "v1"): State.REFUTED}
    assert not fourth.records[0].counts
    again = hog(1, victims=(1,))
    for hours, known in [(1, True), (23, True), (25, False)]:
        at = fourth.records[0].since + timedelta(hours=hours)
        resting = update(fourth.records, observation(again, ends_at=at), SETTINGS, TOGETHER)
        assert (("v0", "v1") in states(resting)) is known
        assert State.EVIDENT not in states(resting).values()
    rested = update((), observation(again, ends_at=END + timedelta(days=2)), SETTINGS, TOGETHER)
    assert states(rested) == {("v0", "v1"): State.EVIDENT}


@pytest.mark.parametrize("share", [0.30, 0.45, 0.48, 0.52, 0.55, 0.90])
def test_half_of_the_score_is_the_line(share: float) -> None:
    (record,) = found().records
    level = record.stall_before - share * record.score
    known = record.now(State.SEPARATED, END, apart_at=END)
    done = update([known], after(level, 70, WINDOW * 70 / 30), SETTINGS, APART)
    assert states(done) == {("v0", "v1"): State.CONFIRMED if share >= 0.5 else State.REFUTED}


def test_together_again_before_it_was_judged_is_evidence_again() -> None:
    (record,) = found().records
    known = record.now(State.SEPARATED, END, apart_at=END)
    back = update([known], observation(hog(2, victims=(1,)), ends_at=END + WINDOW), SETTINGS, TOGETHER)
    assert states(back) == {("v0", "v1"): State.EVIDENT}
    kept = record.now(State.CONFIRMED, END, apart_at=END, stall_after=0.0)
    back = update([kept], observation(hog(2, victims=(1,)), ends_at=END + WINDOW), SETTINGS, TOGETHER)
    assert states(back) == {("v0", "v1"): State.EVIDENT}


def test_a_confirmed_pair_is_kept_apart_for_a_while_and_then_forgotten() -> None:
    (record,) = found().records
    kept = record.now(State.CONFIRMED, END, apart_at=END, stall_after=0.0)
    for days, known in [(6, 1), (8, 0)]:
        later = update([kept], after(0.02, 10, timedelta(days=days)), SETTINGS, APART)
        assert len(later.records) == known


def test_evidence_that_costs_less_is_dropped_and_one_in_between_stays() -> None:
    (record,) = found().records
    silent = update([record], observation(hog(2, victims=()), ends_at=END + WINDOW), SETTINGS, TOGETHER)
    assert silent.records == ()
    weak = hog(3, victims=(1,), cost=0.08)  # costs about 0.04: too little to be found, enough to stay
    assert update((), observation(weak, ends_at=END + WINDOW), SETTINGS, TOGETHER).records == ()
    stays = update([record], observation(weak, ends_at=END + WINDOW), SETTINGS, TOGETHER)
    assert states(stays) == {("v0", "v1"): State.EVIDENT}
    assert stays.records[0].score < SETTINGS.score_from


def test_where_nothing_is_seen_evidence_waits_for_as_long_as_it_took_and_is_then_dropped() -> None:
    (record,) = found().records
    other = observation(host(*quiet(5), name="h9"), ends_at=END + WINDOW)
    assert update([record], other, SETTINGS, TOGETHER).records == (record,)
    late = observation(host(*quiet(5), name="h9"), ends_at=END + 6 * WINDOW)
    assert update([record], late, SETTINGS, TOGETHER).records == ()


def test_a_separation_of_which_nothing_is_seen_is_forgotten_after_the_rest() -> None:
    (record,) = found().records
    known = record.now(State.SEPARATED, END, apart_at=END)
    for hours, left in [(20, 1), (25, 0)]:
        unseen = observation(host(*quiet(5)), ends_at=END + timedelta(hours=hours))  # too late to say anything
        gone = {vm: at for vm, at in APART.items() if vm != "v1"}
        assert len(update([known], unseen, SETTINGS, gone).records) == left


def test_without_a_snapshot_the_series_say_who_is_where() -> None:
    first = update((), observation(hog(1, victims=(1,))), SETTINGS)
    second = update(first.records, after(0.02, 40, WINDOW * 40 / 30), SETTINGS)
    assert states(second) == {("v0", "v1"): State.SEPARATED}
    assert second.records[0].apart_at == END
    third = update(second.records, after(0.02, 70, WINDOW * 70 / 30), SETTINGS)
    assert states(third) == {("v0", "v1"): State.CONFIRMED}


SEEN = st.sampled_from(["hog", "weak", "silent", "apart well", "apart unwell", "nothing"])


def seen(what: str, at: datetime) -> tuple[Observation, dict[str, str]]:
    match what:
        case "hog":
            return observation(hog(1, victims=(1,)), ends_at=at), TOGETHER
        case "weak":
            return observation(hog(3, victims=(1,), cost=0.08), ends_at=at), TOGETHER
        case "silent":
            return observation(hog(2, victims=()), ends_at=at), TOGETHER
        case "apart well":
            return after(0.02, 35, at - END), APART
        case "apart unwell":
            return after(0.3, 35, at - END), APART
    return observation(host(*quiet(5), name="h9"), ends_at=at), APART


@given(st.lists(st.tuples(SEEN, st.integers(1, 40)), max_size=12))
def test_whatever_is_seen_every_step_is_in_the_table(story: list[tuple[str, int]]) -> None:
    records: tuple[Record, ...] = ()
    at, refuted_at = END, None
    for what, windows in story:
        at += windows * WINDOW
        before = {(r.noisy, r.suffers): r.state for r in records}
        outcome = update(records, *_split(seen(what, at)))
        after_ = states(outcome)
        for pair in {*before, *after_}:
            old, new = before.get(pair), after_.get(pair)
            assert new is old or new in TRANSITIONS[old]
        assert {(c.pair.noisy, c.pair.suffers): (c.before, c.after) for c in outcome.changes} == {
            pair: (before.get(pair), after_.get(pair))
            for pair in {*before, *after_}
            if before.get(pair) is not after_.get(pair)
        }
        now = after_.get(("v0", "v1"))
        if now is State.EVIDENT and refuted_at is not None:
            assert (at - refuted_at).total_seconds() >= SETTINGS.rest_s
        if now is State.REFUTED and before.get(("v0", "v1")) is not State.REFUTED:
            refuted_at = at
        records = tuple(Record.from_dict(r.to_dict()) for r in outcome.records)
        assert records == outcome.records


def _split(pair: tuple[Observation, dict[str, str]]) -> tuple[Observation, Settings, dict[str, str]]:
    return pair[0], SETTINGS, pair[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": "maybe"}, "state: 'maybe' is none of evident"),
        ({"since": "yesterday"}, "since: 'yesterday' is no time"),
        ({"score": "much"}, "score: 'much' is no float"),
        ({"lasted": True}, "lasted: True is no int"),
        ({"more": 1}, "more: not a field"),
        ({"seen_at": None}, "seen_at: None is no time"),
    ],
)
def test_records_that_are_none_are_refused(change: dict[str, Any], said: str) -> None:
    values = found().records[0].to_dict()
    with pytest.raises(ValueError, match=said):
        Record.from_dict({**values, **change})
    with pytest.raises(ValueError, match="kind: missing"):
        Record.from_dict({name: value for name, value in values.items() if name != "kind"})


def test_records_are_plain_values_and_come_back() -> None:
    (record,) = found().records
    for one in (record, replace(record, apart_at=END, stall_after=0.5)):
        assert Record.from_dict(one.to_dict()) == one
