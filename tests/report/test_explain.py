import pytest

from optimizer.errors import InputError
from optimizer.fleet import State
from optimizer.problem.problem import build as build_problem
from optimizer.report.arrivals import Says, arrival
from optimizer.report.explain import Case, explain_host, explain_vm
from optimizer.report.explain_page import filters_page, host_page, vm_page
from optimizer.report.explain_plan import explain_move, explain_plan, explain_plan_page, move_page
from optimizer.report.render import plain_lines
from optimizer.report.subject import Subject, SubjectKind, find_host, find_subject
from tests import build
from tests.report import plans


def case_of(fleet, *rules, plan=None):
    policy = build.policy(*rules)
    violations = [v for rule in policy.rules for v in rule.check(State.start(fleet))]
    return Case(fleet, policy.rules, build_problem(fleet, policy.rules), violations, plan)


def words(case, vm, host):
    fleet = case.fleet
    return arrival(fleet, case.rules, case.problem.atoms, fleet.vm_index[vm], fleet.host_index[host])


def test_a_full_host_is_skipped_with_its_numbers():
    (said,) = words(case_of(plans.fleet(), "capacity"), "v0", "h1")
    assert (said.says, said.rule, said.reason) == (Says.SKIP, "capacity", "memory_mib")
    assert (said.subject, said.value, said.limit) == ("h1", 1100, 1000)
    assert "1,100 MiB of 1,000 MiB" in said.text


def test_a_host_with_room_passes_every_filter():
    said = words(case_of(plans.fleet(), "capacity", "anti_affinity"), "v0", "h2")
    assert [(f.rule, f.says) for f in said] == [("capacity", Says.PASS), ("anti_affinity", Says.PASS)]


def test_what_was_wrong_before_is_no_reason_against_a_move():
    fleet = build.fleet(
        [build.host("h0", memory=100), build.host("h1", memory=100)],
        [build.vm("v0", "h0", memory=150), build.vm("v1", "h0", cpu=5), build.vm("v2", "h1", cpu=5)],
    )
    (said,) = words(case_of(fleet, "capacity"), "v2", "h0")  # h0 is over before and after, by the same
    assert said.says is Says.PASS


def test_a_group_fellow_at_the_target_is_a_reason():
    fleet = build.fleet(
        [build.host("h0"), build.host("h1")],
        [build.vm("v0", "h0", groups=["g"]), build.vm("v1", "h1", groups=["g"])],
    )
    (said,) = words(case_of(fleet, "anti_affinity"), "v0", "h1")
    assert (said.says, said.subject, said.domain) == (Says.SKIP, "g", "host:h1")


def test_a_should_is_only_a_note():
    fleet = build.fleet(
        [build.host("h0"), build.host("h1")],
        [build.vm("v0", "h0", groups=["g"]), build.vm("v1", "h1", groups=["g"])],
    )
    (said,) = words(case_of(fleet, {"rule": "anti_affinity", "hardness": "should"}), "v0", "h1")
    assert said.says is Says.NOTE


def test_pins_that_no_rule_gave_are_filters_too():
    fleet = build.fleet(
        [build.host("h0"), build.host("h1"), build.host("h2")],
        [build.vm("v0", "h0"), build.vm("v1", "h0", requires={"cpu": ["x"]})],
        in_flight=[
            {"id": "x1", "vm": "v0", "from": "h0", "to": "h2", "started_at": "2026-11-21T11:59:00Z", "by": "other"}
        ],
    )
    case = case_of(fleet, "capacity")
    assert next((f.rule, f.says) for f in words(case, "v0", "h1")) == ("snapshot", Says.SKIP)
    assert {f.rule for f in words(case, "v1", "h1") if f.says is Says.SKIP} == {"snapshot"}
    assert {s.rule for s in explain_vm(case, 1).stays} == {"snapshot"}


@pytest.mark.parametrize(("vm", "host", "reason"), [("v0", "h0", "same_host"), ("v9", "h0", "not_placed")])
def test_no_move_no_filters(vm, host, reason):
    fleet = build.fleet([build.host("h0")], [build.vm("v0", "h0"), build.vm("v9", None)])
    (said,) = words(case_of(fleet, "capacity"), vm, host)
    assert (said.says, said.reason) == (Says.SKIP, reason)


def test_a_vm_says_where_it_could_go_and_what_is_wrong_around_it():
    facts = explain_vm(case_of(plans.fleet(), "capacity", plan=plans.plan()), 0)
    assert (facts.host, facts.may_enter, facts.has_room) == ("h0", 2, 1)
    assert [(v.subject, v.resource) for v in facts.violations] == [("h0", "memory_mib")]
    assert [m.id for m in facts.moves] == ["m0002"]
    text = "\n".join(plain_lines(vm_page(facts, with_plan=True)))
    assert "it may move: 2 hosts may receive it, 1 have room now" in text
    assert "m0002: v0 from h0 to h1, batch 2: h0: memory 120 %" in text


