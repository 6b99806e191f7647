"""The everyday switches on the command line: plan, verify, apply and explain under one scope."""

from __future__ import annotations

import json
import re
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.build import document, host, vm
from tests.command_line import refused, run, write

if TYPE_CHECKING:
    from pathlib import Path


def two_overloaded() -> dict[str, Any]:
    """h0 and h1 are over by one VM each, two VMs of a group share h2, and h3 to h5 have room."""
    hosts = [host(f"h{i}", memory=8192, rack=f"r{i // 3}") for i in range(6)]
    vms = [vm(f"v{h}-{i}", f"h{h}", memory=3072) for h in (0, 1) for i in range(3)]
    return document(hosts, [*vms, *(vm(f"w{i}", "h2", memory=1024, groups=["web"]) for i in range(2))])


def planned(tmp_path: Path, of: dict[str, Any], *switches: object) -> dict[str, Any]:
    """Plan under switches; verify and a dry run of apply have to agree."""
    fleet, plan = write(tmp_path / "fleet.json", of), tmp_path / "plan.json"
    made = run("plan", fleet, *switches, "-o", plan, "--json", "--time-limit", 10)
    assert made.code in (0, 1), made
    verdict = run("verify", fleet, plan)
    assert verdict.code == 0, verdict.out
    ledger = tmp_path / "ledger.sqlite"
    assert run("apply", fleet, plan, "--ledger", ledger).code == 0
    assert run("explain", fleet, "--plan", plan).code == 0
    read: dict[str, Any] = json.loads(plan.read_text())
    assert read == made.json
    return read


