"""What newcomers get wrong in a fleet of their own or on the command line: each is one line that says what to do."""

from __future__ import annotations

import gzip
import json
import lzma
import os
from copy import deepcopy
from random import Random
from string import ascii_lowercase

import pytest

from optimizer.similar import nearest, similar_or_some
from tests import build
from tests.command_line import refused, run

HOSTS = [build.host(f"hv{n}", memory=65536, rack=f"r{n // 2}") for n in range(4)]
VMS = [build.vm(f"vm{n}", f"hv{n % 2}", memory=8192, groups=["web"] if n < 2 else []) for n in range(6)]
FLEET = build.document(HOSTS, VMS)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.json").write_text(json.dumps(FLEET))
    (tmp_path / "dir.json").mkdir()
    return tmp_path


def changed(path, value):
    document = deepcopy(FLEET)
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["vms"], ..., "vms: nothing: expected the VMs (the field vms is missing)"),
        (["vms"], None, "vms: null: expected a list"),
        (["format"], ..., "format: nothing: expected"),
        (["taken_at"], "2026-11-29T12:00:00", "a time with an offset"),
        (["hosts", 0, "id"], 5, '5: expected an id of 1 to 256 characters (as a string: "5")'),
        (["hosts", 0, "state"], True, "state: true: expected one of active"),
        (["hosts", 1, "id"], "hv0", "a unique name (hosts[0] has it too)"),
        (["vms", 3, "host"], "hv7", "a host of the fleet (there are hv0, hv1, hv2, hv3)"),
        (["vms", 3, "host"], "HV1", "did you mean hv1?"),
        (["vms", 3, "demand"], {"memory": 1}, "did you mean memory_mib?"),
        (["vms", 3, "demand", "memory_mib"], "12GiB", "without quotes and without a unit"),
        (["vms", 3, "demand", "memory_mib"], 12.0, "without a decimal point"),
        (["vms", 3, "demand", "memory_mib"], 10**13, "is it in the unit"),
        (["vms", 3, "demand", "memory_mib"], -1, "an integer from 0"),
        (["vms", 3, "demnd"], {}, "did you mean demand?"),
        (["hosts"], {}, "hosts: {}: expected a list"),
        (["hosts"], [], "at least 1 entry"),
        (
            ["groups"],
            [{"id": "web", "rules": [{"level": "host"}]}],
            "groups[0].rules[0].rule: nothing: expected one of",
        ),
        (["groups"], [{"id": "web", "rules": [{"rule": "antiaffinity"}]}], "did you mean anti_affinity?"),
    ],
)
def test_a_fleet_with_a_mistake(path, value, said, here):
    (here / "bad.json").write_text(json.dumps(changed(path, value)))
    assert said in refused("check", "bad.json")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b" \r\n", "the file is empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (json.dumps(FLEET).encode("utf-16"), "it is UTF-16: save it as UTF-8"),
        (gzip.compress(json.dumps(FLEET).encode()), "its name has to end with .gz"),
        (b"\xfd7zXZ\x00", "its name has to end with .xz"),
        (b"SQLite format 3\x00", "a ledger perhaps"),
        (b'{"fleet": "\xff"}', "byte 12 of the file is no UTF-8"),
        (b"format: remora-fleet/1\n", "a document begins with {"),
        (json.dumps(FLEET).encode()[:-9], "unexpected end of data"),
        (json.dumps(FLEET).encode() + b"x", "after document"),
        (b"[]", "an object with format remora-fleet/1"),
    ],
)
def test_a_file_that_is_no_fleet(data, said, here):
    (here / "bad.json").write_bytes(data)
    assert said in refused("check", "bad.json")
    assert said in refused("check", "bad.json", "--json")