def test_a_vm_far_from_trouble_has_none():
    assert explain_vm(case_of(plans.fleet(), "capacity"), 2).violations == ()


def test_a_host_shows_its_loads_and_what_it_takes():
    case = case_of(plans.fleet(), "capacity", plan=plans.plan())
    facts = explain_host(case, 0)
    loads = {load.resource: (load.before, load.after, load.limit) for load in facts.loads}
    assert loads["memory_mib"] == (1200, 800, 1000)
    assert (facts.takes, facts.others) == (1, 1)
    assert [m.id for m in facts.leaving] == ["m0002"]
    assert [v.subject for v in facts.violations] == ["h0"]
    text = "\n".join(plain_lines(host_page(facts, with_plan=True)))
    assert "Host h0: active, 2 VMs" in text
    assert "1,200 MiB" in text  # in the unit of its limit
    assert "1.2 GiB" not in text


def test_a_host_that_takes_nobody_says_why():
    fleet = build.fleet(
        [build.host("h0"), build.host("h1", state="disabled")], [build.vm("v0", "h0"), build.vm("v1", "h0")]
    )
    facts = explain_host(case_of(fleet, "eligible"), 1)
    assert (facts.takes, facts.others) == (0, 2)
    assert [(r.rule, r.vms, r.such_as) for r in facts.refusals] == [("eligible", 2, "v0")]


def test_one_reason_against_several_classes_of_vms_is_said_once():
    fleet = build.fleet(
        [build.host("h0", labels={"cpu": "a"}), build.host("h1", state="disabled", labels={"cpu": "b"})],
        [build.vm("v0", "h0"), build.vm("v1", "h0"), build.vm("v2", "h0", requires={"cpu": ["a"]})],
    )
    facts = explain_host(case_of(fleet, "eligible", "allowed"), 1)
    assert [(r.rule, r.vms, r.such_as) for r in facts.refusals] == [("eligible", 3, "v0"), ("allowed", 1, "v2")]


def test_a_move_is_judged_when_its_turn_comes():
    plan = plans.plan()
    case = case_of(plans.fleet(), "capacity", plan=plan)
    facts = explain_move(case, plan, plan.moves[1])
    assert facts.waits_for == ("m0001",)
    assert [f.says for f in facts.filters] == [Says.PASS]  # only because v2 has left h1 by then
    assert explain_move(case, plan, plan.moves[0]).waited_for_by == ("m0002",)
    text = "\n".join(plain_lines(move_page(facts)))
    assert "repairs capacity of h0: memory 1,200 MiB, limit 1,000 MiB" in text
    assert "starts when these have succeeded: m0001" in text


def test_a_plan_shows_the_parts_of_its_proof():
    plan = plans.plan()
    facts = explain_plan(case_of(plans.fleet(), "capacity", plan=plan), plan)
    lines = list(plain_lines(explain_plan_page(facts, build.policy("capacity").least)))
    assert lines[-2:] == [
        "  by                             at least  VMs  hosts",
        "  connected component's minimum    1 move    2  h0",
    ]


def test_the_filters_page_counts_reasons():
    said = words(case_of(plans.fleet(), "capacity"), "v0", "h1")
    lines = list(plain_lines(filters_page("v0", "h1", said)))
    assert lines[0] == "May v0 move to h1?"
    assert lines[2].startswith("refused by capacity/memory_mib: h1: ")
    assert lines[-1] == "no: 1 reason against it"


def test_a_subject_is_found_by_its_name():
    fleet, plan = plans.fleet(), plans.plan()
    assert find_subject(fleet, plan, "v1") == Subject(SubjectKind.VM, 1)
    assert find_subject(fleet, plan, "h2") == Subject(SubjectKind.HOST, 2)
    assert find_subject(fleet, plan, "m0002") == Subject(SubjectKind.MOVE, 1)
    assert find_subject(fleet, plan, "p1").kind is SubjectKind.PLAN
    assert find_subject(fleet, plan, None).kind is SubjectKind.PLAN


def test_one_name_for_two_things_needs_a_prefix():
    fleet = build.fleet([build.host("x")], [build.vm("x", "x")])
    with pytest.raises(InputError, match="say which: host:x, vm:x"):
        find_subject(fleet, None, "x")
    assert find_subject(fleet, None, "vm:x") == Subject(SubjectKind.VM, 0)
    assert find_subject(fleet, None, "host:x") == Subject(SubjectKind.HOST, 0)


@pytest.mark.parametrize("name", ["nobody", "m0001", "", "vm:h0", None])
def test_a_subject_that_is_not_there_is_an_error(name):
    with pytest.raises(InputError):
        find_subject(plans.fleet(), None, name)


def test_a_near_miss_gets_a_hint():
    with pytest.raises(InputError, match="did you mean host-001"):
        find_host(build.fleet([build.host("host-001")], []), "host-01")
