"""Disruption budgets: at most k of a group, an owner or a label at once: in batches, for verify, for apply."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.cautions import refuse_unknown_names
from optimizer.concurrency import Concurrency
from optimizer.disruption import Budget, Budgets
from optimizer.disruption_rule import DisruptionRule
from optimizer.errors import InputError
from optimizer.execute import admission
from optimizer.execute.apply import Applied, apply
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.ledger import open_ledger
from optimizer.execute.states import MoveState
from optimizer.fleet import Move, State
from optimizer.pipeline import Request, make_plan
from optimizer.policy import Policy
from optimizer.problem.atoms import Fixed
from optimizer.sequence.batches import batches
from optimizer.sequence.order import OrderedMove
from optimizer.verify.verdict import Verdict
from optimizer.verify.verify import verify
from tests import build
from tests.execute.plans import move, plan_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

RULES = ("capacity", "anti_affinity", "spread", "together", "needs", "apart", "eligible", "allowed", "maintenance")
WIDE: dict[str, Any] = {"fleet": 50, "per_source": 9, "per_target": 9, "per_domain": {}}


def draining(vms: list[dict[str, Any]], **more: Any) -> Fleet:
    """Return a fleet in which each of these VMs is alone on a host that drains, with as many empty hosts."""
    n = len(vms)
    hosts = [build.host(f"h{i}", memory=100, state="draining" if i < n else "active") for i in range(2 * n)]
    placed = [build.vm(f"v{i}", f"h{i}", memory=10, **vm) for i, vm in enumerate(vms)]
    return build.fleet(hosts, placed, **more)


def in_one_batch(fleet: Fleet, **concurrency: Any) -> list[set[str]]:
    """Plan, have the plan verified, and return the VMs of each batch."""
    policy = build.policy(*RULES, concurrency=WIDE | concurrency)
    plan = make_plan(fleet, policy, Request(seconds=10, deterministic=True))
    assert verify(fleet, policy, plan).findings == ()
    vm = {m.id: m.vm for m in plan.moves}
    assert sorted(vm.values()) == sorted(fleet.vms.ids)
    return [{vm[m] for m in b.moves} for b in plan.batches]


def test_two_replicas_are_never_on_their_way_together() -> None:
    fleet = draining([{"groups": ["svc"]}, {"groups": ["svc"]}])
    assert sorted(map(len, in_one_batch(fleet))) == [1, 1]


GROUPS = [
    {"id": "svc", "rules": [{"rule": "anti_affinity", "level": "host", "at_most": 1}]},
    {"id": "wide", "rules": [{"rule": "spread", "level": "host", "at_least": 2}]},
    {"id": "tags", "rules": []},
]
FOUR = [{"groups": ["svc", "tags"], "owner": "u1", "labels": {"tier": "db"}} for _ in range(4)]


@pytest.mark.parametrize(
    ("concurrency", "largest"),
    [
        ({}, 1),
        ({"per_group": 2}, 2),
        ({"per_group": None}, 4),
        ({"groups": {"svc": 3}}, 3),
        ({"groups": {"svc": 4, "tags": 2}}, 2),
        ({"per_group": None, "groups": {"tags": 1}}, 1),
        ({"per_group": None, "per_owner": 2}, 2),
        ({"per_group": None, "per_label": {"tier": 3}}, 3),
        ({"per_group": None, "per_label": {"zone": 1}}, 4),
        ({"per_group": 3, "per_owner": 2, "per_label": {"tier": 1}}, 1),
    ],
)
def test_what_the_policy_says_is_what_a_batch_holds(concurrency: dict[str, Any], largest: int) -> None:
    fleet = draining(FOUR, groups=GROUPS)
    assert max(map(len, in_one_batch(fleet, **concurrency))) == largest


def test_per_group_is_for_groups_whose_vms_stand_in_for_each_other() -> None:
    fleet = draining([{"groups": ["svc", "wide", "tags", "implicit"], "owner": "u1"}], groups=GROUPS)
    found = list(Budgets(fleet, Concurrency()).of(0))
    assert found == [Budget("group", "svc", 1), Budget("group", "wide", 1), Budget("group", "implicit", 1)]


# -- generated fleets ------------------------------------------------------------------------------------------------


def some_fleet(rng: Random) -> Fleet:
    """Return VMs with groups, owners and labels at random, some with none."""
    vms = [
        {
            "groups": rng.sample(["a", "b", "svc", "tags"], rng.randint(0, 2)),
            "labels": {"tier": rng.choice("xy")} if rng.random() < 0.6 else {},
        }
        | ({"owner": rng.choice(["u1", "u2"])} if rng.random() < 0.7 else {})
        for _ in range(12)
    ]
    return draining(vms, groups=GROUPS)


def some_limits(rng: Random) -> Concurrency:
    return Concurrency(
        **WIDE,
        per_group=rng.choice([None, 1, 2]),
        groups=rng.choice([{}, {"tags": 1}, {"svc": 3, "a": 1}]),
        per_owner=rng.choice([None, 1, 3]),
        per_label=rng.choice([{}, {"tier": 1}, {"tier": 2}]),
    )


def broken(fleet: Fleet, limits: Concurrency, vms: Iterable[int]) -> list[str]:
    """Count on fingers, from what the snapshot says of each VM: which limits do these break together?"""
    vms = list(vms)
    out = []
    for group in fleet.groups:
        replicas = any(r.rule in ("anti_affinity", "spread") for r in group.rules)
        limit = limits.groups.get(group.id, limits.per_group if replicas else None)
        n = sum(v in set(group.members.tolist()) for v in vms)
        if limit is not None and n > limit:
            out.append(group.id)
    owners = Counter(int(fleet.vms.owner[v]) for v in vms if fleet.vms.owner[v] >= 0)
    out += [f"owner {o}" for o, n in owners.items() if limits.per_owner is not None and n > limits.per_owner]
    for label, limit in limits.per_label.items():
        values = Counter(fleet.vms.labels[v][label] for v in vms if label in fleet.vms.labels[v])
        out += [f"{label}={value}" for value, n in values.items() if n > limit]
    return out


@pytest.mark.parametrize("seed", range(40))
def test_batches_hold_what_the_limits_allow_and_no_later_move_fits_an_earlier_batch(seed: int) -> None:
    rng = Random(seed)
    fleet, limits = some_fleet(rng), some_limits(rng)
    moves = [OrderedMove(Move(v, v, 12 + v), (), staging=False) for v in range(12)]
    made = batches(moves, fleet, limits)
    assert sorted(m for b in made for m in b) == list(range(12))
    for i, batch in enumerate(made):
        assert not broken(fleet, limits, batch)
        for later in (m for b in made[i + 1 :] for m in b):
            before = [m for m in batch if m < later]
            assert broken(fleet, limits, [*before, later])


@pytest.mark.parametrize("seed", range(30))
def test_verify_finds_what_is_over_a_limit_and_nothing_else(seed: int) -> None:
    """Two or three moves put into one batch by hand."""
    rng = Random(100 + seed)
    fleet, limits = some_fleet(rng), some_limits(rng)
    policy = replace(build.policy("capacity"), concurrency=limits)
    for chosen in list(combinations(range(12), rng.choice([2, 3])))[:: rng.randint(7, 15)]:
        plan = plan_of(
            fleet, *(move(fleet, v, f"v{v}", f"h{v}", f"h{12 + v}") for v in chosen), policy_digest=policy.digest
        )
        found = [f for f in verify(fleet, policy, plan).findings if f.code == "batch_limit"]
        assert bool(found) == bool(broken(fleet, limits, chosen)), (chosen, found)
        assert len(found) == len(broken(fleet, limits, chosen))


# -- moves by others, in the snapshot --------------------------------------------------------------------------------


def some_strangers(rng: Random) -> Fleet:
    """Return twelve VMs that have to leave their hosts, one to four of which somebody else is migrating."""
    vms = [
        {
            "groups": rng.sample(["a", "b", "svc", "tags"], rng.randint(0, 2)),
            "labels": {"tier": rng.choice("xyz")} if rng.random() < 0.5 else {},
        }
        | ({"owner": rng.choice(["u1", "u2", "u3"])} if rng.random() < 0.7 else {})
        for _ in range(12)
    ]
    theirs = rng.sample(range(12), rng.randint(1, 4))
    flying = [{"vm": f"v{v}", "from": f"h{v}", "to": f"h{12 + v}", "started_at": build.TAKEN_AT} for v in theirs]
    flying = [f | {"id": f"x{i}", "by": rng.choice(["other", "remora"])} for i, f in enumerate(flying)]
    return draining(vms, groups=GROUPS, in_flight=flying)


def kept(fleet: Fleet, limits: Concurrency, vm: int) -> bool:
    """Count on fingers: do moves of others use up a limit on which the VM counts."""
    theirs = {m.vm for m in fleet.in_flight}
    for group in fleet.groups:
        members = set(group.members.tolist())
        replicas = any(r.rule in ("anti_affinity", "spread") for r in group.rules)
        limit = limits.groups.get(group.id, limits.per_group if replicas else None)
        if vm in members and limit is not None and len(theirs & members) >= limit:
            return True
    owner, labels = fleet.vms.owner, fleet.vms.labels
    of_owner = sum(owner[v] == owner[vm] for v in theirs)
    if limits.per_owner is not None and owner[vm] >= 0 and of_owner >= limits.per_owner:
        return True
    return any(
        name in labels[vm] and sum(labels[v].get(name) == labels[vm][name] for v in theirs) >= limit
        for name, limit in limits.per_label.items()
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_what_others_are_moving_counts_on_the_budgets_of_a_plan(seed: int, tmp_path: Path) -> None:
    """The plan moves all VMs that may start beside the strangers' moves, and no other; what it plans is carried out."""
    rng = Random(300 + seed)
    fleet, limits = some_strangers(rng), some_limits(rng)
    policy = replace(build.policy(*RULES), concurrency=limits)
    plan = make_plan(fleet, policy, Request(seconds=10, deterministic=True))
    theirs = {m.vm for m in fleet.in_flight}
    stay = {v for v in range(12) if v in theirs or kept(fleet, limits, v)}
    assert {fleet.vm_index[m.vm] for m in plan.moves} == set(range(12)) - stay
    assert verify(fleet, policy, plan).findings == ()
    before = set(broken(fleet, limits, theirs))
    for batch in plan.batches:
        at_once = [fleet.vm_index[m.vm] for m in plan.moves if m.id in batch.moves]
        assert set(broken(fleet, limits, [*theirs, *at_once])) == before
    with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        applied = apply(fleet, policy, plan, SimulatedDriver(fleet), ledger, act=True)
    assert (len(applied.done), applied.skipped) == (len(plan.moves), ())
    waits = {r.subject: r for r in plan.remaining if r.rule == "maintenance"}
    for v in stay - theirs:
        left = waits[f"v{v}"]
        assert left.cause is not None
        assert (left.cause.kind, left.cause.rule, left.deferred[:11]) == ("budget", "disruption", "disruption:")