def test_windows_line_ends_are_no_mistake(here):
    (here / "dos.json").write_bytes(json.dumps(FLEET, indent=1).replace("\n", "\r\n").encode())
    assert run("check", "dos.json").out == run("check", "f.json").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("check dir.json", "a directory"),
        ("check nofile.json", "No such file"),
        ("plam f.json", "plan"),
        ("plan f.json --drian hv0", "--drain"),
        ("plan f.json --drain hv9", "(there are hv0, hv1, hv2, hv3)"),
        ("plan f.json --drain rack:r9", "rack:r"),
        ("plan f.json --drain rak:r0", "of levels, did you mean rack?"),
        ("plan f.json --exclude x", "there are vm0, vm1, vm2, vm3, vm4, vm5"),
        ("plan f.json --only wbe", "did you mean web?"),
        ("plan f.json --only xyz", "there are group:web, rule:capacity"),
        ("plan f.json --from @nofile", "nofile"),
        ("plan f.json --max-moves -1", "'-1' is not a whole number from 0 to 1000000000"),
        ("plan f.json --max-moves ten", "'ten' is not a whole number from 0"),
        ("plan f.json --max-moves 1 --balance memry", "did you mean memory?"),
        ("whatif place f.json --flavour mem=8GiB", "--flavour: 'mem=8GiB': expected a resource: cpu, memory or disk"),
        ("whatif place f.json --flavour memry=8GiB", "(did you mean memory?)"),
        ("whatif fit f.json --flavour memory=-1GiB", "--flavour: memory: '-1GiB': expected an amount"),
        ("plan f.json -o -", "'-' would be a file called so"),
        ("plan f.json --report x.pdf", "'x.pdf' does not say by its ending what to write: .html, .svg or .png"),
        ("plan f.json --report x.gz", "'x.gz' does not say by its ending what to write"),
        ("plan f.json --engine dask --scheduler nonsense", "missing port number"),
        ("whatif fit f.json --like nobody", "there are vm0, vm1, vm2, vm3, vm4, vm5"),
        ("whatif fit f.json --flavour cpu=2 --by label:x", "a label of some host (there is none)"),
        ("whatif roll f.json --by label:x", "a label of some host (there is none)"),
        ("whatif fit f.json --flavour memory=1GiB --survive 9", "--survive: 9: expected at most the 4 hosts"),
        ("whatif lose f.json --any 9", "--any: 9: expected at most the 4 hosts"),
        ("whatif size f.json", "USED:ALLOCATED, two resources of fleet"),
        ("rules nothing", "there are allowed, anti_affinity"),
        ("explain f.json --blocked capacity:hv0", "nothing is violated at the start"),
        ("explain f.json --drain hv9", "--drain: 'hv9': expected a host of fleet"),
        ("whatif drain f.json hv9", "HOST: 'hv9': expected a host of fleet"),
        ("plan f.json --workers 0", "'0' is not a whole number from 1 to 256"),
        ("plan f.json --seed 1.5", "is not a whole number from 0 to"),
        ("plan f.json --time-limit 10s", "a number of seconds above 0"),
        ("plan f.json --policy defaults", "did you mean default?"),
        ("plan f.json -o f.json", "the output must not be an input"),
        ("verify f.json f.json", "another kind of document"),
        ("explain f.json", "SUBJECT: nothing: expected the name of a VM or a host"),
        ("explain f.json vm1 --to hv9", "there are hv0"),
        ("import --source prom --location x -o o.json", "one of csv, json, libvirt"),
        ("status", "--ledger"),
    ],
)
def test_a_command_line_with_a_mistake(words, said):
    assert said in refused(*words.split())


def test_a_declared_group_without_vms_is_questioned_where_one_of_nearly_that_name_is_not_declared(here):
    rules = [{"rule": "anti_affinity", "level": "host", "at_most": 2}]
    for name, asked in (("wbe", True), ("Web", True), ("web", False), ("cache", False)):
        (here / "g.json").write_text(json.dumps({**FLEET, "groups": [{"id": name, "rules": rules}]}))
        outcome = run("plan", "g.json", "-o", "p.json")
        assert ("no VM is in the group" in outcome.err) is asked, name
        assert run("verify", "g.json", "p.json").code == 0


def test_a_short_name_with_two_letters_swapped_is_near():
    for seed in range(30):
        random = Random(seed)
        name = "".join(random.sample(ascii_lowercase, random.randrange(3, 9)))
        at = random.randrange(len(name) - 1)
        typed = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
        assert nearest(typed, ["zzzzzzzzzzzz", name]) == [name], (typed, name)


