"""The commands, each on small fleets: what it prints, what it writes, with which code it leaves."""

from __future__ import annotations

import json
import lzma
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import build
from tests.command_line import listing, refused, run, write

ROOT = Path(__file__).parents[1]
SCENARIOS = Path(__file__).parent / "scenarios"
REFUSALS = sorted(p.stem.removeprefix("eligible_") for p in SCENARIOS.glob("eligible_*.json"))


def document(**more):
    """h0 is over its memory and one move repairs it; h1 is full, so that only h2 can take one of v0, v1."""
    hosts = [build.host(f"h{n}", cpu=8000, memory=1000, disk=5000) for n in range(3)]
    vms = [
        build.vm("v0", "h0", cpu=1000, memory=600, disk=10),
        build.vm("v1", "h0", cpu=1000, memory=600, disk=10),
        build.vm("v2", "h1", cpu=1000, memory=900, disk=10),
    ]
    return build.document(hosts, vms, **more)


def hopeless():
    """h0 is over its memory, and there is nowhere to go."""
    hosts = [build.host("h0", memory=1000), build.host("h1", memory=100)]
    return build.document(hosts, [build.vm("v0", "h0", memory=600), build.vm("v1", "h0", memory=600)])


@pytest.fixture
def fleet(tmp_path):
    return write(tmp_path / "fleet.json", document())


@pytest.fixture
def planned(fleet, tmp_path):
    path = tmp_path / "plan.json"
    assert run("plan", fleet, "-o", path).code == 0
    return path


@pytest.fixture
def ledger(tmp_path):
    return ["--ledger", tmp_path / "ledger.sqlite"]


# -- plan ------------------------------------------------------------------------------------------------------------


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
        "sequence",
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


# -- verify and apply --------------------------------------------------------------------------------------------------


def test_verify_passes_what_plan_made(fleet, planned):
    assert run("verify", fleet, planned).code == 0
    assert run("verify", fleet, planned, "--json").json["holds"] is True


