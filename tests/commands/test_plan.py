"""`remora plan`: what it prints, what it writes, with which code it leaves."""

from __future__ import annotations

import json
import lzma

import pytest

from tests import build
from tests.command_line import listing, refused, run, write
from tests.commands.small import hopeless


def test_plan_prints_a_page_and_writes_nothing(fleet, tmp_path):
    before = listing(tmp_path)
    outcome = run("plan", fleet)
    assert outcome.code == 0
    assert outcome.out.startswith("optimal: 1 move")
    for words in ("m0001", "h2", "120.0 -> 60.0", "Why not less"):
        assert words in outcome.out
    assert listing(tmp_path) == before


def test_plan_json_is_the_plan(fleet):
    outcome = run("plan", fleet, "--json")
    assert outcome.json["format"] == "remora-plan/1"
    assert [m["to"] for m in outcome.json["moves"]] == ["h2"]
    assert outcome.err == ""
    assert run("plan", fleet, "--format", "json").json["id"] == outcome.json["id"]


def test_plan_says_how_long_each_part_took(fleet):
    assert list(run("plan", fleet, "--json").json["stats"]["seconds"]) == [
        "read",
        "build",
        "solve",
        "place",
        "describe",
    ]


def test_plan_writes_what_it_prints(fleet, tmp_path):
    path = tmp_path / "plan.json.xz"
    outcome = run("plan", fleet, "-o", path, "--json")
    assert json.loads(lzma.decompress(path.read_bytes())) == outcome.json


@pytest.mark.parametrize(("form", "start"), [("csv", "id,"), ("shell", "#!")])
def test_plan_exports(form, start, fleet, tmp_path):
    printed = run("plan", fleet, "--format", form)
    assert printed.code == 0
    assert printed.out.startswith(start)
    assert "v0" in printed.out or "v1" in printed.out
    path = tmp_path / "out"
    assert run("plan", fleet, "--format", form, "-o", path).code == 0
    assert path.read_text().startswith(start)


def test_plan_leaves_with_1_where_something_remains(tmp_path):
    outcome = run("plan", write(tmp_path / "f.json", hopeless()), "--json")
    assert outcome.code == 1
    assert outcome.json["status"] == "optimal"
    assert [r["subject"] for r in outcome.json["remaining"]] == ["h0"]


def test_plan_require_clean_is_impossible_where_it_is(tmp_path):
    outcome = run("plan", write(tmp_path / "f.json", hopeless()), "--require-clean", "--json")
    assert outcome.code == 1
    assert outcome.json["status"] == "impossible"
    assert outcome.json["reason"]


@pytest.mark.slow
def test_plan_in_parts_by_processes_is_the_same_plan_and_says_who_did_what(fleet, tmp_path):
    here, there = (
        run("plan", fleet, "--parts", 3, "--deterministic", "--json", "--engine", name).json
        for name in ("local", "process")
    )
    assert here["id"] == there["id"]
    assert there["stats"]["partition"]["engine"] == "process"
    done = there["stats"]["partition"]["done"]
    assert [part["hosts"] for part in done] == [1, 1, 1]
    assert all(part["worker"] not in {d["worker"] for d in here["stats"]["partition"]["done"]} for part in done)
    page = run("plan", fleet, "--parts", 3).out
    assert "Solved in 3 parts" in page
    assert "by 1 worker (engine local), and repaired across the boundaries" in page


def test_plan_without_parts_is_not_split(fleet):
    assert run("plan", fleet, "--json").json["stats"]["partition"] == {"engine": "local", "parts": 1}
    assert "parts" not in run("plan", fleet).out.replace("independent parts", "")
    page = run("plan", fleet, "--engine", "process").out
    assert "the engine process had nothing to do: --parts N splits a fleet of this size" in page


def test_plan_refuses_an_engine_without_its_scheduler_and_a_scheduler_without_its_engine(fleet):
    assert "--engine dask needs --scheduler ADDRESS" in refused("plan", fleet, "--engine", "dask")
    assert "--scheduler is for --engine dask" in refused("plan", fleet, "--scheduler", "tcp://127.0.0.1:1")


def test_plan_has_nothing_to_do_on_a_healthy_fleet(tmp_path):
    healthy = build.document([build.host("h0", memory=1000)], [build.vm("v0", "h0", memory=5)])
    outcome = run("plan", write(tmp_path / "f.json", healthy))
    assert outcome.code == 0
    assert outcome.out.startswith("nothing to do")


def test_plan_reads_policies_by_name_and_path(fleet, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("format: remora-policy/1\nrules: [{rule: anti_affinity}]\n")
    assert run("plan", fleet, "--policy", policy).out.startswith("nothing to do")
    assert run("plan", fleet, "--policy", "dolphin").code in (0, 1)


def test_an_overlay_marks_vms(fleet, tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        "format: remora-overlay/1\ngroups: [{id: pair, rules: [{rule: together, level: host}], vms: [v0, v2]}]\n"
    )
    before = run("check", fleet, "--json").json["violations"]
    after = run("check", fleet, "--overlay", overlay, "--json").json["violations"]
    assert {v["rule"] for v in after} - {v["rule"] for v in before} == {"together"}


def test_the_same_seed_gives_the_same_plan(fleet):
    one, two = (run("plan", fleet, "--json", "--deterministic", "--seed", 7).json for _ in range(2))
    for plan in (one, two):
        del plan["stats"], plan["made_at"]
    assert one == two