def test_where_no_name_is_near_a_few_are_named():
    assert similar_or_some("q", []) == "there is none"
    assert similar_or_some("q", ["ab", "cd"]) == "there are ab, cd"
    assert similar_or_some("q", [f"host{n}" for n in range(1000)]).endswith("host7 and 992 more")


HOSTS_CSV = "id,rack,memory_mib\nhv0,r0,65536\nhv1,r1,65536\n"
VMS_CSV = "id,host,memory_mib,groups\nvm0,hv0,8192,web\nvm1,hv1,8192,web;lose\n"


@pytest.mark.parametrize(
    ("groups", "warned"),
    [
        ("id,rule,level\nweb,anti_affinity,rack\nlose,anti_affinity,rack\n", []),
        (
            "id,rule,level\nweb,anti_affinity,rack\nwbe,anti_affinity,rack\nlose,anti_affinity,rack\n",
            ["no VM is in the group wbe (did you mean web?): what is asked of it is asked of nobody"],
        ),
        (
            "id,rule,level\nweb,anti_affinity,rack\nloose,anti_affinity,rack\n",
            [
                "no VM is in the group loose (did you mean lose?): what is asked of it is asked of nobody",
                "VMs name the group lose (did you mean loose?), which is not declared: "
                "anti-affinity on hosts is assumed",
            ],
        ),
    ],
)
def test_groups_that_match_nothing_are_named_when_they_are_imported(groups, warned, here):
    for name, text in (("hosts", HOSTS_CSV), ("vms", VMS_CSV), ("groups", groups)):
        (here / "tables").mkdir(exist_ok=True)
        (here / "tables" / f"{name}.csv").write_text(text)
    done = run("import", "--source", "csv", "--location", here / "tables", "-o", "made.json", "--json")
    assert done.code == 0
    assert [warning["text"] for warning in done.json.get("warnings", [])] == warned
    assert all(text in done.err for text in warned)


@pytest.mark.parametrize("command", ["check", "plan", "show"])
@pytest.mark.parametrize(
    ("group", "warned"),
    [
        (
            "{id: wbe, rules: [{rule: anti_affinity, level: rack}]}",
            "groups[]: no VM is in the group wbe, and VMs name web, which is not declared: is that this one?",
        ),
        ("{id: wbe}", "o.yaml: groups[0].id: no VM is in the group wbe (did you mean web?): what is asked of it is"),
        ("{id: lost, rules: []}", "o.yaml: groups[0].id: no VM is in the group lost: what is asked of it is"),
        ("{id: wbe, vms: [vm3]}", "o.yaml: groups[0].id: VMs name the group wbe (did you mean web?), which is not"),
        ("{id: we, vms: [vm3]}", "o.yaml: groups[0].id: VMs name the group we (did you mean web?), which is not"),
        ("{id: batch, vms: [vm4]}", ""),
        ("{id: web, vms: [vm4]}", ""),
        ("{id: web-east, vms: [vm4]}", ""),
    ],
)
def test_groups_of_an_overlay_are_questioned_once(group, warned, command, here):
    (here / "o.yaml").write_text(f"format: remora-overlay/1\ngroups: [{group}]\n")
    lines = [line for line in run(command, "f.json", "--overlay", "o.yaml").err.splitlines() if "group" in line]
    assert len(lines) == bool(warned)
    assert all(line.startswith(f"remora: warning: {warned}") for line in lines)


def test_there_are_no_more_hosts_than_one(here):
    one = build.document([build.host("h0", memory=8)], [build.vm("v0", "h0", memory=1)])
    (here / "one.json").write_text(json.dumps(one))
    assert "--any: 2: expected at most the 1 host of fleet" in refused("whatif", "lose", "one.json", "--any", 2)


def test_a_history_that_is_no_text_says_where(here):
    (here / "past.csv").write_bytes(b"time,memory_mib\n2026\xff\n")
    said = refused("whatif", "grow", "f.json", "--history", "past.csv")
    assert "'0xff': expected text in UTF-8 (byte 21 is none: save the file as UTF-8)" in said


def test_an_empty_name_is_a_name(here):
    assert "--blocked: ''" in refused("explain", "f.json", "--blocked", "")


