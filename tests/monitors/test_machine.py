"""The state machine of one subject: its table, an independent judge over whole histories, and what can never happen."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from optimizer.monitors.machine import Change, Hysteresis, Judged, Memory, Phase, step
from tests.monitors.judge import opened_and_closed

RULES = Hysteresis(open_after_s=300, close_after_s=600, gap_s=200, forget_after_s=2000)
B, W, N, M, G = Judged.BAD, Judged.WELL, Judged.BETWEEN, Judged.MISSING, Judged.GONE

kinds = st.sampled_from([B, B, B, W, W, N, M, G])
gaps = st.sampled_from([1, 10, 60, 60, 60, 100, 150, 200, 201, 400, 2500])
histories = st.lists(st.tuples(gaps, kinds), max_size=80)
rules = st.builds(
    Hysteresis,
    st.sampled_from([0, 1, 60, 120, 300]),
    st.sampled_from([0, 1, 60, 200, 600]),
    st.sampled_from([1, 60, 200]),
    st.sampled_from([100, 2000]),
)


def timed(history: list[tuple[int, Judged]]) -> list[tuple[int, Judged]]:
    out, now = [], 1000
    for gap, kind in history:
        now += gap
        out.append((now, kind))
    return out


def stepped(readings: list[tuple[int, Judged]], of: Hysteresis) -> list[Change]:
    memory: Memory | None = None
    changes: list[Change] = []
    for now, kind in readings:
        memory, more = step(memory, kind, now, of, "no answer")
        changes += more
    return changes


def told(changes: list[Change]) -> list[tuple[int, str]]:
    """Return openings and closings, without what was only pending or closing for a while."""
    return [
        (int(c.at), c.after.value)
        for c in changes
        if c.after is Phase.CLOSED or (c.after is Phase.OPEN and c.before in (None, Phase.PENDING))
    ]


@given(histories, rules)
@example([(60, B)] * 6 + [(60, W)] * 11, RULES)
@example([(1, B), (2500, G), (1, B), (1, B)], Hysteresis(1, 1, 60, 2000))
def test_it_agrees_with_a_judge_that_knows_the_whole_history(history, of) -> None:
    readings = timed(history)
    assert told(stepped(readings, of)) == opened_and_closed(readings, of)


@given(histories, rules)
def test_it_never_opens_more_often_than_the_hysteresis_allows(history, of) -> None:
    readings = timed(history)
    changes = told(stepped(readings, of))
    opened = sum(what == "open" for _, what in changes)
    closed = len(changes) - opened
    assert opened - closed in (0, 1)
    if len(readings) > 1 and of.open_after_s + of.close_after_s > 0 and of.forget_after_s >= of.close_after_s:
        lasts = readings[-1][0] - readings[0][0]
        assert opened <= 1 + lasts / (of.open_after_s + of.close_after_s)
        assert closed <= 1 + lasts / (of.open_after_s + of.close_after_s)


@given(histories, rules)
def test_what_is_missing_opens_and_closes_nothing(history, of) -> None:
    readings = timed([(gap, M if kind is G else kind) for gap, kind in history])
    without = [reading for reading in readings if reading[1] is not M]
    assert told(stepped(readings, of)) == told(stepped(without, of))


@given(histories, rules, st.integers(0, 79))
def test_what_was_seen_before_changes_nothing(history, of, where) -> None:
    """The same snapshot again, or an older one, in the middle of an episode."""
    readings = timed(history)
    memory: Memory | None = None
    for now, kind in readings:
        memory, _ = step(memory, kind, now, of)
        if memory is None or memory.phase is Phase.CLOSED:
            continue
        for again in (B, W, N, M, G):
            assert step(memory, again, now, of) == (memory, ())
            assert step(memory, again, now - where, of) == (memory, ())


def phases(*kinds: Judged, every: int = 100, of: Hysteresis = RULES) -> list[str]:
    memory, out = None, []
    for i, kind in enumerate(kinds):
        memory, _ = step(memory, kind, 1000 + every * i, of, "no answer")
        out.append(memory.phase.value if memory else "-")
    return out


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([W, N, M, G], "- - - -"),
        ([B, B, B, B, B], "pending pending pending open open"),
        ([B, B, N, B, B, B, B], "pending pending - pending pending pending open"),
        ([B, B, W, B], "pending pending - pending"),
        ([B, M, B, M, B], "pending pending pending pending open"),
        ([B] * 4 + [N, N, W, N, W, B], "pending pending pending open open open closing open closing open"),
        ([B] * 4 + [W] * 8, "pending pending pending open closing closing closing closing closing closing closed -"),
        ([B] * 4 + [W, M, M, M, M, M, M, M], "pending pending pending open" + " closing" * 8),
    ],
)
def test_its_table(kinds, expected) -> None:
    assert phases(*kinds) == expected.split()


def test_a_gap_is_neither_bad_nor_well() -> None:
    """Two bad readings an hour apart say nothing of the hour."""
    assert phases(B, B, B, B, every=3600) == ["pending"] * 4
    assert phases(B, B, B, B, every=200) == ["pending", "pending", "open", "open"]
    assert phases(*[B] * 4, *[W] * 9, every=201) == ["pending"] * 4 + ["-"] * 9


def test_what_is_long_gone_is_let_go_and_what_is_missing_is_not() -> None:
    opened = [B] * 4
    assert phases(*opened, *[M] * 30)[-1] == "open"
    assert phases(*opened, *[G] * 19)[-1] == "open"
    assert phases(*opened, *[G] * 20)[-1] == "closed"
    assert phases(B, *[G] * 20)[-1] == "-"


def test_it_says_why_it_was_not_judged_until_it_is() -> None:
    memory, _ = step(None, B, 0, RULES)
    memory, changes = step(memory, M, 100, RULES, "the signals are 900 s old")
    assert memory is not None
    assert (memory.unjudged, memory.seen_at, memory.judged_at, changes) == ("the signals are 900 s old", 100, 0, ())
    memory, _ = step(memory, B, 150, RULES)
    assert memory is not None
    assert memory.unjudged == ""


def test_at_once_where_nothing_has_to_last() -> None:
    at_once = Hysteresis(0, 0)
    assert phases(B, W, B, of=at_once) == ["open", "closed", "open"]
