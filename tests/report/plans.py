"""A plan by hand for a tiny fleet: m0001 empties h0 a little, m0002 follows it."""

from dataclasses import replace
from datetime import UTC, datetime

from optimizer.plan import Batch, Part, Plan, PlannedMove, Proof, Reason, Remaining, StageResult, Status, Unevaluated
from tests import build

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def fleet():
    """h0 is 200 MiB over its memory; v0 leaves for h1, which v2 leaves first."""
    hosts = [build.host(f"h{n}", cpu=8000, memory=1000) for n in range(3)]
    vms = [
        build.vm("v0", "h0", cpu=1000, memory=400),
        build.vm("v1", "h0", cpu=1000, memory=800),
        build.vm("v2", "h1", cpu=1000, memory=700),
    ]
    return build.fleet(hosts, vms)


def plan(**changes):
    first = PlannedMove("m0001", "v2", "h1", "h2", (), 1, False, 2.0, 700, (), "makes room on h1")
    reason = Reason("capacity", "h0", 1200, 1000, "memory_mib")
    second = PlannedMove("m0002", "v0", "h0", "h1", ("m0001",), 2, False, 1.0, 400, (reason,), "h0: memory 120 %")
    made = Plan(
        id="p1",
        fleet="tiny",
        taken_at=AT,
        fleet_digest="sha256:0",
        policy_digest="sha256:0",
        made_at=AT,
        expires_at=AT,
        status=Status.FEASIBLE,
        objective=(StageResult("harm", 0, 0), StageResult("moving", 2, 1, "time")),
        proof=(Proof("moving", 1, (Part(("h0",), ("v0", "v1"), 1, "own minimum"),)),),
        moves=(first, second),
        batches=(Batch(1, ("m0001",), 2.0), Batch(2, ("m0002",), 1.0)),
        remaining=(),
        not_evaluated=(Unevaluated("journey", "created_at", vms=3),),
        stats={},
    )
    return replace(made, **changes)


def left_over():
    return Remaining("anti_affinity", "g1", 1, "two of three stay together", "a third host")
