from datetime import timedelta

from optimizer.execute.apply import Applied
from optimizer.report.apply_page import apply_page, describe_applied
from optimizer.report.render import plain_lines
from tests.report import plans


def lines(**ends):
    acted = ends.pop("acted", True)
    applied = Applied("p1", "tiny", acted, plans.AT, plans.AT + timedelta(seconds=90), **ends)
    return list(plain_lines(apply_page(describe_applied(plans.plan(), applied))))


def test_a_dry_run_says_that_nothing_was_done():
    assert lines(acted=False, would_do=("m0001", "m0002")) == [
        "plan p1 could be carried out: 2 moves. Nothing was done: --act does it",
        "  move   VM  from  to  outcome   why",
        "  m0001  v2  h1    h2  would do",
        "  m0002  v0  h0    h1  would do",
    ]


def test_a_run_without_trouble():
    assert lines(done=("m0001", "m0002"))[0] == "plan p1 is done: 2 moves in 1 min 30 s"


def test_failures_and_what_waited_for_them():
    said = lines(failed=("m0001",), skipped=(("m0002", "m0001 failed"),))
    assert said[0] == "plan p1: 0 done, 1 failed, 1 skipped, in 1 min 30 s"
    assert said[3].split() == ["m0002", "v0", "h0", "h1", "skipped", "m0001", "failed"]


def test_a_stop_is_said_and_what_never_started_is_skipped_for_it():
    said = lines(done=("m0001",), stopped="the button")
    assert said[0] == "plan p1 was stopped after 1 move: the button"
    assert "the button" in said[3]
