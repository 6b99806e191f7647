"""Names that match nothing: wherever one may stand in a policy, it is an error, or a warning that names it."""

import random
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from constraints import CATALOGUE, SHIPPED
from optimizer.problem.names import unclassed
from tests.command_line import refused, run, write

HOSTS = ["hv00.fra1.example.net", "hv01.fra1.example.net", "hv02.fra1.example.net"]

FLEET = {
    "format": "remora-fleet/1",
    "fleet": "f",
    "taken_at": "2026-01-01T00:00:00Z",
    "resources": [{"name": "memory_mib", "copied": True}, {"name": "cpu_millicores", "copied": False}],
    "levels": ["host", "rack"],
    "hosts": [
        {
            "id": name,
            "domains": {"rack": f"room-7/rack-{n}"},
            "capacity": {"memory_mib": 65536, "cpu_millicores": 32000},
            "labels": {"pool": "blue-pool", "generation": "gen-9"},
        }
        for n, name in enumerate(HOSTS)
    ],
    "vms": [
        {
            "id": f"customer-{n}",
            "host": HOSTS[n],
            "demand": {"memory_mib": 4096, "cpu_millicores": 1000},
            "owner": f"u{n}",
            "groups": [("databases", "caches", "webservers")[n]],
            "labels": {"environment": "production"},
        }
        for n in range(3)
    ],
}

POLICY = {
    "format": "remora-policy/1",
    "name": "p",
    "rules": [
        {"rule": "capacity", "resources": ["memory_mib", "cpu_millicores"],
         "overcommit": [{"resource": "cpu_millicores", "ratio": "2", "labels": {"pool": "blue-pool"}}]},
        {"rule": "headroom", "resource": "memory_mib",
         "by_label": [{"labels": {"generation": "gen-9"}, "alert": 0.9, "safe": 0.8}]},
        {"rule": "anti_affinity", "by": "label", "label": "environment", "level": "rack", "at_most": 3},
        {"rule": "spread", "by": "owner", "level": "rack", "at_least": 1},
        {"rule": "apart", "pairs": [["databases", "caches"]], "level": "rack"},
        {"rule": "allowed", "pinned": ["customer-0", "customer-2"], "pinned_labels": [{"environment": "production"}]},
        {"rule": "maintenance", "hosts": [HOSTS[1]], "domains": {"rack": ["room-7/rack-1"]}},
        {"rule": "budget", "limits": [{"per": "pool", "label": "pool", "moves": 5},
                                      {"per": "label", "label": "environment", "moves": 5},
                                      {"per": "source", "level": "rack", "gib": 500}]},
        {"rule": "eligible",
         "overcommit": [{"resource": "memory_mib", "ratio": "1.5", "labels": {"pool": "blue-pool"}}]},
    ],
    "concurrency": {"per_domain": {"rack": 2}},
}  # fmt: skip

NAMES = {
    *HOSTS, "rack", "room-7/rack-1", "memory_mib", "cpu_millicores", "pool", "blue-pool", "generation", "gen-9",
    "environment", "production", "databases", "caches", "customer-0", "customer-2",
}  # fmt: skip
WORDS = {"remora-policy/1", "p", "2", "1.5", "label", "owner", "pool", "source", *CATALOGUE}


def places(value, path=""):
    """Every place of the policy where a name of the fleet stands, as a path and as the key or value there."""
    if isinstance(value, dict):
        for key, inner in value.items():
            at = f"{path}.{key}" if path else key
            if (key in NAMES and not path.startswith("rules")) or (
                key in NAMES and ("labels" in path or "domains" in path)
            ):
                yield at, (value, key, "key")
            if key not in ("rule", "by", "per", "ratio", "name", "format"):
                yield from places(inner, at) if not isinstance(inner, str) else [(at, (value, key, "value"))]
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            at = f"{path}[{i}]"
            yield from places(inner, at) if not isinstance(inner, str) else [(at, (value, i, "value"))]


