"""The snapshot after moves: VMs where they went, history longer, host overhead where it was."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import numpy as np
import pytest

from optimizer.errors import InputError
from optimizer.fleet import MoveOutcome, PastMove
from optimizer.sources.fleet_after import after_document
from optimizer.sources.fleet_json import fleet_from_document
from tests.sources.samples import full_fleet

END = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)


def past(vm: str, source: str, target: str, outcome: MoveOutcome = MoveOutcome.DONE) -> PastMove:
    start = datetime(2026, 11, 21, 12, 1, tzinfo=UTC).timestamp()
    return PastMove(vm, source, target, start, start + 60, outcome, "remora")


def test_done_moves_the_vm_and_carries_everything_else_along() -> None:
    document = full_fleet()
    after = after_document(document, [past("v0", "h0", "h1")], END)
    assert document == full_fleet()
    fleet = fleet_from_document(after, "after")
    assert fleet.vms.host.tolist() == [1, 1, -1, 0]
    assert fleet.taken_at == END
    assert fleet.history[-1] == past("v0", "h0", "h1")
    assert len(fleet.history) == 3
    changed = {"taken_at", "hosts", "vms", "history"}
    assert {name for name in after if after[name] != document.get(name)} == changed
    assert after["x_source"] == "made by hand"
    assert after["vms"][0] == document["vms"][0] | {"host": "h1"}
    assert after["hosts"][0]["x_serial"] == {"any": ["thing"]}


@pytest.mark.parametrize("outcome", [MoveOutcome.FAILED, MoveOutcome.ABORTED])
def test_a_move_that_did_not_succeed_leaves_the_vm(outcome: MoveOutcome) -> None:
    after = after_document(full_fleet(), [past("v0", "h0", "h1", outcome)], END)
    assert after["vms"] == full_fleet()["vms"]
    assert after["hosts"] == full_fleet()["hosts"]
    assert after["in_flight"] == full_fleet()["in_flight"]
    assert after["history"][-1]["outcome"] == outcome.value


def test_an_unknown_move_stays_in_flight() -> None:
    after = after_document(full_fleet(), [past("v0", "h0", "h1", MoveOutcome.UNKNOWN)], END)
    fleet = fleet_from_document(after, "after")
    assert fleet.vms.host[0] == 0
    assert [(m.vm, m.source, m.target) for m in fleet.in_flight] == [(1, 1, 0), (0, 0, 1)]
    assert after["history"][-1]["outcome"] == "unknown"


def test_hops_are_carried_out_in_order() -> None:
    after = after_document(full_fleet(), [past("v0", "h0", "h1"), past("v0", "h1", "h2")], END)
    assert after["vms"][0]["host"] == "h2"


def test_records_do_as_well_as_objects() -> None:
    objects = after_document(full_fleet(), [past("v0", "h0", "h1")], END)
    assert after_document(full_fleet(), [objects["history"][-1]], END) == objects


@pytest.mark.parametrize(
    ("move", "path"),
    [
        (past("v0", "h1", "h2"), "[0].from"),
        (past("v9", "h0", "h1"), "[0].vm"),
        (past("v2", "h0", "h1"), "[0].from"),
        ({"vm": "v0"}, "[0].from"),
    ],
)
def test_a_move_that_does_not_fit_is_refused(move: object, path: str) -> None:
    with pytest.raises(InputError) as caught:
        after_document(full_fleet(), [move], END)  # type: ignore[list-item]
    assert caught.value.path == path


def test_what_no_vm_explains_stays_with_the_host() -> None:
    """Over random fleets and moves, `unexplained` is the same before and after, so loads are as the plan foresaw."""
    random = Random(5)
    explained = 0
    for _ in range(200):
        document = full_fleet() | {"in_flight": [], "groups": [], "interference": []}
        hosts = ["h0", "h1", "h2"]
        for host in document["hosts"]:
            host["measured"] = {name: random.randrange(300) for name in ("memory_mib", "disk_mib")}
        document["vms"] = [
            {"id": f"v{i}", "host": random.choice(hosts), "demand": {"memory_mib": random.randrange(99), "disk_mib": 5}}
            for i in range(6)
        ]
        moves = []
        for vm in random.sample(document["vms"], 3):
            target = random.choice([h for h in hosts if h != vm["host"]])
            moves.append(past(vm["id"], vm["host"], target, random.choice([MoveOutcome.DONE, MoveOutcome.UNKNOWN])))
        before = fleet_from_document(document, "before")
        after = fleet_from_document(after_document(document, moves, END), "after")
        assert (before.unexplained == after.unexplained).all()
        explained += int((before.unexplained > 0).any() and (before.unexplained[:, 1] == 0).any())
    assert explained > 50


def test_vms_that_use_less_than_sold_keep_the_ratio() -> None:
    document = full_fleet()
    document["hosts"][0]["measured"] = {"memory_mib": 2049}  # of 4096 allocated, and v1 (1 MiB) is on its way
    document["hosts"][1]["measured"] = {"memory_mib": 1}
    after = after_document(document, [past("v0", "h0", "h1")], END)
    assert after["hosts"][0]["measured"] == {"memory_mib": 1}  # 2049 x 1 / 4097, rounded up
    assert after["hosts"][1]["measured"] == {"memory_mib": 1 + 4096}  # as full as allocated: what comes is all used
    assert np.isfinite(fleet_from_document(after, "x").unexplained).all()