@pytest.mark.parametrize(
    "words",
    [
        ("plan", ""),
        ("check", "f.json", "--policy", ""),
        ("check", "f.json", "--overlay", ""),
        ("plan", "f.json", "-o", ""),
        ("whatif", "place", "f.json", "--request", ""),
    ],
)
def test_an_empty_name_is_no_file(words):
    assert "'' is not the name of a file" in refused(*words)


def test_an_address_is_checked_whoever_is_asked(here):
    (here / "hot.json").write_text(json.dumps(changed(["vms", 2, "demand", "memory_mib"], 65536)))
    run("plan", "hot.json", "-o", "plan.json")
    assert "--prometheus" in refused("apply", "hot.json", "plan.json", "--prometheus", "nonsense")


def test_a_report_whose_ending_says_nothing_is_refused_before_anything_is_read(here):
    assert "by its ending" in refused("whatif", "lose", "nofile.json", "--report", "x.json")


@pytest.mark.parametrize(("ending", "unpack"), [("gz", gzip.decompress), ("xz", lzma.decompress)])
def test_a_report_may_be_packed(ending, unpack, here):
    assert run("check", "f.json", "--report", f"r.html.{ending}").code == 0
    assert run("check", "f.json", "--report", f"r.svg.{ending}").code == 0
    assert unpack((here / f"r.html.{ending}").read_bytes()).lower().startswith(b"<!doctype html")
    assert unpack((here / f"r.svg.{ending}").read_bytes()).startswith(b"<svg")


def test_the_ending_of_a_report_may_be_in_capitals(here):
    assert run("check", "f.json", "--report", "R.SVG").code == 0
    assert (here / "R.SVG").read_text().startswith("<svg")


def test_a_ledger_that_is_only_read_need_not_be_writable(here, monkeypatch):
    """A directory that is read-only, as that of a container: whoever writes no ledger is not refused for it."""
    (here / "hot.json").write_text(json.dumps(changed(["vms", 2, "demand", "memory_mib"], 65536)))
    run("plan", "hot.json", "-o", "plan.json")
    monkeypatch.setattr(os, "access", lambda path, mode, **_: mode != os.W_OK)
    assert run("plan", "hot.json").code == 0
    assert run("apply", "hot.json", "plan.json").code == 0
    said = refused("apply", "hot.json", "plan.json", "--act")
    assert "remora-ledger.sqlite: 'a place that may not be written': expected a Remora ledger" in said
    assert "name a file that may be written" in said
    assert "may not be written" in refused("plan", "hot.json", "-o", "other.json")


def test_a_stop_file_that_cannot_be_written_is_named(here):
    said = refused("stop", "--reason", "x", "--stop-file", "nodir/stop")
    assert "nodir/stop: 'No such file or directory': expected a stop file that can be written" in said


@pytest.mark.parametrize("where", ["fleet", "overlay"])
@pytest.mark.parametrize("command", ["check", "plan"])
@pytest.mark.parametrize(("named", "asked"), [("web-fronted", True), ("web-frontend", False), ("batch", False)])
def test_a_misspelt_group_beside_a_declared_one_with_vms_is_questioned(where, command, named, asked, here):
    vms = [build.vm("w0", "h0", memory=1, groups=["web-frontend"]), build.vm("w1", "h1", memory=1)]
    if where == "fleet":
        vms[1]["groups"] = [named]
    hosts = [build.host(name, memory=100) for name in ("h0", "h1")]
    declared = [{"id": "web-frontend", "rules": [{"rule": "anti_affinity"}]}]
    (here / "g.json").write_text(json.dumps(build.document(hosts, vms, groups=declared)))
    (here / "g.yaml").write_text(f"format: remora-overlay/1\nvms:\n  w1: {{groups: [{named}]}}\n")
    more = ["--overlay", "g.yaml"] if where == "overlay" else []
    text = (
        "VMs name the group web-fronted (did you mean web-frontend?), which is not declared: "
        "anti-affinity on hosts is assumed"
    )
    assert (f"remora: warning: vms[].groups: {text}" in run(command, "g.json", *more).err) == asked
    said = [w["text"] for w in run(command, "g.json", *more, "--json").json.get("warnings", [])]
    assert (text in said) == asked
