"""What a window's budget counts: every attempt, whatever became of the move afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from optimizer.execute.ledger.records import Change, FlyingMove, Order
from optimizer.execute.states import Failure, MoveState
from tests.execute.plans import line_fleet, move, plan_of

if TYPE_CHECKING:
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.ledger import Usage

FLEET = line_fleet()


@pytest.mark.parametrize("tried", range(4))
def test_a_move_that_was_tried_and_then_skipped_counts(book: Ledger, tried: int) -> None:
    at = FLEET.taken_at
    moves = [move(FLEET, n, f"v{n}", f"h{n}", f"h{n + 6}") for n in range(1, 5)]
    plan = plan_of(FLEET, *moves)
    lead = book.lead(plan.fleet, "test", at)
    book.begin(lead, plan, Order("", ""), at)
    flying = [FlyingMove(plan.id, m.id, m.vm, m.source, m.target, MoveState.INTENDED, 1, 1, lead.epoch) for m in moves]
    for one in flying[:tried]:
        assert book.intend(lead, one, at, lambda _: None) is None
        book.record(lead, [Change(one.key, MoveState.FAILED, "no", Failure.TEMPORARY)], at)
    book.skip(lead, [(one, "enough") for one in flying[:3]], at)
    counted: list[int] = []

    def refusal(usage: Usage) -> None:
        counted.extend((len(usage.recent(60)), len(usage.recent(5))))

    book.intend(lead, flying[3], at + timedelta(seconds=9), refusal)
    assert counted == [tried, 0]
