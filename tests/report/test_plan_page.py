from dataclasses import replace

import pytest

from optimizer.plan import Cause, Part, Proof, StageResult, Status
from optimizer.problem.problem import Least
from optimizer.report.explain_plan import moves_of
from optimizer.report.loads import host_changes, linear_atoms
from optimizer.report.plan_page import parts_table, plan_page, proof_line, stage_value, status_line
from optimizer.report.render import plain_lines
from tests import build
from tests.command_line import run, write
from tests.report import plans


def lines(plan):
    fleet = plans.fleet()
    changes = host_changes(fleet, linear_atoms(fleet, build.policy("capacity").rules), moves_of(fleet, plan.moves))
    return list(plain_lines(plan_page(plan, changes, Least.MOVES)))


def test_each_host_is_shown_before_and_after():
    fleet = plans.fleet()
    atoms = linear_atoms(fleet, build.policy("capacity").rules)
    changes = {c.host: c for c in host_changes(fleet, atoms, moves_of(fleet, plans.plan().moves))}
    memory = {name: next(x for x in c.loads if x.resource == "memory_mib") for name, c in changes.items()}
    assert {n: (x.before, x.after, x.limit) for n, x in memory.items()} == {
        "h0": (1200, 800, 1000),
        "h1": (700, 400, 1000),
        "h2": (0, 700, 1000),
    }
    assert {n: (c.vms_before, c.vms_after) for n, c in changes.items()} == {"h0": (2, 1), "h1": (1, 1), "h2": (0, 1)}


def test_the_tightest_rule_speaks_for_a_resource():
    fleet = plans.fleet()
    policy = build.policy("capacity", {"rule": "capacity", "name": "half", "overcommit": []})
    (change,) = host_changes(fleet, linear_atoms(fleet, policy.rules), moves_of(fleet, plans.plan().moves[:1]))[:1]
    assert sorted(load.resource for load in change.loads) == ["cpu_millicores", "memory_mib"]  # one each, not two


def test_the_page_has_every_part():
    text = "\n".join(lines(plans.plan(remaining=(plans.left_over(),))))
    for words in (
        "feasible: 2 moves, 1 violation left, not proven to be the best (moving is 2 moves, and cannot be below 1 ",
        "time",
        "m0002  v0  h0    h1  m0001",
        "total: 2 moves, 2 VMs displaced, 1.1 GiB copied, 2 batches, about 3.0 s",
        "120.0 -> 80.0",
        "two of three stay together",
        "a third host",
        "created_at        3 VMs  journey",
        "moving is at least 1 move on 1 host: 1 part needs at least 1 move (connected component's minimum)",
    ):
        assert words in text, words


def test_what_was_not_analysed_is_said_once_with_a_list():
    advice = "not analysed: too much remains for the time left"
    left = [
        replace(plans.left_over(), subject=f"g{n}", why=f"{n} too many", would_help=advice, cause=Cause("not_analysed"))
        for n in range(30)
    ]
    text = "\n".join(lines(plans.plan(remaining=(plans.left_over(), *left))))
    assert text.count("not analysed") == 1
    assert "for 30 of these: g0, g1, g2, g3, g4, g5, g6, g7 and 22 more" in text
    assert "what would help: a third host" in text
    assert "g29" in text


def test_what_is_left_is_counted_where_there_is_no_time_to_print_it():
    plan = plans.plan(remaining=(plans.left_over(),) * 5)
    text = "\n".join(plain_lines(plan_page(plan, None, Least.MOVES, rows=2)))
    assert "the hosts changed are not listed, for lack of time" in text and "Hosts changed" not in text
    assert "What remains: 5" in text
    assert "... and 3 more, not printed for lack of time; `-o` and `--json` have all" in text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.OPTIMAL, "optimal: 2 moves repair every violation; no plan needs fewer moves, proven"),
        (Status.NOTHING_TO_DO, "nothing to do"),
        (Status.NO_PLAN_IN_TIME, "not proven that there is none"),
        (Status.IMPOSSIBLE, "impossible: because"),
    ],
)
def test_every_status_has_its_words(status, words):
    assert words in status_line(plans.plan(status=status, reason="because"), Least.MOVES)[0]


def test_a_proven_plan_without_moves_says_that_no_move_helps():
    line = status_line(plans.plan(status=Status.OPTIMAL, moves=(), remaining=(plans.left_over(),)), Least.MOVES)[0]
    assert line == "optimal: no move helps, proven, and 1 violation cannot be repaired"


@pytest.mark.parametrize(
    ("least", "shown"),
    [(Least.MOVES, "2,048 moves"), (Least.GIB, "2 GiB"), (Least.SECONDS, "3 min 25 s"), (Least.WEIGHTED, "2.048")],
)
def test_moving_is_shown_in_its_measure(least, shown):
    assert stage_value(StageResult("moving", 2048, 1), 2048, least).startswith(shown)
    assert stage_value(StageResult("harm", 2048, 1), 2048, least) == "2,048"


def test_parts_of_one_kind_are_counted_together():
    parts = (*(Part((f"h{n}",), (), 1, "own minimum") for n in range(3)), Part(("h9",), (), 2, "own minimum"))
    assert proof_line(Proof("moving", 5, parts), Least.MOVES) == (
        "moving is at least 5 moves on 4 hosts: "
        "3 independent parts need at least 1 move each (connected component's minimum); "
        "1 part needs at least 2 moves (connected component's minimum)"
    )


def test_the_first_open_stage_is_named():
    stages = (StageResult("harm", 300, 100, "time"), StageResult("moving", 2, 0, "time"))
    line = status_line(plans.plan(objective=stages), Least.MOVES)[0]
    assert line == (
        "feasible: 2 moves repair every violation, not proven to be the best (harm is 300, and cannot be below 100)"
    )


def test_a_part_with_a_curve_says_what_it_keeps_and_not_that_it_needs_nothing():
    proof = Proof("moving", 2, (Part(("h0",), ("v0",), 0, "own minimum", ((0, 3000), (2, 1000))),))
    assert "at least 0" not in proof_line(proof, Least.MOVES)
    assert "the least harm that each keeps" in proof_line(proof, Least.MOVES)
    (row,) = parts_table(proof, Least.MOVES).rows
    assert "harm 3,000 for 0 moves, 1,000 for 2 moves" in str(row)


def test_what_a_clean_fleet_would_take_is_said():
    plan = replace(plans.plan(), stats={"clean_displaces_at_least": 17})
    assert "to have nothing broken, at least 17 VMs have to be displaced" in "\n".join(lines(plan))
    assert "to have nothing broken" not in "\n".join(lines(plans.plan()))


@pytest.mark.parametrize(
    ("nowhere", "said"),
    [
        (0, ""),
        (1, "1 VM is on no host yet and left alone (`remora whatif place --like VM` says where such a VM fits)"),
        (2, "2 VMs are on no host yet and left alone (`remora whatif place --like VM` says where such a VM fits)"),
    ],
)
def test_vms_that_are_on_no_host_are_not_passed_over_in_silence(nowhere, said, tmp_path):
    vms = [build.vm("v", "h0", memory=1), *(build.vm(f"n{i}", None, memory=1) for i in range(nowhere))]
    fleet = write(tmp_path / "fleet.json", build.document([build.host("h0", memory=64)], vms))
    out = run("plan", fleet).out
    assert said in out
    assert ("no host yet" in out) == bool(nowhere)