@pytest.mark.parametrize("seed", range(30))
def test_verify_refuses_a_move_for_which_others_leave_no_budget(seed: int) -> None:
    rng = Random(400 + seed)
    fleet, limits = some_strangers(rng), some_limits(rng)
    policy = replace(build.policy("capacity"), concurrency=limits)
    for vm in sorted(set(range(12)) - {m.vm for m in fleet.in_flight}):
        plan = plan_of(fleet, move(fleet, 1, f"v{vm}", f"h{vm}", f"h{12 + vm}"), policy_digest=policy.digest)
        found = verify(fleet, policy, plan).findings
        assert any("others are migrating" in f.message for f in found) == kept(fleet, limits, vm), (vm, found)
        assert any(f.code == "batch_limit" for f in found) == kept(fleet, limits, vm), (vm, found)


def test_atoms_and_check_agree_on_what_others_leave() -> None:
    """The VMs that `lower` fixes are those whose move `check` refuses, in 200 fleets."""
    refused = 0
    for seed in range(200):
        rng = Random(500 + seed)
        fleet, limits = some_strangers(rng), some_limits(rng)
        rule = DisruptionRule(limits)
        fixed = {int(v) for atom in rule.lower(fleet) if isinstance(atom, Fixed) for v in atom.vms}
        for vm in set(range(12)) - {m.vm for m in fleet.in_flight}:
            found = list(rule.check(State.start(fleet).begin([Move(vm, vm, 12 + vm)])))
            assert bool(found) == (vm in fixed)
            assert all(rule.explain(v, fleet).startswith(f"v{vm}: others are migrating") for v in found)
            refused += len(found)
    assert refused > 200


