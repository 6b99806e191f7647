"""What a plan says of the violations that stay: the rule or limit that blocks is named, and never room that is there.

The kinds are listed in `TRIED` of `test_reported_faults.py`; each is judged by planning again with one thing changed.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.problem.rule import HIGHEST_PRICE
from tests.build import fleet, host, vm
from tests.scenarios.reported import ALL, harm, planned

if TYPE_CHECKING:
    from optimizer.plan import Plan, Remaining


def causes(plan: Plan) -> set[tuple[str, str, str]]:
    return {(r.cause.kind, r.cause.rule, r.cause.subject) for r in plan.remaining if r.cause}


def without(rule: str) -> list[str]:
    return [name for name in ALL if name != rule]


@pytest.mark.rotating
@pytest.mark.parametrize("seed", range(20))
def test_random_groups_that_cannot_travel_together(seed: int) -> None:
    """Each VM has room on every other host, all of them together on none."""
    rng = Random(f"together {seed}")
    count, amount = rng.randint(2, 5), rng.randint(5, 20)
    room = [rng.randint(amount, count * amount - 1) for _ in range(rng.randint(2, 4))]
    hosts = [host("h0", memory=200, state="draining"), *(host(f"h{i}", memory=n) for i, n in enumerate(room, 1))]
    groups = [{"id": "g", "rules": [{"rule": "together", "level": "host"}]}]
    whole = fleet(hosts, [vm(f"v{i}", "h0", memory=amount, groups=["g"]) for i in range(count)], groups=groups)
    plan = planned(whole)
    assert (len(plan.moves), harm(plan)) == (0, 1000 * count)
    assert causes(plan) == {("group", "together", "g")}
    assert harm(planned(whole, *without("together"))) < harm(plan)


@pytest.mark.rotating
@pytest.mark.parametrize("seed", range(20))
def test_random_prices_that_are_too_low(seed: int) -> None:
    """A move costs so many steps, and an excess is worth fewer: with the price that is named, it is made."""
    rng = Random(f"price {seed}")
    count, steps = rng.randint(2, 3), rng.randint(4, 1500)
    price = rng.randint(0, min(steps, 900) - 1)
    hosts = [host(f"h{i}", memory=100) for i in range(count)]
    whole = fleet(hosts, [vm(f"v{i}", "h0", memory=10, groups=["g"], move_cost=float(steps)) for i in range(count)])

    def soft(worth: int | None) -> list[Any]:
        return [
            "capacity",
            {"rule": "anti_affinity", "hardness": "should"} | ({} if worth is None else {"price": worth}),
        ]

    plan = planned(whole, *soft(price), least="weighted")
    assert plan.moves == ()
    (left,) = plan.remaining
    assert left.cause is not None
    assert (left.cause.kind, left.cause.rule) == ("price", "anti_affinity")
    needed = int(left.cause.reason.rsplit(" ", 1)[1])
    assert planned(whole, *soft(needed if needed <= HIGHEST_PRICE else None), least="weighted").moves
    if needed <= HIGHEST_PRICE:
        assert planned(whole, *soft(needed - 1), least="weighted").moves == ()


@pytest.mark.rotating
@pytest.mark.parametrize("seed", range(20))
def test_random_groups_that_keep_apart(seed: int) -> None:
    """Every other host holds a group that A is to be kept apart from, and that cannot go; room is ample."""
    rng = Random(f"apart {seed}")
    others = [f"G{i}" for i in range(rng.randint(1, 4))]
    hosts = [host("h0", memory=100, state="draining"), *(host(f"h{i}", memory=100) for i in range(1, len(others) + 1))]
    vms = [vm(f"a{i}", "h0", memory=5, groups=["A"]) for i in range(rng.randint(1, 3))]
    for i, name in enumerate(others, 1):
        vms += [vm(f"{name}-{n}", f"h{i}", memory=5, groups=[name], mobility="none") for n in range(rng.randint(1, 3))]
    rules = [{"rule": "apart", "level": "host", "with": name} for name in others]
    groups = [{"id": "A", "rules": rules}, *({"id": name, "rules": []} for name in others)]
    plan = planned(fleet(hosts, vms, groups=groups))
    assert plan.moves == ()
    assert {kind[:2] for kind in causes(plan)} == {("group", "apart")}
    assert {kind[2] for kind in causes(plan)} <= {f"A|{name}" for name in others}
    assert harm(planned(fleet(hosts, vms, groups=groups), *without("apart"))) == 0


@pytest.mark.rotating
@pytest.mark.parametrize("seed", range(20))
def test_random_groups_that_are_everywhere(seed: int) -> None:
    """A replica on every host that could take one more, and others that may leave: these do, it stays."""
    rng = Random(f"everywhere {seed}")
    count, k = rng.randint(2, 5), rng.randint(1, 2)
    hosts = [host("h0", memory=100, state="draining"), *(host(f"h{i}", memory=100) for i in range(1, count))]
    vms = [vm(f"w{h}-{n}", f"h{h}", memory=1, groups=["w"]) for h in range(1, count) for n in range(k)]
    stuck = [vm(f"s{i}", "h0", memory=1, groups=["w"]) for i in range(rng.randint(1, k))]
    free = [vm(f"f{i}", "h0", memory=1) for i in range(rng.randint(0, 3))]
    groups = [{"id": "w", "rules": [{"rule": "anti_affinity", "level": "host", "at_most": k}]}]
    plan = planned(fleet(hosts, [*vms, *stuck, *free], groups=groups))
    assert {m.vm for m in plan.moves} == {v["id"] for v in free}
    assert {r.subject for r in plan.remaining} == {v["id"] for v in stuck}
    assert causes(plan) == {("group", "anti_affinity", "w")}


GIVEN: list[tuple[dict[str, Any], str]] = [
    ({"mobility": "none", "mobility_reason": "cdrom attached"}, "cdrom attached"),
    ({"mobility": "none", "mobility_reason": "passes a GPU through"}, "passes a GPU through"),
    ({"mobility": "cold", "mobility_reason": "local snapshot"}, "local snapshot"),
    ({"state": "stopped"}, "it is stopped"),
    ({"state": "error"}, "it is error"),
    ({"no_move_until": "2026-11-22T00:00:00Z"}, "no_move_until"),
    ({"labels": {"pin": "yes"}}, "the policy pins it"),
]


def planned_with_reasons(given: list[tuple[dict[str, Any], str]], free: int) -> tuple[Plan, dict[str, Remaining]]:
    hosts = [host("h1", memory=100, state="draining"), host("h2", memory=1000), host("h3", memory=1000)]
    vms = [vm(f"stays-{i}", "h1", memory=1, **facts) for i, (facts, _) in enumerate(given)]
    vms += [vm(f"goes-{i}", "h1", memory=1) for i in range(free)]
    pins = [{"rule": "allowed", "pinned_labels": [{"pin": "yes"}]}]
    plan = planned(fleet(hosts, vms), *without("allowed"), *pins)
    return plan, {r.subject: r for r in plan.remaining}


def test_each_vm_that_stays_says_its_own_reason() -> None:
    plan, left = planned_with_reasons(GIVEN, 1)
    assert [m.vm for m in plan.moves] == ["goes-0"]
    assert [text in left[f"stays-{i}"].would_help for i, (_, text) in enumerate(GIVEN)] == [True] * len(GIVEN)


@pytest.mark.rotating
@pytest.mark.parametrize("seed", range(20))
def test_random_reasons_are_told(seed: int) -> None:
    rng = Random(f"reasons {seed}")
    words = [
        f"{rng.choice(('disk', 'nic', 'tpm'))} {rng.randint(0, 99)} is {rng.choice(('local', 'bound'))}" for _ in "ab"
    ]
    given = [({"mobility": rng.choice(("none", "cold")), "mobility_reason": text}, text) for text in words]
    given += rng.sample(GIVEN, rng.randint(0, 4))
    free = rng.randint(0, 3)
    plan, left = planned_with_reasons(given, free)
    assert len(plan.moves) == free
    assert len(left) == len(given)
    for i, (_, text) in enumerate(given):
        assert text in left[f"stays-{i}"].would_help
