"""Malformed snapshots and plans: each is refused with the path of the field that is wrong."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import InputError
from optimizer.sources.fleet_json import fleet_from_document, read_fleet
from optimizer.sources.plan_json import plan_from_document, read_plan
from tests.sources.samples import full_fleet, full_plan

if TYPE_CHECKING:
    from collections.abc import Callable

DEEP: Any = []
for _ in range(3000):
    DEEP = [DEEP]


class Gone:
    """Stands for: take the field away."""


def put(document: Any, path: str, value: Any) -> None:
    """Set (or take away) what stands at a dotted path."""
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        document = document[part]
    if value is Gone:
        del document[last]
    elif isinstance(document, list) and last == len(document):
        document.append(value)
    else:
        document[last] = value


# where, what, the path in the message if it is not the same, a piece of the message
FLEETS: list[tuple[str, Any, str | None, str]] = [
    ("format", "remora-plan/1", None, "another kind of document"),
    ("format", "remora-fleet/2", None, "another version"),
    ("format", Gone, None, "tag is missing"),
    ("format", ["remora-fleet/1"], None, ""),
    ("hosts", Gone, None, "hosts is missing"),
    ("hosts", [], None, "at least 1"),
    ("hosts", {}, None, "a list"),
    ("hosts.1", None, "hosts[1]", "an object"),
    ("vms", None, None, "a list"),
    ("vmz", [], None, "a known field"),
    ("fleet", "", None, "1 to 256"),
    ("fleet", 7, None, "1 to 256"),
    ("fleet", "a\nb", None, "control characters"),
    ("taken_at", "2026-11-21T12:00:00", None, "with an offset"),
    ("taken_at", "2026-11-21", None, "with an offset"),
    ("taken_at", "2026-02-30T12:00:00Z", None, "with an offset"),
    ("taken_at", "1969-12-31T23:59:59Z", None, "with an offset"),
    ("taken_at", 1763726400, None, "with an offset"),
    ("resources", [], None, "at least 1"),
    ("resources.1.name", "cpu_millicores", "resources[1].name", "resources[0] has it too"),
    ("resources.0.copied", 1, "resources[0].copied", "true or false"),
    ("resources.0.copied", Gone, "resources[0].copied", "missing"),
    ("levels", ["rack", "host", "zone"], "levels[0]", "always the first"),
    ("levels", ["host", "rack", "zone", "rack"], "levels[3]", "once"),
    ("levels", [], None, "at least 1"),
    ("levels.1", "a:b", "levels[1]", "neither : nor |"),
    ("move_within", "zne", None, "did you mean zone?"),
    ("move_within", None, None, "leave the field out"),
    ("hosts.0.id", "", "hosts[0].id", "1 to 256"),
    ("hosts.0.id", "h\x1b[31m0", "hosts[0].id", "control characters"),
    ("hosts.0.id", "\u202eh0", "hosts[0].id", "control characters"),
    ("hosts.0.id", "h" * 257, "hosts[0].id", "1 to 256"),
    ("hosts.0.id", "h1", "hosts[1].id", "hosts[0] has it too"),
    ("hosts.0.id", ["h0"], "hosts[0].id", "1 to 256"),
    ("hosts.0.stat", "active", "hosts[0].stat", "did you mean state?"),
    ("hosts.0.\x1b[2J", 1, "hosts[0]['\\x1b[2J']", "a known field"),
    ("hosts.0.capacity", Gone, "hosts[0].capacity", "missing"),
    ("hosts.0.capacity", [], "hosts[0].capacity", "an object"),
    ("hosts.0.capacity.memory_mib", -1, "hosts[0].capacity.memory_mib", "from 0"),
    ("hosts.0.capacity.memory_mib", 10**30, "hosts[0].capacity.memory_mib", "to 1000000000000"),
    ("hosts.0.capacity.memory_mib", 65536.0, "hosts[0].capacity.memory_mib", "without a decimal point"),
    ("hosts.0.capacity.memory_mib", True, "hosts[0].capacity.memory_mib", "an integer"),
    ("hosts.0.capacity.memory_mib", "64GiB", "hosts[0].capacity.memory_mib", "an integer"),
    ("hosts.0.capacity.memory_mib", float("nan"), "hosts[0].capacity.memory_mib", "an integer"),
    ("hosts.0.capacity.memory_mb", 1, "hosts[0].capacity.memory_mb", "did you mean memory_mib?"),
    ("hosts.2.reserved", {"x_gpu": 1}, "hosts[2].reserved.x_gpu", "a resource that the fleet names"),
    ("hosts.0.overcommit.cpu_millicores", 1000.0, "hosts[0].overcommit.cpu_millicores", "decimal string"),
    ("hosts.0.overcommit.cpu_millicores", "1000", "hosts[0].overcommit.cpu_millicores", "999.999999"),
    ("hosts.0.overcommit.cpu_millicores", "1.1234567", "hosts[0].overcommit.cpu_millicores", "6 decimals"),
    ("hosts.0.overcommit.cpu_millicores", "-1", "hosts[0].overcommit.cpu_millicores", "decimal string"),
    ("hosts.0.overcommit.cpu_millicores", "1.6\n", "hosts[0].overcommit.cpu_millicores", "decimal string"),
    ("hosts.0.overcommit.cpu_millicores", "٣", "hosts[0].overcommit.cpu_millicores", "decimal string"),
    ("hosts.0.overcommit.gpu", "1", "hosts[0].overcommit.gpu", "a resource that the fleet names"),
    ("hosts.0.domains.rack", Gone, "hosts[0].domains", "rack is missing"),
    ("hosts.1.domains", Gone, "hosts[1].domains", "rack is missing"),
    ("hosts.0.domains.row", "a", "hosts[0].domains.row", "one of the levels below host (rack, zone)"),
    ("hosts.0.domains.host", "h0", "hosts[0].domains.host", "one of the levels below host"),
    ("hosts.0.domains.rack", "", "hosts[0].domains.rack", "1 to 256"),
    ("hosts.0.state", "drainning", "hosts[0].state", "did you mean draining?"),
    ("hosts.0.busy", ["create", "create"], "hosts[0].busy[1]", "once"),
    ("hosts.0.busy", "create", "hosts[0].busy", "a list"),
    ("hosts.0.pressure.io", 1.5, "hosts[0].pressure.io", "from 0 to 1"),
    ("hosts.0.pressure.io", float("nan"), "hosts[0].pressure.io", "from 0 to 1"),
    ("hosts.1.pressure", {"io": float("nan")}, "hosts[1].pressure.io", "from 0 to 1"),  # not the first of its column
    ("hosts.0.pressure.disk", 0.5, "hosts[0].pressure.disk", "one of cpu_steal, cpu, io, memory"),
    ("hosts.0.migration_mib_per_s", 0, "hosts[0].migration_mib_per_s", "from 0.001"),
    ("hosts.0.max_vms", -1, "hosts[0].max_vms", "from 0"),
    ("hosts.0.maintenance.0.to", "2026-11-22T00:00:00Z", "hosts[0].maintenance[0].to", "after the window's start"),
    ("hosts.0.labels.cpu", 7003, "hosts[0].labels.cpu", "a label's value"),
    ("vms.0.id", "v1", "vms[1].id", "vms[0] has it too"),
    ("vms.0.id", None, "vms[0].id", "1 to 256"),
    ("vms.0.host", "H0", "vms[0].host", "a host of the fleet"),
    ("vms.0.host", Gone, "vms[0].host", "missing"),
    ("vms.1.host", {"id": "h0"}, "vms[1].host", "or null"),
    ("vms.0.demand.gpus", 1, "vms[0].demand.gpus", "a resource that the fleet names"),
    ("vms.0.demand.memory_mib", 1e308, "vms[0].demand.memory_mib", "an integer"),
    ("vms.0.groups", ["a", "a"], "vms[0].groups[1]", "once"),
    ("vms.0.groups", [""], "vms[0].groups[0]", "1 to 256"),
    ("vms.0.requires.cpu", [], "vms[0].requires.cpu", "at least 1"),
    ("vms.0.requires.cpu", "epyc", "vms[0].requires.cpu", "a list"),
    ("vms.0.forbidden_hosts", ["h3"], "vms[0].forbidden_hosts[0]", "a host of the fleet"),
    ("vms.0.forbidden_hosts", None, "vms[0].forbidden_hosts", "leave the field out"),
    ("vms.0.mobility", "warm", "vms[0].mobility", "one of live, cold, none"),
    ("vms.0.state", "RUNNING", "vms[0].state", "one of running"),
    ("vms.0.noise.io", -0.1, "vms[0].noise.io", "from 0"),
    ("vms.0.dirty_mib_per_s", float("inf"), "vms[0].dirty_mib_per_s", "from 0"),
    ("vms.0.move_cost", -1, "vms[0].move_cost", "from 0"),
    ("vms.0.move_cost", False, "vms[0].move_cost", "a number"),
    ("vms.0.sensitive", "no", "vms[0].sensitive", "true or false"),
    ("vms.0.created_at", "2026-13-01T00:00:00Z", "vms[0].created_at", "with an offset"),
    ("vms.0.owner", None, "vms[0].owner", "leave the field out"),
    ("groups.1.id", "es-leaders", "groups[1].id", "groups[0] has it too"),
    ("groups.0.rules.0.rule", "antiaffinity", "groups[0].rules[0].rule", "did you mean anti_affinity?"),
    ("groups.0.rules.0.rule", Gone, "groups[0].rules[0].rule", "missing"),
    ("groups.0.rules.0.level", "rak", "groups[0].rules[0].level", "did you mean rack?"),
    ("groups.0.rules.0.at_most", 0, "groups[0].rules[0].at_most", "from 1"),
    ("groups.0.rules.0.at_least", 2, "groups[0].rules[0].at_least", "one of rule, level, at_most"),
    ("groups.0.rules.1.at_least", Gone, "groups[0].rules[1].at_least", "missing"),
    ("groups.0.rules.1.weight", 0, "groups[0].rules[1].weight", "from 1 to 1000"),
    ("groups.0.rules.1.hardness", "hard", "groups[0].rules[1].hardness", "one of must, should"),
    ("groups.0.rules.2.with", "batch", "groups[0].rules[2].with", "declared or has VMs"),
    ("groups.0.rules.2.with", "es-leaders", "groups[0].rules[2].with", "another group"),
    ("groups.0.rules.4.with", Gone, "groups[0].rules[4].with", "missing"),
    ("groups.0.rules.3.with", "cache", "groups[0].rules[3].with", "one of rule, level, hardness, weight"),
    ("interference.0.noisy", "v8", "interference[0].noisy", "a VM of the fleet"),
    ("interference.0.suffers", "v1", "interference[0].suffers", "another VM"),
    ("interference.0.score", "high", "interference[0].score", "a number"),
    ("in_flight.0.vm", "gone", "in_flight[0].vm", "a VM of the fleet"),
    ("in_flight.0.vm", "v2", "in_flight[0].vm", "stands at one end"),
    ("in_flight.0.to", "h9", "in_flight[0].to", "a host of the fleet"),
    ("in_flight.0.to", "h1", "in_flight[0].to", "another host"),
    ("in_flight.0.from", "h2", "in_flight[0].vm", "stands at one end"),
    ("in_flight.1", full_fleet()["in_flight"][0], "in_flight[1].id", "has it too"),
    ("in_flight.1", full_fleet()["in_flight"][0] | {"id": "x2"}, "in_flight[1].vm", "in_flight[0] moves it too"),
    ("history.0.outcome", "ok", "history[0].outcome", "one of done"),
    ("history.0.ended_at", "2026-11-20T00:59:59Z", "history[0].ended_at", "not before started_at"),
    ("history_since", "last week", None, "with an offset"),
    ("hosts.0.x_deep", DEEP, "", "can be said in JSON"),
    ("fleet", DEEP, None, "too large to show"),
]

PLANS: list[tuple[str, Any, str | None, str]] = [
    ("format", "remora-fleet/1", None, "another kind of document"),
    ("moves", Gone, None, "missing"),
    ("status", "perfect", None, "one of optimal"),
    ("fleet_digest", "sha256:00", None, "hexadecimal"),
    ("fleet_digest", "sha256:" + "A" * 64, None, "hexadecimal"),
    ("expires_at", None, None, "with an offset"),
    ("objective.1.stage", "harm", "objective[1].stage", "has it too"),
    ("objective.1.value", -1, "objective[1].value", "from 0"),
    ("objective.1.bound", 1.0, "objective[1].bound", "without a decimal point"),
    ("objective.2.gap", 0.0, "objective[2].gap", "the gap of value 1234 and bound 1100"),
    ("objective.2.status", "optimal", "objective[2].status", "feasible, the status of"),
    ("objective.1.bound", 1, "objective[1].gap", "0.5, the gap"),
    ("proof.0.parts.0.at_least", "1", "proof[0].parts[0].at_least", "an integer"),
    ("proof.0.parts.1.curve.0", [1, 2, 3], "proof[0].parts[1].curve[0]", "expected 2 entries"),
    ("proof.0.parts.0.vms", ["v7", "v7"], "proof[0].parts[0].vms[1]", "once"),
    ("moves.0.id", "m0002", "moves[1].id", "moves[0] has it too"),
    ("moves.0.vm", "v\x00", "moves[0].vm", "control characters"),
    ("moves.0.to", "h3", "moves[0].to", "another host"),
    ("moves.0.after", ["m0009"], "moves[0].after[0]", "a move of the plan"),
    ("moves.0.after", ["m0002"], "moves[0].after", "no cycle"),
    ("moves.1.after", ["m0002"], "moves[1].after", "no cycle"),
    ("moves.1.after", ["m0001", "m0001"], "moves[1].after[1]", "once"),
    ("moves.1.after", "m0001", "moves[1].after", "a list"),
    ("moves.1.batch", 1, "moves[1].after[0]", "m0001 is in batch 1"),
    ("moves.1.batch", 3, "batches[1].moves[0]", "it says batch 3"),
    ("moves.1.batch", 0, "moves[1].batch", "from 1"),
    ("moves.0.seconds", -1, "moves[0].seconds", "from 0"),
    ("moves.0.staging", 0, "moves[0].staging", "true or false"),
    ("moves.0.why", "a\x1b[0m", "moves[0].why", "control characters"),
    ("moves.0.reasons.0.limit", None, "moves[0].reasons[0].limit", "an integer"),
    ("moves.0.speed", 1, "moves[0].speed", "one of id, vm"),
    ("batches.0.moves", ["m0001", "m0003"], "batches[0].moves[1]", "did you mean m0002?"),
    ("batches.1.moves", [], "moves[1].batch", "a batch that lists it"),
    ("batches.1.batch", 1, "batches[1].batch", "a number above 1"),
    ("remaining.0.excess", -2, "remaining[0].excess", "from 0"),
    ("not_evaluated.0.vms", 10**30, "not_evaluated[0].vms", "from 0"),
    ("stats", [], None, "an object"),
]


def judge(
    read: Callable[[object, str], object], document: Any, where: str, value: Any, path: str | None, piece: str
) -> None:
    put(document, where, value)
    with pytest.raises(InputError) as caught:
        read(document, "the file")
    error = caught.value
    assert error.where == "the file"
    assert error.path == (where if path is None else path)
    assert piece in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 1000


def name_of(case: tuple[str, Any, str | None, str]) -> str:
    return f"{case[0]}-{case[3]}"[:60].encode("unicode_escape").decode()


@pytest.mark.parametrize(("where", "value", "path", "piece"), FLEETS, ids=map(name_of, FLEETS))
def test_bad_fleets(where: str, value: Any, path: str | None, piece: str) -> None:
    judge(fleet_from_document, full_fleet(), where, value, path, piece)


@pytest.mark.parametrize(("where", "value", "path", "piece"), PLANS, ids=map(name_of, PLANS))
def test_bad_plans(where: str, value: Any, path: str | None, piece: str) -> None:
    judge(plan_from_document, full_plan(), where, value, path, piece)


@pytest.mark.parametrize("document", [None, [], "fleet", 7, True, {}, {"format": None}, {1: 2}, DEEP])
def test_what_is_no_document_at_all(document: object) -> None:
    for read in (fleet_from_document, plan_from_document):
        with pytest.raises(InputError):
            read(document, "x")


def test_a_longer_circle_of_after_is_found() -> None:
    plan = full_plan()
    moves = [plan["moves"][1] | {"id": f"m{i}", "after": [f"m{(i + 1) % 50}"], "batch": 1} for i in range(50)]
    plan |= {"moves": moves, "batches": [{"batch": 1, "moves": [m["id"] for m in moves], "seconds": 1.0}]}
    with pytest.raises(InputError, match="no cycle"):
        plan_from_document(plan, "x")


def test_a_culprit_far_down_a_long_list_is_found() -> None:
    fleet = full_fleet()
    fleet["vms"] += [{"id": f"w{i}", "host": "h0", "demand": {"memory_mib": 1}} for i in range(5000)]
    fleet["vms"][4444]["demand"]["memory_mib"] = -1
    with pytest.raises(InputError) as caught:
        fleet_from_document(fleet, "x")
    assert caught.value.path == "vms[4444].demand.memory_mib"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"format": "remora-fleet/1", // a comment\n}',
        '{"format": NaN}',
        "[" * 100_000,
        "\x00",
        '"remora-fleet/1"',
    ],
)
def test_bad_files(tmp_path, text: str) -> None:
    path = tmp_path / "f.json"
    path.write_text(text)
    for read in (read_fleet, read_plan):
        with pytest.raises(InputError) as caught:
            read(path)
        assert caught.value.where == str(path)


def test_a_truncated_gzip(tmp_path) -> None:
    path = tmp_path / "f.json.gz"
    path.write_bytes(gzip.compress(json.dumps(full_fleet()).encode())[:-20])
    with pytest.raises(InputError, match="damaged or cut off"):
        read_fleet(path)


def test_there_are_enough_of_them() -> None:
    assert len(FLEETS) + len(PLANS) >= 120