def ends(plan: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((m["from"], m["to"]) for m in plan["moves"])


def test_without_switches_a_plan_has_no_scope(tmp_path: Path) -> None:
    plan = planned(tmp_path, two_overloaded())
    assert "scope" not in plan
    assert {m["from"] for m in plan["moves"]} == {"h0", "h1", "h2"}


@pytest.mark.parametrize(
    ("name", "said", "sources"),
    [
        ("h0", "host:h0", {"h0"}),
        ("capacity", "rule:capacity", {"h0", "h1"}),
        ("web", "group:web", {"h2"}),
        ("rack:r0", "rack:r0", {"h0", "h1", "h2"}),
        ("h[01]", "host:h[01]", {"h0", "h1"}),
        ("rule:anti*", "rule:anti*", {"h2"}),
        ("h5", "host:h5", set()),
    ],
)
def test_only_fixes_what_is_named(tmp_path: Path, name: str, said: str, sources: set[str]) -> None:
    plan = planned(tmp_path, two_overloaded(), "--only", name)
    assert plan["scope"] == {"only": [said]}
    assert {m["from"] for m in plan["moves"]} == sources


def test_only_twice_fixes_both(tmp_path: Path) -> None:
    plan = planned(tmp_path, two_overloaded(), "--only", "h0", "--only", "web")
    assert {m["from"] for m in plan["moves"]} == {"h0", "h2"}


def test_sources_and_targets_and_excluded_vms(tmp_path: Path) -> None:
    plan = planned(tmp_path, two_overloaded(), "--from", "h0", "--from", "h1", "--to", "h5", "--exclude", "v0-*")
    assert ends(plan) == [("h1", "h5")]
    assert {r["subject"] for r in plan["remaining"]} == {"h0", "web"}


def test_all_together(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("h0\nrack:r1\n")
    switches = (
        "--drain",
        "h0",
        "--drain",
        "h1",
        "--only",
        "web",
        "--max-moves",
        4,
        "--max-gib",
        100,
        "--exclude",
        "w0",
    )
    plan = planned(tmp_path, two_overloaded(), *switches, "--to", f"@{tmp_path / 'names'}")
    assert plan["scope"] == {
        "drain": ["h0", "h1"],
        "exclude": ["w0"],
        "only": ["group:web"],
        "to": ["h0", "rack:r1"],
        "max_moves": 4,
        "max_gib": 100,
        "whole": True,
    }
    assert [m["from"] for m in plan["moves"]].count("h2") == 1
    assert len(plan["moves"]) == 4
    assert {m["to"] for m in plan["moves"]} <= {"h3", "h4", "h5"}
    (left,) = plan["remaining"]
    assert left["rule"] == "--drain"
    assert left["deferred"] == "--max-moves: at most 4 moves"


def test_a_page_says_its_scope_first_and_what_is_deferred(tmp_path: Path) -> None:
    fleet = write(tmp_path / "fleet.json", two_overloaded())
    switches = ("--drain", "h0", "--drain", "h1", "--only", "h5", "--max-moves", "3")
    page = run("plan", fleet, *switches).out.splitlines()
    assert page[0] == "scope: drain h0, h1; only host:h5; at most 3 moves"
    assert "cannot" not in page[1]
    assert "1 host is deferred" in page[1]
    assert page[2] == "outside the scope: 2 violations, left as found"
    one = r"deferred: 1 host \(h[01]\), emptied in later runs: --max-moves: at most 3 moves"
    assert re.fullmatch(one, page[3])


CHANGES: dict[str, Any] = {
    "drain": ["h1"],
    "exclude": ["v1-0"],
    "only": ["rule:capacity"],
    "from": ["h1"],
    "to": ["h4"],
    "max_moves": 9,
    "max_gib": 1,
    "whole": False,
    "begun": ["h0"],
}


@pytest.mark.slow
@pytest.mark.parametrize("field", [*CHANGES, "scope"])
@pytest.mark.parametrize("renamed", [False, True])
def test_a_scope_that_was_tampered_with_is_refused(tmp_path: Path, field: str, renamed: bool) -> None:
    fleet, path = write(tmp_path / "fleet.json", two_overloaded()), tmp_path / "plan.json"
    switches = ("--drain", "h0", "--drain", "h1", "--exclude", "w0", "--max-moves", 3, "--only", "web")
    assert run("plan", fleet, *switches, "-o", path).code == 1
    plan = json.loads(path.read_text())
    if field == "scope":
        del plan["scope"]
    else:
        plan["scope"][field] = CHANGES[field]
    if renamed and field in ("exclude", "only", "to", "max_gib", "begun", "max_moves"):
        pytest.skip("under another name this may be another plan that holds")
    plan["id"] = "mine" if renamed else plan["id"]
    write(path, plan)
    assert run("verify", fleet, path).code == 1
    assert run("apply", fleet, path, "--ledger", tmp_path / "l.sqlite", "--act").code == 4
    assert not (tmp_path / "after").exists()


@pytest.mark.parametrize("move", [("w0", "h2", "h5"), ("w1", "h2", "h0")])
def test_moves_outside_the_scope_are_found(tmp_path: Path, move: tuple[str, str, str]) -> None:
    fleet, path = write(tmp_path / "fleet.json", two_overloaded()), tmp_path / "plan.json"
    switches = ("--only", "web", "--exclude", "w0", "--from", "h2", "--to", "h5", "--max-moves", "1")
    assert run("plan", fleet, *switches, "-o", path).code == 0
    plan = json.loads(path.read_text())
    (only,) = plan["moves"]
    only["vm"], only["from"], only["to"] = move
    plan["id"] = "mine"
    write(path, plan)
    findings = run("verify", fleet, path, "--json")
    assert findings.code == 1
    assert any(f["code"] == "hard" and f["where"].startswith("--") for f in findings.json["findings"])


def test_names_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    fleet = write(tmp_path / "fleet.json", two_overloaded())
    assert "did you mean v0-0?" in refused("plan", fleet, "--exclude", "v00")
    assert "'h9'" in refused("plan", fleet, "--drain", "h9")
    assert "did you mean rack:r0?" in refused("plan", fleet, "--from", "rack:R0")
    assert "did you mean web?" in refused("plan", fleet, "--only", "wb")
    assert "--to" in refused("plan", fleet, "--to", "nowhere*", "--json")


# -- what a cron job is told -----------------------------------------------------------------------------------------


def test_exit_codes_tell_apart(tmp_path: Path) -> None:
    fine = write(
        tmp_path / "fine.json", document([host("h0", memory=8), host("h1", memory=8)], [vm("v", "h0", memory=1)])
    )
    broken = write(tmp_path / "broken.json", two_overloaded())

    def code(*words: object) -> int:
        return run("plan", *words, "--exit-code").code

    assert code(fine) == 0
    assert code(broken) == 10
    assert code(broken, "--exclude", "v*") == 11  # one move to make, and two hosts stay over
    assert code(broken, "--only", "h5") == 0
    assert code(fine, "--drain", "h0") == 10
    assert code(broken, "--drain", "h0", "--drain", "h1", "--max-moves", 4) == 10  # hosts and the group wait
    assert code(broken, "--drain", "h0", "--drain", "h1", "--max-moves", 4, "--only", "web") == 10
    assert code(fine, "--drain", "h0", "--max-moves", 0) == 11  # nothing moves, and something waits


# -- anything goes ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_any_switches_together_make_a_plan_that_holds(tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    hosts = [
        host(f"h{i}", memory=8192, rack=f"r{i // 2}", state=rng.choice(("active",) * 6 + ("draining",)))
        for i in range(6)
    ]
    vms = [
        vm(f"v{i}", f"h{rng.randrange(6)}", memory=rng.choice((1024, 2048, 3072)), groups=[f"g{i}"] * (i < 2))
        for i in range(10)
    ]
    for i in range(4):
        vms[rng.randrange(10)]["groups"] = [f"g{i % 2}"]
    some: list[object] = []
    for switch, names in (
        ("--drain", ["h0", "h1", "rack:r1", "h[45]"]),
        ("--exclude", ["v0", "v1", "v[78]"]),
        ("--only", ["capacity", "g0", "host:h2", "rack:r0"]),
        ("--from", ["rack:r0", "h3", "h*"]),
        ("--to", ["h5", "rack:r1", "h?"]),
    ):
        for name in rng.sample(names, rng.choice((0, 0, 1, 2))):
            some += [switch, name]
    some += ["--max-moves", rng.randint(0, 6)] * rng.choice((0, 1)) + ["--max-gib", rng.randint(0, 9)] * rng.choice(
        (0, 1)
    )
    plan = planned(tmp_path, document(hosts, vms), *some)
    most = plan.get("scope", {}).get("max_moves")
    assert most is None or len(plan["moves"]) <= most
