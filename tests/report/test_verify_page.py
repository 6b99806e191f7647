from optimizer.report.render import plain_lines
from optimizer.report.verify_page import describe_verdict, verify_page
from optimizer.verify.verdict import Finding, Verdict
from tests.report import plans


def test_a_plan_that_holds():
    facts = describe_verdict(plans.plan(), Verdict((), {"moving": 2, "bound:moving": 1}))
    assert facts.holds
    assert list(plain_lines(verify_page(facts))) == [
        "plan p1 holds: 2 moves, safe in every state that it can reach",
        "Recomputed: moving 2, bound:moving 1",
    ]


def test_findings_and_notes_are_listed():
    verdict = Verdict((Finding("unsafe", "moves[m0002]", "h1 is over"),), {}, ("batches were not judged",))
    facts = describe_verdict(plans.plan(), verdict)
    assert not facts.holds
    assert list(plain_lines(verify_page(facts))) == [
        "plan p1 does not hold: 1 finding",
        "  finding  where         what",
        "  unsafe   moves[m0002]  h1 is over",
        "note: batches were not judged",
    ]
