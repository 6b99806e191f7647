"""The commands around planning: generate, import, schema, rules, roadef; and what machines are given."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from commands.schema import DOCUMENTS
from optimizer.execute.drivers.registry import DRIVERS
from optimizer.sources.registry import SOURCES
from tests.command_line import refused, run


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


@pytest.mark.parametrize(
    ("file", "fleet"),
    [
        ("nyc3.json", "nyc3"),
        ("nyc3-2026-11-29.json", "nyc3"),
        ("nyc3_20261129T1200Z.json.gz", "nyc3"),
        ("2026-11-29.json", "2026-11-29"),
        ("rack-1234.json", "rack-1234"),
        ("az-20251.json", "az-20251"),
    ],
)
def test_a_fleet_has_one_id_whatever_the_date_of_its_file(file, fleet, tmp_path):
    hosts, vms = tmp_path / "hosts.csv", tmp_path / "vms.csv"
    hosts.write_text("id,memory_mib\nh0,64GiB\n")
    vms.write_text("id,host,memory_mib,disk_mib\nv0,h0,4GiB,9GiB\n")
    outcome = run("import", "--hosts", hosts, "--vms", vms, "-o", tmp_path / file, "--json")
    assert outcome.json["fleet"] == fleet
    assert f"fleet {fleet}, 1 host, 1 VM" in outcome.err


def test_shared_storage_is_said_or_asked_for(tmp_path):
    hosts, vms, out = tmp_path / "hosts.csv", tmp_path / "vms.csv", tmp_path / "f.json"
    hosts.write_text("id,memory_mib,disk_mib\nh0,64GiB,9GiB\n")
    vms.write_text("id,host,memory_mib,disk_mib\nv0,h0,4GiB,9GiB\n")
    assert "disk_mib: copied when a VM moves" in run("import", "--hosts", hosts, "--vms", vms, "-o", out).err
    assert "copied" not in run("import", "--hosts", hosts, "--vms", vms, "-o", out, "--shared-storage").err
    resources = json.loads(out.read_text())["resources"]
    assert {r["name"]: r["copied"] for r in resources} == {"memory_mib": True, "disk_mib": False}


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


WRITTEN_ONLY = {"remora-told/1", "remora-agent/1", "remora-interference/1", "remora-notice/1", "remora-view/1"}
"""Documents that Remora alone reads, or that are shown on the page that speaks of them."""


def test_every_document_that_people_write_has_a_schema():
    """Whatever tag stands in the program; the page of formats names the same documents."""
    root = Path(__file__).parents[2]
    files = [f for room in ("optimizer", "commands") for f in (root / room).rglob("*.py")]
    tags = set(re.findall(r'^\w*FORMAT = "(remora-[a-z-]+/1)"', "".join(f.read_text() for f in files), re.MULTILINE))
    schemas = {name: run("schema", name).json for name in DOCUMENTS}
    assert all(schema["$schema"].startswith("https://json-schema.org/") for schema in schemas.values())
    assert {"remora-fleet/1", "remora-libvirt/1"} <= tags
    assert {schema["title"] for schema in schemas.values()} == tags - WRITTEN_ONLY
    page = (root / "docs" / "formats.md").read_text()
    named = {schema["title"]: f"| `{schema['title']}` | `{name}` |" for name, schema in schemas.items()}
    assert {tag for tag, row in named.items() if row not in page} == set()


@pytest.mark.parametrize(
    ("command", "option", "names"), [("apply", "--driver", DRIVERS.names()), ("import", "--source", SOURCES.names())]
)
def test_help_and_page_name_every_driver_and_source(command, option, names):
    """Where this fails, a name is missing in the help of the option, or in the section of the page of commands."""
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
    section = page.split(f"## `remora {command}`")[1].split("\n## ")[0]
    said = " ".join(run(command, "--help").out.split()).split(f"{option} NAME")[1].split(" --")[0]
    for name in names:
        assert f"`{name}`" in section
        assert re.search(rf"\b{name}\b", said), name


def test_a_group_names_its_commands_and_says_of_each_the_whole_sentence():
    assert "which command? There are fit, place, " in refused("whatif")
    for group in ((), ("whatif",), ("ledger",), ("signals",), ("roadef",)):
        listed = run(*group, "--help").out.split("Commands:")[1]
        assert "..." not in listed, listed


def test_defaults_are_a_table_or_json():
    assert "overcommit" in run("schema", "fleet", "--defaults").out
    assert {"field", "default", "meaning"} == set(run("schema", "fleet", "--defaults", "--json").json[0])
    assert ["deadline_s", "20.0"] in [
        row.split()[:2] for row in run("schema", "libvirt", "--defaults").out.splitlines()
    ]
    assert "remora rules" in refused("schema", "policy", "--defaults")
    assert "periodic run" in refused("schema", "config", "--defaults")


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


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("id,host,memory", "did you mean memory_mib?"),
        ("id,host,cpu", "did you mean cpu_millicores?"),
        ("id,host,disk", "did you mean disk_mib?"),
        ("id,hots", "did you mean host?"),
        ("id;host;memory_mib", "delimiter: ';'"),
        ("id\thost\tmemory_mib", "delimiter: '\\t'"),
        ("id|host|memory_mib", "delimiter: '|'"),
    ],
)
def test_columns_that_are_mistaken(header, said, tmp_path):
    hosts, vms = tmp_path / "hosts.csv", tmp_path / "vms.csv"
    hosts.write_text("id,memory_mib\nh0,64GiB\n")
    vms.write_text(header + "\n")
    assert said in refused("import", "--hosts", hosts, "--vms", vms, "-o", tmp_path / "f.json")