TAMPERED = {  # what is changed by hand, and the code and the place of one of the findings
    "value": (lambda p: p["objective"][1].update(value=2), "value", "objective[moving].value"),
    "bound": (lambda p: p["objective"][1].update(bound=0), "stage_gap", "objective[moving].gap"),
    "gap": (lambda p: p["objective"][1].update(gap=0.5), "stage_gap", "objective[moving].gap"),
    "stage status": (lambda p: p["objective"][0].update(status="feasible"), "stage_status", "objective[harm].status"),
    "move twice": (lambda p: p["moves"].append(p["moves"][0]), "move_id", "moves[m0001]"),
    "move gone": (lambda p: p["moves"].clear(), "batch", "batches"),
    "batch": (lambda p: p["moves"][0].update(batch=7), "batch", "moves[m0001].batch"),
    "no batches": (lambda p: p["batches"].clear(), "batch", "batches"),
    "after itself": (lambda p: p["moves"][0].update(after=["m0001"]), "after_cycle", "moves"),
    "other VM": (lambda p: p["moves"][0].update(vm="v1"), "plan_id", "id"),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_verify_says_what_was_changed_by_hand(kind, fleet, planned):
    """Claims that contradict one another are no wrong input: the plan is not what it says, and that is exit code 1."""
    tamper, code, where = TAMPERED[kind]
    plan = json.loads(planned.read_text())
    tamper(plan)
    outcome = run("verify", fleet, write(planned, plan), "--json")
    assert outcome.code == 1
    assert (code, where) in {(f["code"], f["where"]) for f in outcome.json["findings"]}


def test_only_verify_reads_a_plan_that_contradicts_itself(fleet, planned, ledger, tmp_path):
    plan = json.loads(planned.read_text())
    plan["moves"][0]["batch"] = 7
    write(planned, plan)
    before = listing(tmp_path)
    refused("apply", fleet, planned, "--act", *ledger)
    assert listing(tmp_path) == before


def test_verify_finds_a_tampered_plan(fleet, planned):
    plan = json.loads(planned.read_text())
    plan["moves"][0]["to"] = "h1"
    write(planned, plan)
    outcome = run("verify", fleet, planned, "--json")
    assert outcome.code == 1
    assert outcome.json["findings"]


def test_apply_is_read_only_without_act(fleet, planned, ledger, tmp_path):
    before = listing(tmp_path)
    outcome = run("apply", fleet, planned, *ledger)
    assert outcome.code == 0
    assert "Nothing was done" in outcome.out
    assert listing(tmp_path) == before


def test_apply_writes_the_fleet_that_results(fleet, planned, ledger, tmp_path):
    after = tmp_path / "after.json"
    outcome = run("apply", fleet, planned, "--act", "-o", after, *ledger, "--json")
    assert outcome.code == 0
    assert outcome.json["done"] == 1
    assert run("check", after).code == 0
    assert json.loads(after.read_text())["history"][-1]["outcome"] == "done"


def test_the_fleet_that_results_never_replaces_the_ledger(fleet, planned, tmp_path):
    """Neither of the two is there yet, so only their names tell that they are one."""
    before = listing(tmp_path)
    said = refused("apply", fleet, planned, "--act", "--ledger", tmp_path / "x", "-o", tmp_path / "." / "x")
    assert "must not be an input" in said
    assert listing(tmp_path) == before


def test_a_second_apply_is_refused(fleet, planned, ledger, tmp_path):
    assert run("apply", fleet, planned, "--act", *ledger).code == 0
    before = listing(tmp_path)
    outcome = run("apply", fleet, planned, "--act", "-o", tmp_path / "again.json", *ledger)
    assert outcome.code == 4
    assert outcome.err.count("\n") == 1
    assert listing(tmp_path) == before


def test_the_ledger_is_in_the_directory_where_one_stands(fleet, planned, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("apply", fleet, planned, "--act").code == 0
    assert (tmp_path / "remora-ledger.sqlite").exists()
    assert run("apply", fleet, planned, "--act").code == 4


def test_a_move_that_fails_leaves_its_trouble(fleet, planned, ledger, tmp_path):
    after = tmp_path / "after.json"
    outcome = run("apply", fleet, planned, "--act", "--fail", "m0001", "-o", after, *ledger)
    assert outcome.code == 1
    assert "failed" in outcome.out
    assert run("check", after).code == 1


def test_a_failure_of_a_move_that_is_not_there_is_refused(fleet, planned, ledger, tmp_path):
    before = listing(tmp_path)
    assert "m0001" in refused("apply", fleet, planned, "--act", "--fail", "m0011", *ledger)
    assert listing(tmp_path) == before


def test_a_plan_of_another_fleet_is_refused(planned, ledger, tmp_path):
    other = write(tmp_path / "other.json", document(fleet="other"))
    assert run("apply", other, planned, "--act", *ledger).code == 4


def test_a_stale_plan_is_refused(planned, ledger, tmp_path):
    moved = document()
    moved["vms"][0]["host"], moved["vms"][1]["host"] = "h2", "h2"
    assert run("apply", write(tmp_path / "now.json", moved), planned, "--act", *ledger).code == 4


# -- explain -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", REFUSALS)
def test_explain_to_prints_each_refusal_of_eligible(reason):
    path = SCENARIOS / f"eligible_{reason}.json"
    outcome = run("explain", path, "v0", "--to", "h1", "--policy", "dolphin")
    assert outcome.code == 0
    lines = [line for line in outcome.out.splitlines() if line.startswith(f"SKIP eligible/{reason}: ")]
    assert len(lines) == 1, outcome.out
    assert "h1" in lines[0]
    said = run("explain", path, "v0", "--to", "h1", "--policy", "dolphin", "--json").json["filters"]
    assert [f["says"] for f in said if f["rule"] == "eligible" and f["reason"] == reason] == ["SKIP"]


def test_there_is_a_scenario_for_every_kind_of_refusal():
    assert len(REFUSALS) >= 12


def test_explain_lists_every_filter(fleet):
    words = run("explain", fleet, "v0", "--to", "h2").out.splitlines()
    passed = {line.removeprefix("PASS ") for line in words if line.startswith("PASS ")}
    assert {"capacity", "eligible", "journey"} <= passed
    assert words[-1] == "yes: no rule is against it"


@pytest.mark.parametrize("subject", ["v0", "h0", "h2"])
def test_explain_says_what_is_known(subject, fleet, planned):
    assert subject in run("explain", fleet, subject).out
    assert run("explain", fleet, subject, "--plan", planned, "--json").json


def test_explain_a_plan_and_its_moves(fleet, planned):
    assert "The proof of moving, part by part" in run("explain", fleet, "--plan", planned).out
    move = run("explain", fleet, "m0001", "--plan", planned)
    assert move.out.startswith("Move m0001: ")
    assert "repairs capacity of h0" in move.out
    assert run("explain", fleet, "m0001", "--plan", planned, "--json").json["move"]["target"] == "h2"


def test_explain_refuses_a_plan_of_other_vms(planned, tmp_path):
    other = write(tmp_path / "other.json", build.document([build.host("x")], []))
    assert "moves[0].vm" in refused("explain", other, "--plan", planned)


# -- the other commands ------------------------------------------------------------------------------------------------


def test_generate_is_the_same_twice_and_right(tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "two.json.gz"
    options = ["--hosts", 20, "--vms", 150, "--seed", 3]
    assert run("generate", *options, "-o", one).code == 0
    assert run("generate", *options, "-o", two).code == 0
    assert run("show", one, "--json").json == run("show", two, "--json").json
    assert run("generate", *options).out == one.read_text("utf-8")
    assert len(json.loads(one.read_text("utf-8"))["vms"]) == 150


def test_import_makes_a_fleet(tmp_path):
    hosts, vms, out = tmp_path / "hosts.csv", tmp_path / "vms.csv", tmp_path / "berlin.json"
    hosts.write_text("id,capacity.memory_mib,domains.rack\nh0,64GiB,r0\nh1,64GiB,r1\n")
    vms.write_text("id,host,demand.memory_mib\nv0,h0,8GiB\n")
    args = ["import", "--hosts", hosts, "--vms", vms, "-o", out]
    assert run(*args, "--taken-at", "2026-11-21T12:00:00Z").code == 0
    document = json.loads(out.read_text())
    assert (document["fleet"], document["taken_at"]) == ("berlin", "2026-11-21T12:00:00Z")
    assert document["hosts"][0]["capacity"]["memory_mib"] == 65536
    assert run("check", out).code == 0
    assert run(*args, "--fleet", "b2").code == 0
    assert json.loads(out.read_text())["fleet"] == "b2"


def test_what_was_written_is_told_to_machines(tmp_path):
    path = tmp_path / "made.json"
    said = run("generate", "--hosts", 4, "--vms", 9, "-o", path, "--json").json
    assert said == {"output": str(path), "fleet": json.loads(path.read_text())["fleet"], "hosts": 4, "vms": 9}
    assert run("generate", "--hosts", 4, "--vms", 9, "--json").json == json.loads(path.read_text())


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["show", "nowhere.json"], 2, "nowhere.json"),
        (["plan"], 2, "FLEET"),
        (["schema", "rule"], 2, "rule"),
        (["explain", "FLEET", "nobody"], 2, "nobody"),
        (["apply", "FLEET", "PLAN", "--act", "--ledger", "LEDGER"], 4, "already applied"),
    ],
)
def test_json_is_one_document_even_without_an_answer(args, code, words, fleet, planned, ledger):
    names = {"FLEET": fleet, "PLAN": planned, "LEDGER": ledger[1]}
    if code == 4:
        assert run("apply", fleet, planned, "--act", *ledger).code == 0
    outcome = run(*(names.get(a, a) for a in args), "--json")
    assert outcome.code == outcome.json["error"]["exit_code"] == code
    assert words in outcome.json["error"]["message"]
    assert outcome.err == f"remora: {outcome.json['error']['message']}\n"