def test_no_rule_of_a_policy_is_called_disruption() -> None:
    with pytest.raises(InputError, match="concurrency"):
        build.policy({"rule": "capacity", "name": "disruption"})


# -- apply -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def _unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "verify", lambda *_, **__: Verdict(()))


def carried_out(
    fleet: Fleet, plan: Plan, limits: Concurrency, tmp_path: Path, driver: SimulatedDriver | None = None
) -> tuple[Applied, list[frozenset[str]]]:
    """Carry a plan out; return also the sets of VMs that were on their way together."""
    flying: set[str] = set()
    seen: list[frozenset[str]] = []

    def watch(m: Any, state: MoveState, *_: Any) -> None:
        if state is MoveState.ACCEPTED:
            flying.add(m.vm)
            seen.append(frozenset(flying))
        elif state in (MoveState.DONE, MoveState.FAILED):
            flying.discard(m.vm)

    driver = driver or SimulatedDriver(fleet)
    with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        policy = Policy("test", (), concurrency=limits)
        return apply(fleet, policy, plan, driver, ledger, act=True, progress=watch), seen


@pytest.mark.slow
@pytest.mark.usefixtures("_unverified")
@pytest.mark.parametrize("seed", range(25))
def test_apply_lets_a_move_wait_although_its_batch_would_not(seed: int, tmp_path: Path) -> None:
    rng = Random(200 + seed)
    fleet, limits = some_fleet(rng), some_limits(rng)
    plan = plan_of(fleet, *(move(fleet, v, f"v{v}", f"h{v}", f"h{12 + v}") for v in range(12)))
    applied, seen = carried_out(fleet, plan, limits, tmp_path)
    assert (len(applied.done), applied.exit_code) == (12, 0)
    assert not [together for together in seen if broken(fleet, limits, (fleet.vm_index[vm] for vm in together))]


