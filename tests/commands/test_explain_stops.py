"""`remora explain` that proves what stops something: exit codes, documents, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import build
from tests.command_line import refused, run, write

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
STUCK = EXAMPLES / "stuck.json"


def stops(*args: object) -> dict[str, Any]:
    outcome = run("explain", *args, "--json")
    document = outcome.json
    assert outcome.code == {"stopped": 1, "no_order": 1, "possible": 0, "unknown": 3}[document["verdict"]]
    return document


def texts(document):
    return [item["text"] for item in document["items"]]


def test_a_drain_is_stopped_by_what_is_pinned():
    found = stops(STUCK, "--drain", "h1")
    assert texts(found) == ["old is pinned (allowed: it cannot be moved)"]
    assert found["minimal"]
    assert found["helps"][0]["verified"]
    assert {e["subject"] for e in found["helps"][0]["elements"]} >= {"old", "h2"}


def test_a_host_as_subject_is_a_drain():
    assert texts(stops(STUCK, "h1", "--stops")) == texts(stops(STUCK, "--drain", "h1"))


def test_what_stops_a_vm_and_what_stops_it_there():
    assert stops(STUCK, "old", "--stops")["items"][0]["elements"][0]["kind"] == "pinned"
    kinds = {e["kind"] for item in stops(STUCK, "a", "--to", "h2", "--stops")["items"] for e in item["elements"]}
    assert kinds == {"group", "refused", "room"}


def test_nothing_stops_what_is_possible():
    found = stops(STUCK, "x", "--stops", "--to", "h1", "--policy", "default")
    assert found["verdict"] == "stopped"  # h1 is draining
    fleet = EXAMPLES / "office.json"
    found = stops(fleet, "wiki", "--stops")
    assert (found["verdict"], found["moves"], found["items"]) == ("possible", 1, [])
    assert "1 move would do it" in run("explain", fleet, "wiki", "--stops").out


def test_a_limit_of_moves_is_named():
    found = stops(STUCK, "--drain", "h1", "--max-moves", 1)
    assert texts(found) == ["--max-moves: at most 1 move"]


def test_a_plan_of_fewer_moves(tmp_path):
    fleet, plan = EXAMPLES / "four.json", tmp_path / "plan.json"
    run("plan", fleet, "-o", plan)
    found = stops(fleet, "--plan", plan, "--fewer")
    assert found["verdict"] == "stopped"
    assert "the repair of" in texts(found)[0]


def test_what_nothing_can_lift_is_said(tmp_path):
    fleet = write(
        tmp_path / "f.json",
        build.document(
            [build.host("h0", memory=10), build.host("h1", memory=100)],
            [build.vm("v", "h0", memory=20)],
            in_flight=[{"id": "x", "vm": "v", "from": "h0", "to": "h1", "started_at": build.TAKEN_AT, "by": "other"}],
        ),
    )
    found = stops(fleet, "--drain", "h0")
    assert (found["verdict"], found["items"], found["minimal"]) == ("stopped", [], True)
    assert "no placement does it" in run("explain", fleet, "--drain", "h0").out


def test_why_a_plan_does_not_move_a_vm(tmp_path):
    fleet, plan = EXAMPLES / "office.json", tmp_path / "plan.json"
    run("plan", fleet, "-o", plan)
    document = run("explain", fleet, "mail", "--plan", plan, "--json").json
    assert document["moves"] == []
    assert any("is repaired without it: m0001 moves wiki" in why for why in document["not_moved"])
    assert "is repaired without it" in run("explain", fleet, "mail", "--plan", plan).out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--blocked", "maintenance:b2"], "did you mean maintenance:b?"),
        (["--blocked", "nothing:like"], "there are maintenance:a, maintenance:b, maintenance:c, maintenance:old)"),
        (["--blocked", "x", "--drain", "h1"], "--blocked and --drain"),
        (["--drain", "h9"], "h9"),
        (["a", "--drain", "h1"], "leave out SUBJECT"),
        (["--stops"], "name it as SUBJECT"),
        (["--fewer"], "--plan"),
        (["--drain", "h1", "--to", "h2"], "--to"),
        (["a", "--stops", "--to", "h9"], "h9"),
    ],
)
def test_what_makes_no_question_is_refused(args, words):
    assert words in refused("explain", STUCK, *args)


def test_markup_in_names_stays_text(tmp_path):
    name = "v<b>[red]&:boom:"
    fleet = write(
        tmp_path / "f.json",
        build.document(
            [build.host("h0", memory=10), build.host("h1", memory=5)],
            [build.vm(name, "h0", memory=20, mobility="none")],
        ),
    )
    assert name in run("explain", fleet, "--blocked", "capacity:h0").out


def test_a_violation_has_the_name_that_people_see_and_that_of_documents():
    fleet = EXAMPLES / "office.json"
    names = ("capacity:alder", "capacity:alder memory", "capacity:alder memory_mib")
    said = {run("explain", fleet, "--blocked", name).out for name in names}
    assert len(said) == 1
    assert "the repair of capacity:alder memory?" in said.pop()


def test_what_was_meant_is_found_without_the_resource_and_guards_are_not_named():
    fleet = EXAMPLES / "office.json"
    assert "(did you mean capacity:alder memory?)" in refused("explain", fleet, "--blocked", "capacity:aldr")
    assert "(there are capacity:alder memory)" in refused("explain", fleet, "--blocked", "nix")


def test_a_host_that_waits_to_be_emptied_is_named_in_words(tmp_path):
    plan = tmp_path / "plan.json"
    run("plan", STUCK, "--drain", "h2", "--max-moves", 1, "-o", plan)
    assert "maintenance:h1 VMs to leave" in refused("explain", STUCK, "--plan", plan, "--blocked", "drain:h9")


def test_a_plan_without_moves_has_no_fewer(tmp_path):
    plan = tmp_path / "plan.json"
    run("plan", STUCK, "-o", plan)
    assert "a plan that could move less" in refused("explain", STUCK, "--plan", plan, "--fewer")


def test_one_move_is_one_move(tmp_path):
    fleet, plan = EXAMPLES / "office.json", tmp_path / "plan.json"
    run("plan", fleet, "-o", plan)
    assert "a plan with fewer than 1 move that" in run("explain", fleet, "--plan", plan, "--fewer").out
