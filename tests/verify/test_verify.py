"""Valid plans pass; of every kind of tampering, `verify` says by its own code what is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.fleet import copied_mib
from optimizer.parameters import Exhaustive, Parameters, Whole
from optimizer.pipeline import Request, make_plan
from optimizer.plan import Batch, PlannedMove, Reason, Remaining, Status, Unevaluated
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

Tamper = tuple[str, str, "Callable[[Plan], Plan]"]


def two_full_hosts() -> Fleet:
    """h0 and h1 each hold 4 GiB too much memory; every VM that has to leave finds room on h2, h3. h4 stays so."""
    return fleet(
        [
            *(host(f"h{i}", memory=16, rack=f"r{i}") for i in range(4)),
            host("h4", memory=16, rack="r4"),
        ],
        [
            *(vm(f"a{i}", "h0", memory=4) for i in range(5)),
            *(vm(f"b{i}", "h1", memory=4) for i in range(5)),
            vm("c", "h2", memory=4),
            vm("stays", "h4", memory=20, mobility="none"),
        ],
    )


def a_chain() -> Fleet:
    """v has to leave h0 for h1, the only other host of its pool, whose w has to go first."""
    return fleet(
        [
            host("h0", memory=8, labels={"pool": "p"}),
            host("h1", memory=8, labels={"pool": "p"}),
            host("h2", memory=8, rack="r1"),
            host("h3", memory=8, rack="r1"),
        ],
        [
            vm("u", "h0", memory=6, mobility="none"),
            vm("v", "h0", memory=5, requires={"pool": ["p"]}),
            vm("w", "h1", memory=5),
            vm("z", "h3", memory=3),
        ],
    )


BY_REFUTATION = Parameters(whole=Whole(enabled=False), exhaustive=Exhaustive(enabled=False))
"""As if the fleet were too large for the complete model and for looking at everything."""


def made(snapshot: Fleet, parameters: Parameters | None = None) -> Plan:
    request = Request(seconds=10, deterministic=True, parameters=parameters or Parameters())
    return make_plan(snapshot, policy(), request)


def by_hand(snapshot: Fleet, steps: list[tuple[str, str, str, list[int]]]) -> Plan:
    """Say in the words of a plan: each step is (VM, from, to, the steps it waits for), one batch each."""
    moves = tuple(
        PlannedMove(
            id=f"m{i + 1:04d}",
            vm=name,
            source=source,
            target=target,
            after=tuple(f"m{p + 1:04d}" for p in after),
            batch=i + 1,
            staging=any(later[0] == name for later in steps[i + 1 :]),
            seconds=0.1,
            copied_mib=int(copied_mib(snapshot)[snapshot.vm_index[name]]),
        )
        for i, (name, source, target, after) in enumerate(steps)
    )
    batches = tuple(Batch(m.batch, (m.id,), m.seconds) for m in moves)
    return replace(made(snapshot), moves=moves, batches=batches)


def codes(snapshot: Fleet, plan: Plan) -> set[str]:
    return {f.code for f in verify(snapshot, policy(), plan).findings}


def change(plan: Plan, number: int, **fields: Any) -> Plan:
    moves = list(plan.moves)
    moves[number] = replace(moves[number], **fields)
    return replace(plan, moves=tuple(moves))


def proof_with(plan: Plan, **fields: Any) -> Plan:
    return replace(plan, proof=(replace(plan.proof[-1], **fields),))


def stage_with(plan: Plan, stage: str, **fields: Any) -> Plan:
    return replace(plan, objective=tuple(replace(s, **fields) if s.stage == stage else s for s in plan.objective))


def part_with(plan: Plan, **fields: Any) -> Plan:
    return proof_with(plan, parts=(replace(plan.proof[-1].parts[0], **fields),))


def first_batch_with(plan: Plan, **fields: Any) -> Plan:
    return replace(plan, batches=(replace(plan.batches[0], **fields), *plan.batches[1:]))


INVENTED = Reason("capacity", "h2", 9, 8, "memory_mib")
LEFT = Remaining("capacity", "h0", 1, "", "")


def swap_moves(plan: Plan) -> Plan:
    """Put both moves into the first batch."""
    first, second = plan.moves
    batch = Batch(1, (first.id, second.id), max(first.seconds, second.seconds))
    return replace(change(plan, 1, batch=1), batches=(batch,))


CHAIN: list[Tamper] = [
    ("another fleet", "foreign", lambda p: replace(p, fleet="other")),
    ("an older snapshot", "taken_at", lambda p: replace(p, taken_at=p.taken_at - timedelta(hours=1))),
    ("a changed snapshot", "fleet_digest", lambda p: replace(p, fleet_digest="sha256:0")),
    ("another policy", "policy_digest", lambda p: replace(p, policy_digest="sha256:0")),
    ("a longer life", "expiry", lambda p: replace(p, expires_at=p.expires_at + timedelta(hours=1))),
    ("an unknown VM", "unknown_vm", lambda p: change(p, 0, vm="nobody")),
    ("an unknown host", "unknown_host", lambda p: change(p, 0, target="nowhere")),
    ("one name for two moves", "move_id", lambda p: change(p, 1, id="m0001", after=())),
    ("waiting for no move", "after_unknown", lambda p: change(p, 1, after=("m0009",))),
    ("waiting in a circle", "after_cycle", lambda p: change(p, 0, after=("m0002",))),
    ("a move to itself", "no_move", lambda p: change(p, 0, target="h1")),
    ("a VM from elsewhere", "source", lambda p: change(p, 0, source="h3")),
    ("a hop that is none", "staging", lambda p: change(p, 0, staging=True)),
    ("less to copy", "copied_mib", lambda p: change(p, 0, copied_mib=1)),
    ("a faster move", "seconds", lambda p: change(p, 0, seconds=0.01)),
    ("a move in no batch", "batch", lambda p: replace(p, batches=p.batches[:1])),
    ("a move in two batches", "batch", lambda p: replace(p, batches=(*p.batches, replace(p.batches[0], batch=3)))),
    ("batches out of number", "batch", lambda p: replace(p, batches=p.batches[::-1])),
    ("batches that forget what waits", "batch_order", swap_moves),
    ("a shorter batch", "batch_seconds", lambda p: first_batch_with(p, seconds=9.0)),
    ("no waiting", "unsafe", lambda p: change(p, 1, after=())),
    ("a host that may not receive", "hard", lambda p: change(p, 1, target="h3")),
    ("a full host", "unsafe", lambda p: change(p, 0, target="h0")),
    ("a stage left out", "stages", lambda p: replace(p, objective=p.objective[1:])),
    ("a better value", "value", lambda p: stage_with(p, "moving", value=1, bound=1)),
    ("a better placement", "value", lambda p: stage_with(p, "placement", value=1)),
    ("a bound above the value", "bound", lambda p: stage_with(p, "moving", bound=3)),
    ("a modest status", "status", lambda p: replace(p, status=Status.FEASIBLE)),
    ("nothing to do", "status", lambda p: replace(p, status=Status.NOTHING_TO_DO)),
    ("a reason out of the air", "reason", lambda p: change(p, 0, reasons=(INVENTED,))),
    ("a milder reason", "reason", lambda p: change(p, 1, reasons=(replace(p.moves[1].reasons[0], value=9),))),
    ("something that does not remain", "remaining", lambda p: replace(p, remaining=(LEFT,))),
    ("more that was not evaluated", "not_evaluated",
     lambda p: replace(p, not_evaluated=(Unevaluated("capacity", "x", 1),))),
    ("less that was not evaluated", "not_evaluated", lambda p: replace(p, not_evaluated=())),
    ("no proof", "proof_missing", lambda p: replace(p, proof=())),
    ("a proof of something else", "proof_bound", lambda p: proof_with(p, bound=1)),
    ("an argument that nobody knows", "proof_kind", lambda p: part_with(p, by="faith")),
    ("a model that proves less", "proof_sum", lambda p: part_with(p, at_least=1)),
    ("a proof about strangers", "proof_unknown", lambda p: part_with(p, vms=("x",))),
    ("a move left out", "value", lambda p: replace(p, moves=p.moves[:1], batches=p.batches[:1])),
    ("only the move that makes room", "no_better", lambda p: replace(p, moves=p.moves[:1], batches=p.batches[:1])),
]  # fmt: skip

DISKS: list[Tamper] = [
    ("what remains kept quiet", "remaining", lambda p: replace(p, remaining=())),
    ("less remains", "remaining", lambda p: replace(p, remaining=(replace(p.remaining[0], excess=1),))),
    ("too many at once", "batch_limit", lambda p: change(p, 1, target=p.moves[0].target)),
    ("twice the same part", "proof_overlap", lambda p: proof_with(p, parts=(*p.proof[-1].parts, p.proof[-1].parts[0]))),
    ("a part that asks too much", "proof_part", lambda p: proof_with(p, parts=tuple(
        replace(q, curve=tuple((2 * c, h) for c, h in q.curve)) for q in p.proof[-1].parts), bound=4)),
    ("a bound that the parts do not reach", "proof_sum", lambda p: replace(proof_with(p, bound=3), proof=(
        p.proof[0], replace(p.proof[-1], bound=3)))),
    ("harm that could be repaired", "proof_part", lambda p: replace(p, proof=(
        replace(p.proof[0], bound=500, parts=(replace(p.proof[0].parts[0], at_least=500),)), p.proof[1]))),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("code", "tamper"), [t[1:] for t in CHAIN], ids=[t[0] for t in CHAIN])
def test_tampering_with_a_chain_is_found(code: str, tamper: Callable[[Plan], Plan]) -> None:
    assert code in codes(a_chain(), tamper(made(a_chain())))


@pytest.mark.parametrize(("code", "tamper"), [t[1:] for t in DISKS], ids=[t[0] for t in DISKS])
def test_tampering_with_what_remains_is_found(code: str, tamper: Callable[[Plan], Plan]) -> None:
    assert code in codes(two_full_hosts(), tamper(made(two_full_hosts())))


@pytest.mark.slow
def test_an_expired_plan_is_found_where_the_time_is_known() -> None:
    snapshot = a_chain()
    plan = made(snapshot)
    late = verify(snapshot, policy(), plan, now=plan.expires_at)
    assert [f.code for f in late.findings] == ["expired"]
    assert verify(snapshot, policy(), plan, now=plan.expires_at - timedelta(seconds=1)).holds


@pytest.mark.slow
def test_on_a_later_snapshot_a_plan_may_be_older_than_it_and_not_from_the_future() -> None:
    """Carried out later, a plan that was made before its snapshot is as usual; one that will be made is a fault."""
    snapshot = a_chain()
    plan, hour = made(snapshot), timedelta(hours=1)
    late = replace(snapshot, taken_at=plan.made_at + hour)

    def found(of: Fleet, latest: datetime, *, later: bool) -> set[str]:
        return {f.code for f in verify(of, policy(), plan, latest=latest, later=later).findings}

    assert "made_at" in found(late, late.taken_at, later=False)
    assert not found(late, late.taken_at, later=True)
    for later in (False, True):
        assert "made_in_future" in found(snapshot, plan.made_at - hour, later=later)


@pytest.mark.slow
def test_a_vm_that_moves_twice_waits_for_itself() -> None:
    snapshot = a_chain()
    steps = [("w", "h1", "h3", []), ("w", "h3", "h2", [0]), ("v", "h0", "h1", [0])]
    assert "chain" not in codes(snapshot, by_hand(snapshot, steps))
    forgetful = [steps[0], ("w", "h3", "h2", []), steps[2]]
    assert "chain" in codes(snapshot, by_hand(snapshot, forgetful))


def test_the_message_names_the_state_that_is_unsafe() -> None:
    snapshot = a_chain()
    found = [f for f in verify(snapshot, policy(), change(made(snapshot), 1, after=())).findings if f.code == "unsafe"]
    assert [f.where for f in found] == ["capacity:h1 memory_mib", "eligible:h1 memory_mib"]
    assert all("v to h1 in flight" in f.message for f in found)


def test_two_anti_affine_vms_that_meet_on_the_way_are_found_by_the_rules_too() -> None:
    snapshot = fleet(
        [host(f"h{i}", memory=8) for i in range(3)],
        [vm("a", "h0", memory=1, groups=["g"]), vm("b", "h1", memory=1, groups=["g"])],
    )
    plan = by_hand(snapshot, [("a", "h0", "h1", []), ("b", "h1", "h0", [])])
    found = verify(snapshot, policy(), plan)
    assert {"unsafe", "no_better"} <= {f.code for f in found.findings}


def one_that_has_to_make_way() -> Fleet:
    """h0 is over by a VM of 3, which h1 and h2 have room for only where the VM of 1 goes away first."""
    places = [("h0", 3), ("h0", 3), ("h1", 2), ("h1", 1), ("h2", 3)]
    return fleet(
        [host("h0", memory=3), host("h1", memory=5), host("h2", memory=4)],
        [vm(f"v{i}", at, memory=size) for i, (at, size) in enumerate(places)],
    )


@pytest.mark.slow
def test_a_plan_whose_bound_was_refuted_up_to_its_value_holds_and_is_computed_again() -> None:
    snapshot = one_that_has_to_make_way()
    plan = made(snapshot, BY_REFUTATION)
    assert plan.status is Status.OPTIMAL
    (proof,) = (p for p in plan.proof if p.stage == "moving")
    assert [(part.by, part.at_least) for part in proof.parts] == [("refuted", 2)]
    verdict = verify(snapshot, policy(), plan)
    assert verdict.findings == ()
    assert not any("not recomputed" in note for note in verdict.notes)


@pytest.mark.slow
def test_a_refuted_bound_that_is_too_high_is_found() -> None:
    snapshot = one_that_has_to_make_way()
    plan = made(snapshot, BY_REFUTATION)
    high = tuple(
        replace(p, bound=3, parts=(replace(p.parts[0], at_least=3),)) if p.stage == "moving" else p for p in plan.proof
    )
    assert "proof_part" in {f.code for f in verify(snapshot, policy(), replace(plan, proof=high)).findings}


def test_what_was_said_of_a_clean_fleet_is_not_passed_in_silence() -> None:
    plan = made(two_full_hosts())
    verdict = verify(two_full_hosts(), policy(), replace(plan, stats={**plan.stats, "clean_displaces_at_least": 3}))
    assert any("clean_displaces_at_least: not recomputed" in note for note in verdict.notes)


@pytest.mark.slow
def test_valid_plans_hold() -> None:
    for snapshot in (two_full_hosts(), a_chain()):
        verdict = verify(snapshot, policy(), made(snapshot))
        assert verdict.findings == ()
        assert verdict.notes == ()
        assert verdict.recomputed["moving"] == verdict.recomputed["bound:moving"] == 2


def test_the_plans_of_these_tests_are_what_they_should_be() -> None:
    plan = made(two_full_hosts())
    assert plan.status is Status.OPTIMAL
    assert len(plan.moves) == 2
    assert len(plan.remaining) == 1
    assert {p.by for proof in plan.proof for p in proof.parts} == {"own minimum", "irreducible"}
    chained = made(a_chain())
    assert [len(m.after) for m in chained.moves] == [0, 1]