OTHERS = [{"id": "x1", "vm": "v0", "from": "h0", "to": "h3", "started_at": build.TAKEN_AT, "by": "other"}]


@pytest.mark.usefixtures("_unverified")
@pytest.mark.parametrize(("per_group", "done"), [(1, 0), (2, 2), (None, 2)])
def test_moves_by_others_count(per_group: int | None, done: int, tmp_path: Path) -> None:
    fleet = draining([{"groups": ["svc"]} for _ in range(3)], in_flight=OTHERS)
    plan = plan_of(fleet, *(move(fleet, v, f"v{v}", f"h{v}", f"h{3 + v}") for v in (1, 2)))
    applied, _ = carried_out(fleet, plan, Concurrency(**WIDE, per_group=per_group), tmp_path)
    assert len(applied.done) == done
    assert applied.stopped == ""
    assert [why for _, why in applied.skipped] == ["at most 1 of group svc; 'v0' is migrating, by others"] * (2 - done)


class Joined(SimulatedDriver):
    """Somebody begins to move v0 after the snapshot was taken, and ends it when our first move has ended."""

    def migrating(self) -> frozenset[str]:
        return super().migrating() | (frozenset() if self.snapshot().history else {"v0"})


@pytest.mark.usefixtures("_unverified")
def test_a_move_waits_for_one_of_others_while_there_is_something_else_to_wait_for(tmp_path: Path) -> None:
    fleet = draining([{"groups": ["svc"]}, {"groups": ["svc"]}, {}])
    plan = plan_of(fleet, *(move(fleet, v, f"v{v}", f"h{v}", f"h{3 + v}") for v in (1, 2)))
    applied, _ = carried_out(fleet, plan, Concurrency(**WIDE), tmp_path, Joined(fleet))
    assert applied.done == ("m0002", "m0001")


@pytest.mark.slow
def test_ten_thousand_of_one_group_are_put_into_batches_at_once() -> None:
    """As many batches as moves: a scan of all waiting moves for each batch would take minutes."""
    n = 10_000
    fleet = build.fleet(
        [build.host(f"h{i}", memory=n) for i in range(2)],
        [build.vm(f"v{i}", "h0", memory=1, groups=["svc"]) for i in range(n)],
    )
    moves = [OrderedMove(Move(v, 0, 1), (), staging=False) for v in range(n)]
    assert batches(moves, fleet, Concurrency()) == [[v] for v in range(n)]


@pytest.mark.parametrize(
    ("concurrency", "path"),
    [
        ({"groups": {"svcc": 1}}, "concurrency.groups.svcc"),
        ({"per_label": {"teir": 1}}, "concurrency.per_label.teir"),
        ({"per_domain": {"rak": 1}}, "concurrency.per_domain.rak"),
    ],
)
def test_a_limit_on_what_the_fleet_does_not_have_is_refused(concurrency: dict[str, Any], path: str) -> None:
    fleet = draining(FOUR, groups=GROUPS)
    with pytest.raises(InputError, match="did you mean") as error:
        refuse_unknown_names(fleet, build.policy("capacity", concurrency=concurrency))
    assert error.value.path == path
