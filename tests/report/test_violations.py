from dataclasses import dataclass
from typing import Any

from optimizer.fleet import State
from optimizer.problem.rule import Hardness, Violation
from optimizer.report.render import plain_lines
from optimizer.report.violations import check_page, describe_check
from tests import build
from tests.report import plans


@dataclass(frozen=True)
class Stub:
    """A rule that says what it is told to."""

    name: str = "stub"

    def explain(self, violation, fleet):
        return f"because {violation.value}"

    def not_evaluated(self, fleet):
        return ()


STUB: list[Any] = [Stub()]


def violation(hardness, **more):
    return Violation("stub", "h0", hardness, 5, 3, 2, **more)


def test_violations_are_named_measured_and_explained():
    fleet, policy = plans.fleet(), build.policy("capacity")
    found = [v for rule in policy.rules for v in rule.check(State.start(fleet))]
    facts = describe_check(fleet, "mine", policy.rules, found)
    (only,) = facts.violations
    assert (only.subject, only.reason, only.value, only.limit, only.excess) == ("h0", "memory_mib", 1200, 1000, 200)
    assert facts.harm == only.harm == 200
    assert not facts.clean
    lines = list(plain_lines(check_page(facts)))
    assert lines[0] == "tiny: 1 violation of policy mine"
    assert "1,200 MiB" in lines[2]
    assert "1,000 MiB" in lines[2]


def test_a_guard_is_nothing_wrong():
    facts = describe_check(plans.fleet(), "mine", STUB, [violation(Hardness.GUARD)])
    assert facts.clean
    assert len(facts.guards) == 1
    assert "no violations" in next(plain_lines(check_page(facts)))


def test_a_should_is():
    facts = describe_check(plans.fleet(), "mine", STUB, [violation(Hardness.SHOULD, vms=(1,))])
    assert not facts.clean
    assert (facts.harm, facts.should_harm) == (0, 2000)
    assert facts.violations[0].vms == ("v1",)
    assert facts.violations[0].why == "because 5"


def test_missing_facts_are_listed():
    fleet = build.fleet([build.host("h0", memory=5)], [])
    policy = build.policy("capacity")
    facts = describe_check(fleet, "mine", policy.rules, [])
    assert {(n.rule, n.what, n.hosts) for n in facts.not_evaluated} >= {("capacity", "capacity.disk_mib", 1)}
    assert "Not evaluated: facts that the snapshot lacks" in list(plain_lines(check_page(facts)))


def test_a_limit_that_nothing_reaches_is_pointed_out():
    fleet = build.fleet([build.host("h0", cpu=64000)], [])
    policy = build.policy({"rule": "eligible", "vms_per_cpu": 10, "vm_cap": 50})
    facts = describe_check(fleet, "mine", policy.rules, [])
    assert facts.clean
    assert len(facts.notes) == 1
    assert "Limits to look at" in list(plain_lines(check_page(facts)))


def test_a_fact_is_listed_once_with_the_rules_that_want_it():
    rules = build.policy(
        "journey", {"rule": "eligible", "owner_vms": 1}, {"rule": "anti_affinity", "by": "owner"}
    ).rules
    page = check_page(describe_check(plans.fleet(), "p", rules, []))
    said = [line for line in plain_lines(page) if line.strip().startswith("owner ")]
    assert len(said) == 1 and said[0].endswith("eligible, anti_affinity"), said