@pytest.mark.parametrize("name", ["fleet", "policy", "plan", "overlay", "mapping"])
def test_schemas_are_json_schemas(name):
    assert run("schema", name).json["$schema"].startswith("https://json-schema.org/")


def test_defaults_are_a_table_or_json():
    assert "overcommit" in run("schema", "fleet", "--defaults").out
    assert {"field", "default", "meaning"} == set(run("schema", "fleet", "--defaults", "--json").json[0])
    refused("schema", "policy", "--defaults")


def test_rules_lists_all_and_says_more_of_one():
    from constraints import CATALOGUE

    assert [r["rule"] for r in run("rules", "--json").json] == list(CATALOGUE)
    assert all(name in run("rules").out for name in CATALOGUE)
    assert run("rules", "headroom").out.startswith("headroom: ")


@pytest.mark.slow
def test_roadef_solves_and_writes(data_dir, tmp_path):
    names = [data_dir / "roadef2012" / "A" / f"{kind}_a1_1.txt.xz" for kind in ("model", "assignment")]
    out = tmp_path / "solution.txt"
    outcome = run("roadef", "solve", *names, "-o", out, "--time-limit", 20, "--json")
    assert outcome.code == 0
    assert (outcome.json["initial_cost"], outcome.json["cost"], outcome.json["bound"]) == (49528750, 44306501, 44306501)
    assert outcome.json["bound_by"] == "the whole model"
    assert len(out.read_text().split()) == 100


@pytest.mark.slow
def test_roadef_bound_says_how_much_and_why(data_dir):
    names = [data_dir / "roadef2012" / "A" / f"{kind}_a2_1.txt.xz" for kind in ("model", "assignment")]
    options = ("--time-limit", 1, "--deterministic")
    outcome = run("roadef", "bound", *names, *options, "--json")
    assert outcome.code == 0
    assert outcome.json == {
        "bound": 110,
        "bound_by": "each machine for itself, with whole processes",
        "aggregate": 0,
        "initial_cost": 391189190,
        "processes": 1000,
        "machines": 100,
    }
    assert run("roadef", "bound", *names, *options).out.startswith("bound 110, from each machine for itself")


# -- interrupts --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ctrl_c_keeps_the_best_plan_so_far(data_dir, tmp_path):
    """The signal comes when the search has begun (it says so on a terminal; here: when its fleet has been read)."""
    out = tmp_path / "plan.json"
    code = f"""
import os, signal, sys, threading
import cli
from optimizer import pipeline
make = pipeline.make_plan

def interrupted(*args, **extra):
    os.kill(os.getpid(), signal.SIGINT)
    return make(*args, **extra)

pipeline.make_plan = interrupted
sys.argv = ["remora", "plan", {str(data_dir / "fleets" / "fleet-100.json.xz")!r}, "-o", {str(out)!r}]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 130
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(out.read_text())["format"] == "remora-plan/1"


def test_a_second_ctrl_c_ends_at_once():
    from commands.interrupt import Interrupt

    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
