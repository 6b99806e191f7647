"""2,000 random tiny problems over all rules together: the pipeline's word against plain enumeration.

In forty chunks, of which CI runs one each day; each answers for its own share of every status that is not rare.
"""

from __future__ import annotations

from collections import Counter

import pytest

from optimizer.pipeline import Request, make_plan
from optimizer.plan import Status
from optimizer.problem.problem import Stage
from optimizer.verify.verify import verify
from tests.oracle.judge import Case, Made, case_of

CHUNK, CHUNKS = 50, 40
PROVEN = 0.95
"""Share of these tiny problems that the exact path has to close, or to find in order."""

OF_EACH_STATUS = 2
"""In every chunk, so at least 80 times among the 2,000."""

IN_ORDER = (0, 15)
"""Problems of which nothing has to be moved: one of a dozen has not."""


@pytest.mark.rotating(shares=CHUNKS)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_pipeline_against_every_plan_there_is(chunk: int) -> None:
    seen: Counter[Status] = Counter()
    closed = 0
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        case = case_of(number)
        exact = judged(case, path="exact")
        closed += exact.status in (Status.OPTIMAL, Status.NOTHING_TO_DO)
        seen[exact.status] += 1
        if number % 2 == 0:
            seen[judged(case, path="repair").status] += 1
        if number % 5 == 0:
            seen[judged(case, path="auto").status] += 1
        if number % 10 == 0:
            seen[judged(case, seconds=0.0).status] += 1
        if number % 50 == 0:
            seen[judged(case, path="repair", parts=2).status] += 1
        if number % 3 == 0:
            seen[required_clean(case).status] += 1
    assert closed >= PROVEN * CHUNK
    rare = (s for s in Status if s is not Status.NOTHING_TO_DO and seen[s] < OF_EACH_STATUS)
    assert {status: seen[status] for status in rare} == {}


@pytest.mark.parametrize("number", IN_ORDER)
def test_problems_that_are_in_order_are_left_as_they_are(number: int) -> None:
    assert judged(case_of(number)).status is Status.NOTHING_TO_DO


def judged(case: Case, **request: object) -> Made:
    """Make a plan and hold it against everything that is known."""
    plan = make_plan(case.tiny.fleet, case.tiny.policy, Request(**request))  # type: ignore[arg-type]
    made = Made(case, plan)
    try:
        made.holds()
        assert verify(case.tiny.fleet, case.tiny.policy, plan).findings == ()
    except AssertionError as error:
        error.add_note(f"problem {case.tiny.number}, {request}")
        raise
    return made


def required_clean(case: Case) -> Made:
    """Ask for a plan that leaves no must violated: it is there, or it is proven that there is none."""
    made = judged(case, path="exact", require_clean=True)
    least = case.best.rank[0]
    assert (made.status is Status.IMPOSSIBLE) <= (least > 0), case.tiny.number
    if made.status in (Status.OPTIMAL, Status.FEASIBLE):
        assert made.values[Stage.HARM] == 0
    return made