def spoilt(policy, number, change):
    """The policy with the name at one place changed; the path that has to be named, and the right name."""
    copy = deepcopy(policy)
    path, (holder, key, what) = list(places(copy))[number]
    if what == "value":
        right, holder[key] = holder[key], change(holder[key])
    else:
        right = key
        items = [(change(k) if k == key else k, v) for k, v in holder.items()]
        holder.clear()
        holder.update(items)
        path = f"{path.removesuffix(key)}{change(key)}"
    return copy, path, right


def swap(name):
    at = next(i for i in range(len(name) // 2, len(name) - 1) if name[i] != name[i + 1])
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


CHANGES = {
    "short": lambda name: name[:-1],
    "cut": lambda name: name.split(".")[0] if "." in name else name[:-1],
    "longer": lambda name: name + "x",
    "case": lambda name: name.swapcase(),
    "swapped": swap,
    "invented": lambda name: "qqq" + str(len(name)),
}
COUNT = len(list(places(POLICY)))
CASES = [(number, name) for number in range(COUNT) for name in CHANGES]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    directory = tmp_path_factory.mktemp("names")
    write(directory / "fleet.json", FLEET)
    return directory


def policy_file(directory, policy):
    path = directory / "policy.yaml"
    path.write_text(yaml.safe_dump(policy, sort_keys=False))
    return path


def test_the_policy_as_it_stands_is_accepted(here):
    assert COUNT >= 24
    outcome = run("check", here / "fleet.json", "--policy", policy_file(here, POLICY))
    assert outcome.code in (0, 1)
    assert outcome.err == ""


@pytest.mark.parametrize(("number", "change"), CASES)
def test_a_name_that_matches_nothing_is_refused_where_it_stands(here, number, change):
    policy, path, right = spoilt(POLICY, number, CHANGES[change])
    line = refused("check", here / "fleet.json", "--policy", policy_file(here, policy))
    assert f"policy.yaml: {path}: " in line
    if change != "invented":
        assert right in line.partition("did you mean ")[2]


@pytest.mark.parametrize(("number", "change"), random.Random(12).sample(CASES, 24))
def test_a_policy_may_say_that_it_is_for_fleets_that_change(here, number, change):
    policy, path, _ = spoilt(POLICY, number, CHANGES[change])
    policy["unknown_names"] = "warn"
    outcome = run("check", here / "fleet.json", "--policy", policy_file(here, policy), "--json")
    assert outcome.code in (0, 1)
    assert [w["where"] for w in outcome.json["warnings"]] == [path]
    assert outcome.err.startswith(f"remora: warning: {path}: ")


def test_every_command_with_a_policy_refuses(here):
    policy = policy_file(here, {**POLICY, "rules": [{"rule": "maintenance", "hosts": ["hv01"]}]})
    good = policy_file(here, POLICY).rename(here / "good.yaml")
    fleet, plan = here / "fleet.json", here / "plan.json"
    assert run("plan", fleet, "--policy", good, "-o", plan, "--time-limit", 5).code in (0, 1)
    policy_file(here, {**POLICY, "rules": [{"rule": "maintenance", "hosts": ["hv01"]}]})
    for words in (
        ("plan", fleet),
        ("check", fleet),
        ("verify", fleet, plan),
        ("apply", fleet, plan, "--ledger", here / "ledger"),
        ("explain", fleet, "customer-0"),
    ):
        for as_json in ((), ("--json",)):
            assert "did you mean hv01.fra1.example.net?" in refused(*words, "--policy", policy, *as_json)


def test_the_plan_keeps_what_was_ignored_and_verify_knows_it(here):
    policy = policy_file(
        here,
        {
            **POLICY,
            "unknown_names": "warn",
            "rules": [{"rule": "capacity"}, {"rule": "maintenance", "hosts": ["gone"]}],
        },
    )
    fleet, plan = here / "fleet.json", here / "warned.json"
    outcome = run("plan", fleet, "--policy", policy, "-o", plan, "--json")
    (warning,) = outcome.json["warnings"]
    assert warning["code"] == "unknown_name"
    assert warning["where"] == "rules[1].hosts[0]"
    assert "'gone' is not a host of fleet f" in warning["text"]
    assert run("verify", fleet, plan, "--policy", policy).code == 0
    for lie in ([], [{**warning, "where": "rules[1].hosts[1]"}], [warning, warning]):
        write(plan, {**outcome.json, "warnings": lie})
        verdict = run("verify", fleet, plan, "--policy", policy, "--json")
        assert verdict.code == 1
        assert {f["code"] for f in verdict.json["findings"]} == {"warnings"}


def test_a_fact_that_is_required_and_missing_is_refused(here):
    for rule in (
        {"rule": "journey", "baby_s": 60, "require": ["created_at"]},
        {"rule": "capacity", "require": ["capacity.disk_mib"]},
    ):
        line = refused("check", here / "fleet.json", "--policy", policy_file(here, {**POLICY, "rules": [rule]}))
        assert ".require: " in line


@pytest.mark.parametrize(
    ("rule", "fact"),
    [
        ({"rule": "eligible"}, "error_count"),
        ({"rule": "eligible"}, "owner"),
        ({"rule": "eligible"}, "capacity.disk_mib"),
        ({"rule": "eligible"}, "capacity.memory_mib"),
        ({"rule": "journey"}, "created_at"),
        ({"rule": "journey"}, "history"),
        ({"rule": "budget", "limits": [{"per": "run", "moves": 9}]}, "history"),
        ({"rule": "budget", "limits": [{"per": "run", "moves": 9}]}, "owner"),
    ],
)
def test_what_is_required_has_to_be_there_also_where_no_limit_reads_it(here, tmp_path, rule, fact):
    bare: dict[str, Any] = deepcopy(FLEET)
    for vm in bare["vms"]:
        del vm["owner"]
    for host in bare["hosts"]:
        del host["capacity"]["memory_mib"]
    fleet = write(tmp_path / "bare.json", bare)
    policy = policy_file(tmp_path, {"format": "remora-policy/1", "rules": [{**rule, "require": [fact]}]})
    assert f".require: '{fact}': expected a snapshot that has this fact" in refused("check", fleet, "--policy", policy)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("explain", "FLEET", "hv01"), "hv01.fra1.example.net"),
        (("explain", "FLEET", "Customer_2"), "customer-2"),
        (("explain", "FLEET", "customer-0", "--to", "hv02"), "hv02.fra1.example.net"),
        (("explain", "FLEET", "customer-0", "--to", "hv02.fra1.exmaple.net"), "hv02.fra1.example.net"),
        (("explain", "FLEET", "vm:customer-00"), "customer-0"),
        (("check", "FLEET", "--policy", "defualt"), "default"),
        (("rules", "capasity"), "capacity"),
    ],
)
def test_names_on_the_command_line(here, words, hint):
    assert f"did you mean {hint}" in refused(*[here / "fleet.json" if w == "FLEET" else w for w in words])


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_parameter_of_every_rule_says_whether_it_is_a_name(name):
    """Where this fails: give the parameter a type of `optimizer.problem.names` (HostName, ..., or Word)."""
    assert unclassed(CATALOGUE[name]) == []


@pytest.mark.parametrize("policy", sorted(SHIPPED))
def test_shipped_policies_serve_any_fleet(here, policy, tmp_path):
    bare = {
        "format": "remora-fleet/1",
        "fleet": "bare",
        "taken_at": "2026-01-01T00:00:00Z",
        "resources": [{"name": "tokens", "copied": False}],
        "levels": ["host"],
        "hosts": [{"id": "a", "capacity": {"tokens": 5}}],
        "vms": [{"id": "v", "host": "a", "demand": {"tokens": 1}}],
    }
    fleet = write(tmp_path / "bare.json", bare)
    assert run("check", fleet, "--policy", policy).code == 0
    copied = shutil.copy(SHIPPED[policy], tmp_path / "mine.yaml")
    assert run("check", fleet, "--policy", copied).code == 0
    if "unknown_names: warn" in Path(copied).read_text():
        Path(copied).write_text(Path(copied).read_text().replace("unknown_names: warn", ""))
        assert "a resource of fleet bare (there are tokens)" in refused("check", fleet, "--policy", copied)
